//! A history that leads to what a store holds: what is appended to an empty store to make a copy.
//!
//! It is made while the store serves, of what it held as of one batch and of pages read later. That does no harm, since a message never changes
//! and its acknowledgement comes to nothing where it does not stand: the batches that follow are appended behind this history, and those of them
//! that a page already showed change nothing. Only what came later than that batch is left out, by its arrival. (A move would not be found where the
//! page did not show the message any more: whoever copies begins anew then.)
//!
//! Batches come in the order of arrivals, as the store they are appended to has to count: messages of all queues and topics are merged by them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use kahawai_store::batch::{Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::codec::batch_size;
use kahawai_store::contract::{Limits, Page, ReadRequest, Recovered, StoredMessage};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};

use crate::standing::Standing;

/// About how many bytes a batch of a copy takes, unless one message takes more.
const BATCH_BYTES: usize = 256 << 10;
/// How many bytes of pages are held at once, of all queues and subscriptions together: each holds one message at least.
const PAGES_BYTES: usize = 16 << 20;
const PAGE_MESSAGES_MAX: usize = 256;

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// A batch to be appended.
    Batch {
        /// Where its arrivals begin.
        arrival_first: u64,
        /// What it does.
        operations: Vec<Operation>,
        /// Whether it is the last: then the copy is whole.
        is_last: bool,
    },
    /// A page is needed: [`History::feed`] takes it.
    Read(ReadRequest),
    /// The last batch has been given.
    Done,
}

/// What a store held as of a batch, with the pages that were read since.
#[derive(Debug)]
pub struct History {
    /// Batches before any message.
    first: VecDeque<Vec<Operation>>,
    /// And behind all of them.
    last: VecDeque<Vec<Operation>>,
    /// What arrived from here on is not part of it.
    arrival_next: u64,
    subscriptions: BTreeMap<DestinationId, BTreeSet<SubscriptionId>>,
    sources: Vec<Source>,
    /// By the arrival of their first message.
    ready: BinaryHeap<Reverse<(u64, usize)>>,
    /// Those without one, that may have some.
    hungry: Vec<usize>,
    run: Run,
    /// What was gathered and is to be given before anything else.
    given: VecDeque<Run>,
    damaged: Vec<(DestinationId, MessageId)>,
    messages_left: u64,
}

/// Messages of one rank in a queue or for a subscription.
#[derive(Debug)]
struct Source {
    destination: DestinationId,
    subscription: Option<SubscriptionId>,
    rank: Option<u8>,
    after: Option<Cursor>,
    page: VecDeque<StoredMessage>,
    ended: bool,
}

/// Operations whose arrivals follow on each other.
#[derive(Debug, Default)]
struct Run {
    arrival_first: u64,
    arrival_next: u64,
    operations: Vec<Operation>,
    bytes: usize,
}

impl History {
    /// Of a store that held this, with all that its prepared transactions will do.
    pub fn of(recovered: &Recovered, prepared: Vec<(Xid, Vec<Vec<Operation>>)>, limits: Limits) -> Self {
        let mut first = vec![Standing::copying(true)];
        first.extend(
            recovered
                .destinations
                .iter()
                .map(|state| Operation::CreateDestination(state.destination.clone())),
        );
        first.extend(
            recovered.subscriptions.iter().map(|state| Operation::Subscribe(state.subscription.clone())),
        );
        first.extend(recovered.tables.iter().cloned().map(|entry| Operation::Put {
            table: entry.table,
            key: entry.key,
            value: Some(entry.value),
        }));
        let mut subscriptions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut sources = Vec::new();
        let mut source = |destination, subscription| {
            sources.push(Source {
                destination,
                subscription,
                rank: None,
                after: None,
                page: VecDeque::new(),
                ended: false,
            });
        };
        for state in &recovered.destinations {
            if state.destination.kind == DestinationKind::Queue && state.messages > 0 {
                source(state.destination.id, None);
            }
        }
        for state in &recovered.subscriptions {
            let Subscription { id, destination, .. } = state.subscription;
            subscriptions.entry(destination).or_default().insert(id);
            if state.messages > 0 {
                source(destination, Some(id));
            }
        }
        let prepare = |(xid, chunks): (Xid, Vec<Vec<Operation>>)| {
            let prepare = move |operations| vec![Operation::Prepare { xid: xid.clone(), operations }];
            chunks.into_iter().map(prepare)
        };
        let mut last: VecDeque<_> = prepared.into_iter().flat_map(prepare).collect();
        let mut end = counters(recovered);
        end.push(Standing::copying(false));
        last.push_back(end);
        Self {
            first: pieces(first, BATCH_BYTES.min(limits.batch_bytes_max)).into(),
            last,
            arrival_next: recovered.arrival_next,
            subscriptions,
            hungry: (0..sources.len()).rev().collect(),
            sources,
            ready: BinaryHeap::new(),
            run: Run::default(),
            given: VecDeque::new(),
            damaged: Vec::new(),
            messages_left: recovered.destinations.iter().map(|state| state.messages).sum(),
        }
    }

    /// What comes next. After [`Step::Read`] the page is to be fed before this is asked again.
    pub fn step(&mut self) -> Step {
        if let Some(operations) = self.first.pop_front() {
            return Step::Batch { arrival_first: 0, operations, is_last: false };
        }
        loop {
            if let Some(Run { arrival_first, operations, .. }) = self.given.pop_front() {
                return Step::Batch { arrival_first, operations, is_last: false };
            }
            if let Some(hungry) = self.hungry.last() {
                let source = &self.sources[*hungry];
                return Step::Read(ReadRequest {
                    destination: source.destination,
                    subscription: source.subscription,
                    after: source.after,
                    messages_max: PAGE_MESSAGES_MAX,
                    bytes_max: PAGES_BYTES / self.sources.len().max(1),
                });
            }
            if !self.take_one() {
                self.break_run();
                if self.given.is_empty() {
                    break;
                }
            }
        }
        match self.last.pop_front() {
            Some(operations) => {
                let is_last = self.last.is_empty();
                Step::Batch { arrival_first: self.arrival_next, operations, is_last }
            }
            None => Step::Done,
        }
    }

    /// Takes the page that was asked for last.
    pub fn feed(&mut self, page: Page) {
        let Some(hungry) = self.hungry.pop() else {
            debug_assert!(false, "no page was asked for");
            return;
        };
        let last = page.cursor_last();
        let source = &mut self.sources[hungry];
        let destination = source.destination;
        self.damaged.extend(page.damaged.iter().map(|(id, _)| (destination, *id)));
        let first = page.messages.first().map(|stored| stored.cursor);
        let first = first.into_iter().chain(page.damaged.iter().map(|(_, cursor)| *cursor)).min();
        source.after = last.or(source.after);
        source.ended = page.end || last.is_none();
        let is_first_page = source.rank.is_none();
        let rank = *source.rank.get_or_insert(first.map_or(0, |cursor| cursor.rank));
        let found = page.messages.len();
        let arrival_next = self.arrival_next;
        let is_of_it =
            |stored: &StoredMessage| stored.cursor.rank == rank && stored.cursor.arrival < arrival_next;
        source.page = page.messages.into_iter().take_while(is_of_it).collect();
        let goes_beyond = source.page.len() < found || last.is_some_and(|last| last.rank > rank);
        let may_have_more_ranks = !source.ended || goes_beyond;
        source.ended |= goes_beyond;
        let subscription = source.subscription;
        self.sort_in(hungry);
        // Within a rank messages stand in the order of their arrivals; each rank is a source of its own.
        if is_first_page && may_have_more_ranks {
            self.hungry.push(self.sources.len());
            self.sources.push(Source {
                destination,
                subscription,
                rank: None,
                after: Some(Cursor { rank, arrival: u64::MAX }),
                page: VecDeque::new(),
                ended: false,
            });
        }
    }

    /// Messages that stand there and cannot be read: the copy is without them.
    pub fn damaged(&self) -> &[(DestinationId, MessageId)] {
        &self.damaged
    }

    /// About how many messages are still to be given: of what was acknowledged meanwhile, some are not.
    pub fn messages_left(&self) -> u64 {
        self.messages_left
    }

    fn sort_in(&mut self, index: usize) {
        let source = &self.sources[index];
        match source.page.front() {
            Some(stored) => self.ready.push(Reverse((stored.cursor.arrival, index))),
            None if !source.ended => self.hungry.push(index),
            None => {}
        }
    }

    /// Takes the message that arrived first of all that are left, for whoever waits for it; `false` where none is left.
    fn take_one(&mut self) -> bool {
        let Some(Reverse((arrival, index))) = self.ready.pop() else { return false };
        let Some(stored) = self.sources[index].page.pop_front() else { return true };
        let destination = self.sources[index].destination;
        let mut waiting: BTreeSet<_> = self.sources[index].subscription.into_iter().collect();
        self.sort_in(index);
        while let Some(Reverse((also, index))) = self.ready.peek().copied()
            && also == arrival
        {
            self.ready.pop();
            self.sources[index].page.pop_front();
            waiting.extend(self.sources[index].subscription);
            self.sort_in(index);
        }
        self.messages_left = self.messages_left.saturating_sub(1);
        let StoredMessage { id, cursor, message } = stored;
        let rank = cursor.rank;
        let enqueue = Operation::Enqueue { id, destination, rank, message };
        let all = self.subscriptions.get(&destination).into_iter().flatten();
        let done = all.filter(|subscription| !waiting.contains(subscription)).map(|subscription| {
            Operation::Acknowledge { destination, id, cursor, subscription: Some(*subscription) }
        });
        let done: Vec<_> = done.collect();
        self.add(arrival, arrival + 1, vec![enqueue]);
        if !done.is_empty() {
            self.add(arrival + 1, arrival + 1, done);
        }
        true
    }

    fn add(&mut self, arrival_first: u64, arrival_next: u64, operations: Vec<Operation>) {
        let bytes = batch_size(&operations);
        if self.run.arrival_next != arrival_first || self.run.bytes + bytes > BATCH_BYTES {
            self.break_run();
            self.run.arrival_first = arrival_first;
        }
        self.run.arrival_next = arrival_next;
        self.run.bytes += bytes;
        self.run.operations.extend(operations);
    }

    fn break_run(&mut self) {
        if !self.run.operations.is_empty() {
            self.given.push_back(mem::take(&mut self.run));
        }
    }
}

/// Operations in batches of about so many bytes.
fn pieces(operations: Vec<Operation>, bytes_max: usize) -> Vec<Vec<Operation>> {
    let mut pieces = vec![Vec::new()];
    let mut bytes = 0;
    for operation in operations {
        let size = batch_size(std::slice::from_ref(&operation));
        if bytes + size > bytes_max && bytes > 0 {
            pieces.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(piece) = pieces.last_mut() {
            piece.push(operation);
        }
    }
    pieces
}

/// Operations that leave nothing behind but that the ids given so far are not given again.
fn counters(recovered: &Recovered) -> Vec<Operation> {
    let mut operations = Vec::new();
    let destinations: BTreeSet<_> =
        recovered.destinations.iter().map(|state| state.destination.id.0).collect();
    let is_new = |last: u64| !destinations.contains(&last);
    let name = || "kahawai.pair.counter".into();
    let last_destination = recovered.destination_id_next.0.checked_sub(1).filter(|last| is_new(*last));
    let subscription = recovered
        .subscription_id_next
        .0
        .checked_sub(1)
        .filter(|last| recovered.subscriptions.iter().all(|state| state.subscription.id.0 != *last));
    // A subscription that was there once had a topic, whose id is below the next one and free by now, if no topic is left.
    let free = || (0..recovered.destination_id_next.0).rev().find(|id| is_new(*id));
    let topic = last_destination.or_else(|| subscription.and_then(|_| free())).map(DestinationId);
    if let Some(id) = topic {
        let kind = DestinationKind::Topic;
        operations.push(Operation::CreateDestination(Destination { id, kind, name: name() }));
    }
    let existing =
        recovered.destinations.iter().find(|state| state.destination.kind == DestinationKind::Topic);
    let topic_of_all = topic.or(existing.map(|state| state.destination.id));
    if let (Some(id), Some(destination)) = (subscription.map(SubscriptionId), topic_of_all) {
        operations.push(Operation::Subscribe(Subscription {
            id,
            destination,
            client_id: name(),
            name: name(),
            selector: None,
            no_local: false,
        }));
        operations.push(Operation::Unsubscribe(id));
    }
    operations.extend(topic.map(Operation::RemoveDestination));
    // What is prepared and rolled back takes no arrival.
    if let Some(id) = recovered.message_id_next.0.checked_sub(1).map(MessageId)
        && let Some(destination) =
            topic_of_all.or(recovered.destinations.first().map(|state| state.destination.id))
    {
        let global = Bytes::from_static(b"kahawai.pair.counter");
        let xid = Xid { format: i32::MIN, global, branch: Bytes::new() };
        let enqueue = Operation::Enqueue { id, destination, rank: 0, message: Arc::new(Message::default()) };
        let prepare = Operation::Prepare { xid: xid.clone(), operations: vec![enqueue] };
        let place = operations.len().saturating_sub(usize::from(topic.is_some()));
        operations.insert(place, prepare);
        operations.insert(place + 1, Operation::Decide { xid, outcome: Outcome::Rollback });
    }
    operations
}
