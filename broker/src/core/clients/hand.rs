//! What a consumer has in hand, and how much more it may be given: its credit.

use std::collections::VecDeque;

use kahawai_store::names::MessageId;

use super::meant::Meant;
use crate::core::spec::LastDelivered;
use crate::core::state::dispatched::Dispatched;

/// A request for one message, of a consumer without prefetch.
#[derive(Clone, Copy, Debug)]
struct Pull {
    /// When it ends with nothing; `None` for never.
    deadline: Option<i64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Hand {
    /// How many messages it takes before it acknowledges some; with 0 it asks for each.
    prefetch: usize,
    /// How many of the dispatched messages do not count against the prefetch: the client has them in hand.
    extension: usize,
    pull: Option<Pull>,
    /// In the order in which they were given.
    dispatched: VecDeque<Dispatched>,
    serial: u64,
}

impl Hand {
    pub(crate) fn new(prefetch: usize) -> Self {
        Self { prefetch, extension: 0, pull: None, dispatched: VecDeque::new(), serial: 0 }
    }

    pub(crate) fn has_credit(&self) -> bool {
        if self.prefetch == 0 {
            self.pull.is_some()
        } else {
            self.dispatched.len() < self.prefetch.saturating_add(self.extension)
        }
    }

    pub(crate) fn set_prefetch(&mut self, prefetch: usize) {
        self.prefetch = prefetch;
    }

    /// What was given and is not acknowledged, in that order.
    pub(crate) fn dispatched(&self) -> &VecDeque<Dispatched> {
        &self.dispatched
    }

    /// A message is given, which ends the pull; gives its deadline, for which nobody waits any more.
    pub(crate) fn give(&mut self, mut entry: Dispatched) -> Option<i64> {
        debug_assert!(self.has_credit(), "a message for whom there is no credit");
        self.serial += 1;
        entry.serial = self.serial;
        self.dispatched.push_back(entry);
        self.end_pull()
    }

    /// Whether the consumer asks for each message.
    pub(crate) fn asks_for_each(&self) -> bool {
        self.prefetch == 0
    }

    /// One message is asked for, instead of another that was asked for; gives the other's deadline.
    pub(crate) fn pull(&mut self, deadline: Option<i64>) -> Option<i64> {
        debug_assert!(self.asks_for_each(), "a pull of a consumer that does not ask");
        let before = self.end_pull();
        self.pull = Some(Pull { deadline });
        before
    }

    /// Whether a pull that ends then is open.
    pub(crate) fn has_pull_until(&self, deadline: i64) -> bool {
        self.pull.is_some_and(|pull| pull.deadline == Some(deadline))
    }

    /// Nothing is asked for any more; gives the deadline of what was.
    pub(crate) fn end_pull(&mut self) -> Option<i64> {
        self.pull.take()?.deadline
    }

    /// The client says that it has that many in hand: more may be given.
    pub(crate) fn delivered(&mut self, count: usize) {
        if self.prefetch > 0 {
            self.extension = self.extension.saturating_add(count).min(self.dispatched.len());
        }
    }

    /// The client had one before it lost its last connection, and keeps it.
    pub(crate) fn replayed(&mut self, id: MessageId) {
        if let Some(entry) = self.dispatched.iter_mut().find(|entry| entry.id == id) {
            entry.replayed = true;
        }
    }

    /// Takes out what is acknowledged.
    pub(crate) fn take(&mut self, meant: &Meant) -> Vec<Dispatched> {
        let taken = meant.take(&mut self.dispatched);
        self.extension = self.extension.saturating_sub(taken.len());
        taken
    }

    /// What was taken out is not acknowledged after all, and stands where it stood. The client has it in hand: it takes no room.
    pub(crate) fn put_back(&mut self, entries: Vec<Dispatched>) {
        if self.prefetch > 0 {
            self.extension += entries.len();
        }
        self.dispatched.extend(entries);
        self.dispatched.make_contiguous().sort_by_key(|entry| entry.serial);
    }

    /// The consumer is gone; gives what goes back. What its client saw counts as delivered once more: all of it if nobody knows, else
    /// up to the last one named.
    pub(crate) fn close(self, last: LastDelivered) -> impl Iterator<Item = Dispatched> {
        let seen = match last {
            LastDelivered::Unknown => self.dispatched.len(),
            LastDelivered::Nothing => 0,
            LastDelivered::Message(id) => {
                self.dispatched.iter().position(|entry| entry.id == id).map_or(0, |index| index + 1)
            }
        };
        self.dispatched.into_iter().enumerate().map(move |(index, mut entry)| {
            entry.redeliveries += u32::from(index < seen);
            entry
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand(prefetch: usize, ids: std::ops::RangeInclusive<u64>) -> Hand {
        let mut hand = Hand::new(prefetch);
        for id in ids {
            hand.give(Dispatched::passing(MessageId(id)));
        }
        hand
    }

    fn ids(entries: impl IntoIterator<Item = Dispatched>) -> Vec<(u64, u32)> {
        entries.into_iter().map(|entry| (entry.id.0, entry.redeliveries)).collect()
    }

    #[test]
    fn credit_is_the_prefetch_less_what_is_not_acknowledged_and_not_in_the_clients_hands() {
        let mut hand = hand(3, 1..=3);
        assert!(!hand.has_credit());
        hand.delivered(2);
        assert!(hand.has_credit());
        hand.give(Dispatched::passing(MessageId(4)));
        hand.give(Dispatched::passing(MessageId(5)));
        assert!(!hand.has_credit());
        // Two of the five are acknowledged, which are the two that did not count.
        assert_eq!(hand.take(&Meant::Range(0..=1)).len(), 2);
        assert!(!hand.has_credit());
        hand.take(&Meant::Range(0..=0));
        assert!(hand.has_credit());
    }

    #[test]
    fn a_client_cannot_have_more_in_hand_than_it_was_given() {
        let mut hand = hand(1, 1..=1);
        hand.delivered(usize::MAX);
        hand.delivered(usize::MAX);
        hand.give(Dispatched::passing(MessageId(2)));
        assert!(!hand.has_credit());
    }

    #[test]
    fn who_asks_for_each_gets_one_for_each() {
        let mut hand = Hand::new(0);
        assert!(!hand.has_credit());
        assert_eq!(hand.pull(Some(4)), None);
        assert_eq!(hand.pull(Some(5)), Some(4));
        assert!(hand.has_credit() && hand.has_pull_until(5) && !hand.has_pull_until(4));
        assert_eq!(hand.give(Dispatched::passing(MessageId(1))), Some(5));
        assert!(!hand.has_credit() && !hand.has_pull_until(5));
        // It has it in hand, and that is no reason to give it another.
        hand.delivered(1);
        assert!(!hand.has_credit());
        assert_eq!(hand.pull(None), None);
        assert!(hand.has_credit() && !hand.has_pull_until(5));
        assert_eq!(hand.end_pull(), None);
        assert!(!hand.has_credit() && hand.asks_for_each());
        hand.set_prefetch(2);
        assert!(hand.has_credit() && !hand.asks_for_each());
    }

    #[test]
    fn what_is_put_back_stands_in_the_old_order_and_takes_no_room() {
        let mut hand = hand(4, 1..=4);
        let taken = hand.take(&Meant::Places(vec![0, 2]));
        hand.give(Dispatched::passing(MessageId(5)));
        hand.put_back(taken);
        let order: Vec<_> = hand.dispatched().iter().map(|entry| entry.id.0).collect();
        assert_eq!(order, [1, 2, 3, 4, 5]);
        assert!(hand.has_credit());
        hand.give(Dispatched::passing(MessageId(6)));
        assert!(!hand.has_credit());
    }

    #[test]
    fn what_the_client_saw_was_delivered_once_more_when_it_goes() {
        let closed = |last| ids(hand(9, 1..=3).close(last));
        assert_eq!(closed(LastDelivered::Unknown), [(1, 1), (2, 1), (3, 1)]);
        assert_eq!(closed(LastDelivered::Nothing), [(1, 0), (2, 0), (3, 0)]);
        assert_eq!(closed(LastDelivered::Message(MessageId(2))), [(1, 1), (2, 1), (3, 0)]);
        assert_eq!(closed(LastDelivered::Message(MessageId(9))), [(1, 0), (2, 0), (3, 0)]);
    }

    #[test]
    fn what_is_kept_since_before_a_failover_is_marked() {
        let mut hand = hand(9, 1..=2);
        hand.replayed(MessageId(2));
        hand.replayed(MessageId(7));
        assert_eq!(hand.dispatched().iter().map(|entry| entry.replayed).collect::<Vec<_>>(), [false, true]);
    }
}
