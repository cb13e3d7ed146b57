//! Keeps messages in a store that may be copied, and gives them out: a broker with a queue for each client, so that what is on its way to one, from
//! a broker that is no more, is not taken by another meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kahawai_replication::master::Replicated;
use kahawai_simulation::ledger::entry::Entry;
use kahawai_simulation::{ConnectionId, Context};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::contract::{Committed, Page, ReadRequest, Recovered, Store as _, StoreError};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId};

use super::bug::Bug;
use super::frames::{Frames, Kind, frame};
use super::member::Answer;

/// A client's queue goes by its number.
const CLIENTS: u64 = 2;

fn queue_of(client: u32) -> DestinationId {
    DestinationId(u64::from(client))
}

/// What the store answered to the broker.
pub(crate) enum Stored {
    Recovered(Result<Recovered, StoreError>),
    Created(Result<Committed, StoreError>),
    Page(DestinationId, Result<Page, StoreError>),
    Kept(u32, u64, Result<Committed, StoreError>),
    Gone(ConnectionId, u64, Result<Committed, StoreError>),
}

struct Waiting {
    queue: DestinationId,
    cursor: Cursor,
    body: Bytes,
    given_to: Option<ConnectionId>,
    again: bool,
}

/// A message on its way into the store.
struct Keeping {
    id: u64,
    body: Bytes,
    waits: ConnectionId,
}

pub(crate) struct Broker {
    replicated: Arc<Replicated>,
    /// By which number the ledger knows it.
    number: u32,
    bug: Bug,
    id_next: u64,
    waiting: BTreeMap<u64, Waiting>,
    clients: BTreeMap<ConnectionId, (u32, Frames)>,
    /// The last number of each producer that is kept.
    last: BTreeMap<u32, u64>,
    keeping: BTreeMap<(u32, u64), Keeping>,
}

impl Broker {
    pub(crate) fn new(replicated: Arc<Replicated>, number: u32, bug: Bug) -> Self {
        Self {
            replicated,
            number,
            bug,
            id_next: 0,
            waiting: BTreeMap::new(),
            clients: BTreeMap::new(),
            last: BTreeMap::new(),
            keeping: BTreeMap::new(),
        }
    }

    pub(crate) fn begin(&self, context: &mut Context<'_>) {
        let done = context.completion(|found| Answer::Broker(Stored::Recovered(found)));
        self.replicated.recover(done);
    }

    fn read(&self, destination: DestinationId, after: Option<Cursor>, context: &mut Context<'_>) {
        let request =
            ReadRequest { destination, subscription: None, after, messages_max: 5, bytes_max: usize::MAX };
        let done = context.completion(move |page| Answer::Broker(Stored::Page(destination, page)));
        self.replicated.read(request, done);
    }

    /// `true`: it is ready.
    pub(crate) fn stored(&mut self, stored: Stored, context: &mut Context<'_>) -> Result<bool, StoreError> {
        match stored {
            Stored::Recovered(found) => {
                let found = found?;
                self.id_next = found.message_id_next.0;
                for entry in found.tables {
                    let producer = u32::from_be_bytes(entry.key[..].try_into().expect("4"));
                    self.last.insert(producer, u64::from_be_bytes(entry.value[..].try_into().expect("8")));
                }
                if found.destinations.is_empty() {
                    let create = |id: u64| {
                        let (id, kind) = (DestinationId(id), DestinationKind::Queue);
                        Operation::CreateDestination(Destination { id, kind, name: format!("Q{id}").into() })
                    };
                    let done = context.completion(|done| Answer::Broker(Stored::Created(done)));
                    self.replicated.commit(Batch::new((1..=CLIENTS).map(create).collect()), done);
                } else {
                    self.read(DestinationId(1), None, context);
                }
            }
            Stored::Created(created) => match created {
                Ok(_) => self.read(DestinationId(1), None, context),
                Err(StoreError::Full(_)) => self.begin(context),
                Err(error) => return Err(error),
            },
            Stored::Page(queue, page) => {
                let page = page?;
                assert!(page.damaged.is_empty(), "nothing is damaged here");
                for stored in &page.messages {
                    let body = stored.message.body.clone();
                    let cursor = stored.cursor;
                    let waiting = Waiting { queue, cursor, body, given_to: None, again: true };
                    self.waiting.insert(stored.id.0, waiting);
                }
                match page.end {
                    true if queue.0 == CLIENTS => return Ok(true),
                    true => self.read(DestinationId(queue.0 + 1), None, context),
                    false => self.read(queue, page.cursor_last(), context),
                }
            }
            Stored::Kept(producer, number, result) => {
                let Some(Keeping { id, body, waits }) = self.keeping.remove(&(producer, number)) else {
                    return Ok(false);
                };
                match result {
                    Ok(committed) => {
                        let cursor = Cursor { rank: 0, arrival: committed.arrival_first };
                        let queue = queue_of(producer);
                        let waiting = Waiting { queue, cursor, body, given_to: None, again: false };
                        self.waiting.insert(id, waiting);
                        let last = self.last.entry(producer).or_default();
                        *last = number.max(*last);
                        self.say_kept(waits, number, context);
                    }
                    Err(StoreError::Full(_)) => context.send(waits, frame(Kind::Refused, number, &[])),
                    Err(error) => return Err(error),
                }
            }
            Stored::Gone(connection, id, result) => match result {
                Ok(_) => {
                    self.waiting.remove(&id);
                    self.note_answer(context);
                    context.send(connection, frame(Kind::Gone, id, &[]));
                }
                // Its consumer asks again.
                Err(StoreError::Full(_)) => {}
                Err(error) => return Err(error),
            },
        }
        Ok(false)
    }

    fn note_answer(&self, context: &mut Context<'_>) {
        let term = self.replicated.status().term.map_or(0, |term| term.0);
        context.ledger().note(Entry::Answered { broker: self.number, term });
    }

    fn say_kept(&self, connection: ConnectionId, number: u64, context: &mut Context<'_>) {
        self.note_answer(context);
        context.note(format_args!("says that {number} is kept"));
        context.send(connection, frame(Kind::Kept, number, &[]));
    }

    pub(crate) fn ended(&mut self, connection: ConnectionId) {
        self.clients.remove(&connection);
        let given = self.waiting.values_mut().filter(|found| found.given_to == Some(connection));
        given.for_each(|found| found.given_to = None);
    }

    pub(crate) fn received(&mut self, connection: ConnectionId, bytes: &[u8], context: &mut Context<'_>) {
        self.clients.entry(connection).or_default().1.push(bytes);
        while let Some(asked) = self.clients.get_mut(&connection).and_then(|(_, frames)| frames.next()) {
            self.asked(connection, asked, context);
        }
    }

    fn asked(
        &mut self,
        by: ConnectionId,
        (kind, number, body): (Kind, u64, Bytes),
        context: &mut Context<'_>,
    ) {
        let Some((client, _)) = self.clients.get_mut(&by) else { return };
        let producer = *client;
        match kind {
            Kind::Client => *client = number as u32,
            Kind::Send if number <= self.last.get(&producer).copied().unwrap_or_default() => {
                self.say_kept(by, number, context);
            }
            Kind::Send => self.keep(by, producer, number, body, context),
            Kind::Fetch => {
                let queue = queue_of(producer);
                let is_free = |waiting: &Waiting| waiting.given_to.is_none() && waiting.queue == queue;
                let mut free = self.waiting.iter_mut().filter(|(_, waiting)| is_free(waiting));
                let answer = match free.next() {
                    Some((id, waiting)) => {
                        waiting.given_to = Some(by);
                        let again = std::mem::replace(&mut waiting.again, true);
                        let kind = if again { Kind::Again } else { Kind::Message };
                        frame(kind, *id, &waiting.body)
                    }
                    None => frame(Kind::Empty, 0, &[]),
                };
                context.send(by, answer);
            }
            Kind::Done => {
                // What is not there, somebody was done with before: the answer is the same.
                let cursor =
                    self.waiting.get(&number).map_or(Cursor { rank: 0, arrival: 0 }, |found| found.cursor);
                let id = MessageId(number);
                let destination = queue_of(producer);
                let done = Operation::Acknowledge { destination, id, cursor, subscription: None };
                let answer =
                    context.completion(move |result| Answer::Broker(Stored::Gone(by, number, result)));
                self.replicated.commit(done.into(), answer);
            }
            kind => unreachable!("no client says {kind:?}"),
        }
    }

    fn keep(&mut self, by: ConnectionId, producer: u32, number: u64, body: Bytes, context: &mut Context<'_>) {
        if let Some(keeping) = self.keeping.get_mut(&(producer, number)) {
            keeping.waits = by;
            return;
        }
        let id = self.id_next;
        self.id_next += 1;
        let message = Arc::new(Message { body: body.clone(), ..Message::default() });
        let key = Bytes::copy_from_slice(&producer.to_be_bytes());
        let value = Some(Bytes::copy_from_slice(&number.to_be_bytes()));
        let destination = queue_of(producer);
        let batch = Batch::new(vec![
            Operation::Enqueue { id: MessageId(id), destination, rank: 0, message },
            Operation::Put { table: "producers".into(), key, value },
        ]);
        self.keeping.insert((producer, number), Keeping { id, body, waits: by });
        let done = context.completion(move |result| Answer::Broker(Stored::Kept(producer, number, result)));
        self.replicated.commit(batch, done);
        if self.bug == Bug::AnswersEarly {
            self.say_kept(by, number, context);
        }
    }
}
