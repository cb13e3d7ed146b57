//! Who sent what, and what came of it: every message is accounted for.
//!
//! One page for each producer and each subscription that is to have its messages. On it a bit for each message, so
//! that ten million messages cost 1.25 MB.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// A set of sequence numbers.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Whether it was new.
    fn insert(&mut self, at: u64) -> bool {
        let (word, bit) = ((at / 64) as usize, 1 << (at % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn contains(&self, at: u64) -> bool {
        self.0.get((at / 64) as usize).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }
}

/// What one producer did.
#[derive(Debug, Default)]
struct Sender {
    /// Messages begun: sequence numbers below this exist.
    begun: AtomicU64,
    /// Messages that the broker answered for, or that need no answer.
    confirmed: AtomicU64,
    /// Those that did not get the broker's answer, and those that the broker refused.
    excused: Mutex<Excused>,
}

#[derive(Debug, Default)]
struct Excused {
    in_doubt: Bits,
    in_doubt_count: u64,
    refused: Bits,
    refused_count: u64,
}

/// What came of one producer's messages to one subscription.
#[derive(Debug, Default)]
struct Page {
    seen: Bits,
    duplicated: u64,
    delivered_again: u64,
}

/// What arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// For the first time.
    New,
    /// Once more.
    Duplicate,
    /// Nothing that this run sent.
    Foreign,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    senders: Vec<Sender>,
    /// By subscription, then by producer. Consumers of a queue share one subscription.
    pages: Vec<Vec<Mutex<Page>>>,
    distinct: AtomicU64,
    out_of_order: AtomicU64,
    foreign: AtomicU64,
}

/// The balance of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Balance {
    /// Messages that the broker took (answered for, or sent without need of an answer).
    pub(super) sent: u64,
    /// Messages received at least once, counted for each subscription.
    pub(super) received: u64,
    /// Sent, and never received by a subscription that should have it.
    pub(super) lost: u64,
    /// Receipts beyond the first that nothing explains.
    pub(super) duplicated: u64,
    /// Receipts beyond the first that the broker marked as redeliveries, or that came to a consumer that had lost its connection and with it
    /// perhaps the acknowledgement: what JMS allows.
    pub(super) delivered_again: u64,
    /// Received after a later one of the same producer, by the same consumer.
    pub(super) out_of_order: u64,
    /// Messages whose send lost its connection before the answer: they may have arrived or not.
    pub(super) in_doubt: u64,
    /// Of those, how many arrived (at the first subscription).
    pub(super) in_doubt_received: u64,
    /// Messages that the broker refused.
    pub(super) refused: u64,
    /// Messages on the run's destinations that it did not send.
    pub(super) foreign: u64,
}

impl Balance {
    /// Whether nothing is lost, duplicated or out of order.
    pub(super) fn is_sound(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0
    }
}

impl Ledger {
    pub(super) fn new(producers: usize, subscriptions: usize) -> Self {
        let pages = || (0..producers).map(|_| Mutex::default()).collect();
        Self {
            senders: (0..producers).map(|_| Sender::default()).collect(),
            pages: (0..subscriptions).map(|_| pages()).collect(),
            distinct: AtomicU64::new(0),
            out_of_order: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
        }
    }

    /// The next sequence number of a producer.
    pub(super) fn begin(&self, producer: usize) -> u64 {
        self.senders[producer].begun.fetch_add(1, Ordering::Relaxed)
    }

    /// The broker has these many more of the producer's messages.
    pub(super) fn confirm(&self, producer: usize, count: u64) {
        self.senders[producer].confirmed.fetch_add(count, Ordering::Relaxed);
    }

    /// Whether the broker has it nobody knows.
    pub(super) fn doubt(&self, producer: usize, sequence: u64) {
        let mut excused = lock(&self.senders[producer].excused);
        excused.in_doubt_count += u64::from(excused.in_doubt.insert(sequence));
    }

    /// The broker does not have it, and said or showed so.
    pub(super) fn refuse(&self, producer: usize, sequence: u64) {
        let mut excused = lock(&self.senders[producer].excused);
        excused.refused_count += u64::from(excused.refused.insert(sequence));
    }

    /// A message came to a subscription.
    pub(super) fn receive(
        &self,
        subscription: usize,
        producer: u32,
        sequence: u64,
        may_repeat: bool,
    ) -> Arrival {
        let known = self.senders.get(producer as usize);
        if known.is_none_or(|sender| sequence >= sender.begun.load(Ordering::Relaxed)) {
            self.foreign();
            return Arrival::Foreign;
        }
        let mut page = lock(&self.pages[subscription][producer as usize]);
        if page.seen.insert(sequence) {
            drop(page);
            self.distinct.fetch_add(1, Ordering::Relaxed);
            return Arrival::New;
        }
        if may_repeat {
            page.delivered_again += 1;
        } else {
            page.duplicated += 1;
        }
        Arrival::Duplicate
    }

    /// A message came that is none of this run's.
    pub(super) fn foreign(&self) {
        self.foreign.fetch_add(1, Ordering::Relaxed);
    }

    /// A consumer was given a message after a later one of the same producer.
    pub(super) fn out_of_order(&self) {
        self.out_of_order.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages received at least once, counted for each subscription.
    pub(super) fn distinct(&self) -> u64 {
        self.distinct.load(Ordering::Relaxed)
    }

    /// Messages confirmed.
    pub(super) fn confirmed(&self) -> u64 {
        self.senders.iter().map(|sender| sender.confirmed.load(Ordering::Relaxed)).sum()
    }

    /// Whether all that must come has come. Exact, and cheap where nothing is in doubt.
    pub(super) fn is_complete(&self) -> bool {
        let expected = self.confirmed() * self.pages.len() as u64;
        self.distinct() >= expected && self.balance().lost == 0
    }

    /// The balance, as of now: what is under way counts as lost.
    pub(super) fn balance(&self) -> Balance {
        let mut balance = Balance {
            sent: self.confirmed(),
            received: self.distinct(),
            out_of_order: self.out_of_order.load(Ordering::Relaxed),
            foreign: self.foreign.load(Ordering::Relaxed),
            ..Balance::default()
        };
        for (number, sender) in self.senders.iter().enumerate() {
            let begun = sender.begun.load(Ordering::Relaxed);
            let excused = lock(&sender.excused);
            balance.in_doubt += excused.in_doubt_count;
            balance.refused += excused.refused_count;
            for (subscription, pages) in self.pages.iter().enumerate() {
                let page = lock(&pages[number]);
                balance.duplicated += page.duplicated;
                balance.delivered_again += page.delivered_again;
                for sequence in 0..begun {
                    let is_seen = page.seen.contains(sequence);
                    let is_in_doubt = excused.in_doubt.contains(sequence);
                    if is_seen && is_in_doubt && subscription == 0 {
                        balance.in_doubt_received += 1;
                    }
                    if !is_seen && !is_in_doubt && !excused.refused.contains(sequence) {
                        balance.lost += 1;
                    }
                }
            }
        }
        balance
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(ledger: &Ledger, producer: usize, count: u64) {
        for _ in 0..count {
            ledger.begin(producer);
        }
        ledger.confirm(producer, count);
    }

    #[test]
    fn a_sound_run_balances() {
        let ledger = Ledger::new(2, 1);
        sent(&ledger, 0, 3);
        sent(&ledger, 1, 1);
        assert!(!ledger.is_complete());
        for (producer, sequence) in [(0, 0), (1, 0), (0, 1), (0, 2)] {
            assert_eq!(ledger.receive(0, producer, sequence, false), Arrival::New);
        }
        assert!(ledger.is_complete());
        let balance = ledger.balance();
        assert!(balance.is_sound());
        assert_eq!((balance.sent, balance.received, balance.lost), (4, 4, 0));
    }

    #[test]
    fn each_subscription_must_have_every_message() {
        let ledger = Ledger::new(1, 2);
        sent(&ledger, 0, 2);
        ledger.receive(0, 0, 0, false);
        ledger.receive(0, 0, 1, false);
        ledger.receive(1, 0, 1, false);
        assert_eq!(ledger.balance().lost, 1);
        assert!(!ledger.is_complete());
    }

    #[test]
    fn duplicates_are_told_from_marked_redeliveries() {
        let ledger = Ledger::new(1, 1);
        sent(&ledger, 0, 1);
        assert_eq!(ledger.receive(0, 0, 0, false), Arrival::New);
        assert_eq!(ledger.receive(0, 0, 0, false), Arrival::Duplicate);
        assert_eq!(ledger.receive(0, 0, 0, true), Arrival::Duplicate);
        let balance = ledger.balance();
        assert_eq!((balance.duplicated, balance.delivered_again), (1, 1));
        assert!(!balance.is_sound());
    }

    #[test]
    fn what_is_in_doubt_or_refused_need_not_come() {
        let ledger = Ledger::new(1, 1);
        sent(&ledger, 0, 1);
        for _ in 0..3 {
            ledger.begin(0);
        }
        ledger.doubt(0, 1);
        ledger.doubt(0, 2);
        ledger.refuse(0, 3);
        ledger.receive(0, 0, 2, false);
        // One came, but not the one that must.
        assert!(!ledger.is_complete());
        ledger.receive(0, 0, 0, false);
        assert!(ledger.is_complete());
        let balance = ledger.balance();
        assert_eq!((balance.in_doubt, balance.in_doubt_received, balance.refused), (2, 1, 1));
        assert!(balance.is_sound());
    }

    #[test]
    fn numbers_nobody_sent_are_foreign() {
        let ledger = Ledger::new(1, 1);
        assert_eq!(ledger.receive(0, 0, u64::MAX, false), Arrival::Foreign);
        assert_eq!(ledger.receive(0, 9, 0, false), Arrival::Foreign);
        assert_eq!(ledger.balance().foreign, 2);
    }
}
