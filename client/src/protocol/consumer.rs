//! One consumer's books: what came, what was handed out, what the broker was told.
//!
//! Messages are numbered as they arrive. That is the order of the broker's own list of dispatched messages, which
//! matters because a range acknowledgement must name exactly a stretch of that list.

mod entry;
mod known;
mod recovery;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use kahawai_openwire::connection::RemoveInfo;
use kahawai_openwire::consumer::{ConsumerInfo, MessagePull};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{ConsumerId, MessageId, RemovedId};
use kahawai_openwire::message::{MessageAck, MessageDispatch};
use kahawai_openwire::throwable::Throwable;
use kahawai_openwire::transaction::TransactionId;

use crate::consumer_options::ConsumerOptions;
use crate::error::Loss;
use crate::protocol::consumer::entry::{Entry, id};
use crate::protocol::consumer::known::KnownMessages;
use crate::protocol::event::{Extent, Handed, Next};

/// How far beyond its prefetch a broker may go before it is taken for mad: prefetch windows are not exact.
const FLOOD_FACTOR: usize = 4;
const FLOOD_EXTRA: usize = 1024;

/// When the consumer's messages are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Auto,
    Lazy,
    Explicit,
    Transacted,
}

/// Messages that are acknowledged when the next bytes leave: one range, in order of arrival.
#[derive(Debug)]
struct Due {
    first: Option<MessageId>,
    last: Option<MessageId>,
    destination: Arc<Destination>,
    count: usize,
}

/// Messages that a transaction acknowledged and that come again if it fails.
#[derive(Debug, Default)]
pub(super) struct Settling(Vec<(u64, Entry)>);

impl Settling {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    id: Arc<ConsumerId>,
    destination: Arc<Destination>,
    /// The command that opens it.
    info: Box<ConsumerInfo>,
    mode: Mode,
    prefetch: u32,
    redeliveries_max: Option<u32>,
    /// Came and not handed out, in order of arrival.
    waiting: VecDeque<(u64, Entry)>,
    /// Handed out and not acknowledged.
    delivered: BTreeMap<u64, Entry>,
    /// Of `delivered`, those beyond `reported_through`.
    unreported: usize,
    /// Arrival of the newest message that the broker knows to be handed out.
    reported_through: u64,
    arrivals: u64,
    /// The broker's number of the newest message handed out.
    last_delivered_sequence: i64,
    is_pull_pending: bool,
    due: Option<Due>,
    /// Came a second time, and the application has them: to be acknowledged at once.
    again: Vec<Entry>,
    /// What is kept to go on with another broker; none where the connection does not.
    recovery: Option<Box<KnownMessages>>,
    /// The broker accepted it.
    pub(super) is_open: bool,
    /// A browser that has come to the end.
    is_finished: bool,
    /// The broker closed it.
    pub(super) is_ended: bool,
    /// The application closed it and the open transaction still needs it.
    pub(super) is_closing: bool,
}

impl Consumer {
    pub(super) fn new(
        id: Arc<ConsumerId>,
        options: &ConsumerOptions,
        mode: Mode,
        prefetch: u32,
        recovers: bool,
    ) -> Self {
        let destination = Arc::new(options.destination.clone());
        let info = ConsumerInfo {
            consumer_id: Some(id.clone()),
            destination: Some(destination.clone()),
            prefetch_size: prefetch as i32,
            dispatch_async: true,
            selector: options.selector.clone(),
            subscription_name: options.subscription.clone(),
            no_local: options.no_local,
            exclusive: options.exclusive,
            retroactive: options.retroactive,
            priority: options.priority,
            browser: options.browser,
            ..ConsumerInfo::default()
        };
        Self {
            id,
            destination,
            info: Box::new(info),
            mode,
            prefetch,
            redeliveries_max: options.redeliveries_max,
            waiting: VecDeque::new(),
            delivered: BTreeMap::new(),
            unreported: 0,
            reported_through: 0,
            arrivals: 0,
            last_delivered_sequence: RemoveInfo::LAST_DELIVERED_UNSET,
            is_pull_pending: false,
            due: None,
            again: Vec::new(),
            recovery: recovers.then(Box::default),
            is_open: false,
            is_finished: false,
            is_ended: false,
            is_closing: false,
        }
    }

    /// What it consumes from.
    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The command that opens it.
    pub(super) fn info(&self) -> ConsumerInfo {
        ConsumerInfo { prefetch_size: self.prefetch as i32, ..(*self.info).clone() }
    }

    /// The command that closes it.
    pub(super) fn remove_info(&self) -> RemoveInfo {
        RemoveInfo {
            object_id: Some(RemovedId::Consumer(self.id.clone())),
            last_delivered_sequence_id: self.last_delivered_sequence,
            ..RemoveInfo::default()
        }
    }

    /// The broker sent something: whether the application may be waiting for it, and what the broker is to be told.
    ///
    /// # Errors
    /// [`Loss::Flooded`].
    pub(super) fn dispatch(&mut self, dispatch: MessageDispatch) -> Result<(bool, Vec<MessageAck>), Loss> {
        self.is_pull_pending = false;
        let Some(message) = dispatch.message else {
            // A browser has seen all; to others it says that a pull found none.
            self.is_finished |= self.info.browser;
            return Ok((true, Vec::new()));
        };
        let found = self.waiting.len() + 1;
        if found > self.prefetch as usize * FLOOD_FACTOR + FLOOD_EXTRA {
            return Err(Loss::Flooded { prefetch: self.prefetch, found });
        }
        self.arrivals += 1;
        let redeliveries = u32::try_from(dispatch.redelivery_counter).unwrap_or(0);
        let destination = dispatch.destination.unwrap_or_else(|| self.destination.clone());
        let entry = Entry { message, destination, redeliveries };
        let entry = if self.recovery.as_ref().is_some_and(|recovery| recovery.knows_some()) {
            let Some(entry) = self.recognise(entry) else {
                let mut acks = self.take_again();
                acks.extend(self.report(None));
                return Ok((false, acks));
            };
            entry
        } else {
            entry
        };
        self.waiting.push_back((self.arrivals, entry));
        Ok((found == 1, Vec::new()))
    }

    /// Whether the next message must be asked for.
    pub(super) fn pull(&mut self) -> Option<MessagePull> {
        if self.prefetch > 0 || self.is_pull_pending || self.is_ended || !self.waiting.is_empty() {
            return None;
        }
        self.is_pull_pending = true;
        Some(MessagePull {
            consumer_id: Some(self.id.clone()),
            destination: Some(self.destination.clone()),
            timeout: 0,
            ..MessagePull::default()
        })
    }

    /// Hands out the next message, with what the broker is to be told about it.
    pub(super) fn next(&mut self, transaction: Option<&Arc<TransactionId>>) -> (Next, Option<MessageAck>) {
        let Some((arrival, entry)) = self.waiting.pop_front() else {
            let next = match (self.is_ended, self.is_finished) {
                (true, _) => Next::Ended,
                (false, true) => Next::Finished,
                (false, false) => Next::Nothing,
            };
            return (next, None);
        };
        if let Some(id) = id(&entry) {
            self.last_delivered_sequence = self.last_delivered_sequence.max(id.broker_sequence_id);
        }
        let handed = Handed { message: entry.message.clone(), redeliveries: entry.redeliveries, arrival };
        if matches!(self.mode, Mode::Auto | Mode::Lazy) {
            if let Some(recovery) = &mut self.recovery {
                recovery.remember(&entry);
            }
            self.note_due(&entry);
            return (Next::Message(handed), None);
        }
        self.delivered.insert(arrival, entry);
        if arrival > self.reported_through {
            self.unreported += 1;
        }
        (Next::Message(handed), self.report(transaction))
    }

    /// The message is to be acknowledged: one range grows, as messages are handed out in order of arrival.
    fn note_due(&mut self, entry: &Entry) {
        match &mut self.due {
            Some(due) => {
                due.last = id(entry).cloned();
                due.count += 1;
                if !Arc::ptr_eq(&due.destination, &entry.destination) {
                    due.destination = entry.destination.clone();
                }
            }
            None => {
                let id = id(entry).cloned();
                let destination = entry.destination.clone();
                self.due = Some(Due { first: id.clone(), last: id, destination, count: 1 });
            }
        }
    }

    /// Whether acknowledgements should leave with the next bytes.
    pub(super) fn is_due(&self) -> bool {
        let at_least = match self.mode {
            Mode::Lazy => (self.prefetch as usize / 2).max(1),
            _ => 1,
        };
        self.due.as_ref().is_some_and(|due| due.count >= at_least)
    }

    /// What is to be acknowledged by itself.
    pub(super) fn take_due(&mut self) -> Option<MessageAck> {
        let due = self.due.take()?;
        Some(MessageAck {
            destination: Some(due.destination),
            consumer_id: Some(self.id.clone()),
            ack_type: MessageAck::STANDARD,
            first_message_id: due.first,
            last_message_id: due.last,
            message_count: due.count as i32,
            ..MessageAck::default()
        })
    }

    /// Tells the broker what was handed out, once it is half of the prefetch, so that it sends more.
    fn report(&mut self, transaction: Option<&Arc<TransactionId>>) -> Option<MessageAck> {
        // A puller asks for each message: it has no window to move.
        if self.prefetch == 0 || self.unreported < (self.prefetch as usize / 2).max(1) {
            return None;
        }
        let mut unreported = self.delivered.range(self.reported_through + 1..);
        let (_, first) = unreported.next()?;
        let (&newest, last) = self.delivered.last_key_value()?;
        let count = self.unreported;
        let report = self.ack(MessageAck::DELIVERED, first, last, count, transaction);
        self.unreported = 0;
        self.reported_through = newest;
        Some(report)
    }

    /// Acknowledges handed-out messages. What is acknowledged already is left out.
    pub(super) fn acknowledge(&mut self, arrival: u64, extent: Extent) -> Vec<MessageAck> {
        if let Some(acks) = self.acknowledge_recovered(arrival, extent) {
            return acks;
        }
        let taken = match extent {
            Extent::One => self.delivered.remove_entry(&arrival).into_iter().collect::<Vec<_>>(),
            Extent::UpToHere => {
                let later = self.delivered.split_off(&(arrival + 1));
                std::mem::replace(&mut self.delivered, later).into_iter().collect()
            }
        };
        self.forget_unreported(&taken);
        if extent == Extent::One {
            return self.one_by_one(&taken, None);
        }
        self.ranges(&taken, None)
    }

    /// Gives a handed-out message up: it is for the dead-letter queue.
    pub(super) fn reject(&mut self, arrival: u64, cause: &str) -> Option<MessageAck> {
        let taken = self.delivered.remove_entry(&self.arrival_now(arrival))?;
        self.forget_unreported(std::slice::from_ref(&taken));
        Some(self.poison(&taken.1, cause))
    }

    /// Acknowledges all that was handed out, in a transaction that ends now.
    pub(super) fn settle(&mut self, transaction: &Arc<TransactionId>) -> (Vec<MessageAck>, Settling) {
        let taken: Vec<_> = std::mem::take(&mut self.delivered).into_iter().collect();
        self.unreported = 0;
        (self.ranges(&taken, Some(transaction)), Settling(taken))
    }

    /// The transaction is rolled back: what was handed out comes again, before all else, unless it did so too often.
    pub(super) fn roll_back(&mut self) -> Vec<MessageAck> {
        let taken = std::mem::take(&mut self.delivered).into_iter().collect();
        self.unreported = 0;
        self.hand_back(taken)
    }

    /// The commit failed, as [`Self::roll_back`].
    pub(super) fn unsettle(&mut self, settling: Settling) -> Vec<MessageAck> {
        if let Some((first, _)) = settling.0.first() {
            // The broker took its window back when the transaction ended.
            self.reported_through = self.reported_through.min(first.saturating_sub(1));
            self.unreported = self.delivered.range(self.reported_through + 1..).count();
        }
        self.hand_back(settling.0)
    }

    fn hand_back(&mut self, taken: Vec<(u64, Entry)>) -> Vec<MessageAck> {
        let mut acks = Vec::new();
        let mut again = Vec::with_capacity(taken.len());
        for (arrival, mut entry) in taken {
            entry.redeliveries = entry.redeliveries.saturating_add(1);
            match self.redeliveries_max {
                Some(limit) if entry.redeliveries > limit => {
                    let cause = format!("redelivered {limit} times, the most allowed");
                    acks.push(self.poison(&entry, &cause));
                }
                _ => again.push((arrival, entry)),
            }
        }
        if let (Some((_, first)), Some((_, last))) = (again.first(), again.last()) {
            acks.push(self.ack(MessageAck::REDELIVERED, first, last, again.len(), None));
        }
        for entry in again.into_iter().rev() {
            self.waiting.push_front(entry);
        }
        // Where a failed commit's messages meet a later roll-back's.
        self.waiting.make_contiguous().sort_by_key(|(arrival, _)| *arrival);
        acks
    }

    /// Whether it has handed-out messages that the end of the transaction is about.
    pub(super) fn has_delivered(&self) -> bool {
        !self.delivered.is_empty()
    }

    /// Whether the application has something to take.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn set_prefetch(&mut self, prefetch: u32) {
        self.prefetch = prefetch;
    }

    fn forget_unreported(&mut self, taken: &[(u64, Entry)]) {
        let unreported = taken.iter().filter(|(arrival, _)| *arrival > self.reported_through).count();
        self.unreported = self.unreported.saturating_sub(unreported);
    }

    /// One range, or one by one where a message between them is not handed out (it came back from a failed commit).
    fn ranges(&self, taken: &[(u64, Entry)], transaction: Option<&Arc<TransactionId>>) -> Vec<MessageAck> {
        let (Some((_, first)), Some((newest, last))) = (taken.first(), taken.last()) else {
            return Vec::new();
        };
        if self.waiting.front().is_some_and(|(arrival, _)| arrival < newest) {
            return self.one_by_one(taken, transaction);
        }
        vec![self.ack(MessageAck::STANDARD, first, last, taken.len(), transaction)]
    }

    fn one_by_one(
        &self,
        taken: &[(u64, Entry)],
        transaction: Option<&Arc<TransactionId>>,
    ) -> Vec<MessageAck> {
        let individual =
            |(_, entry): &(u64, Entry)| self.ack(MessageAck::INDIVIDUAL, entry, entry, 1, transaction);
        taken.iter().map(individual).collect()
    }

    fn poison(&self, entry: &Entry, cause: &str) -> MessageAck {
        MessageAck {
            poison_cause: Some(Box::new(Throwable::new("java.lang.Throwable", cause))),
            ..self.ack(MessageAck::POISON, entry, entry, 1, None)
        }
    }

    fn ack(
        &self,
        ack_type: u8,
        first: &Entry,
        last: &Entry,
        count: usize,
        transaction: Option<&Arc<TransactionId>>,
    ) -> MessageAck {
        MessageAck {
            destination: Some(last.destination.clone()),
            transaction_id: transaction.cloned(),
            consumer_id: Some(self.id.clone()),
            ack_type,
            first_message_id: id(first).cloned(),
            last_message_id: id(last).cloned(),
            message_count: count as i32,
            ..MessageAck::default()
        }
    }
}
