//! Keeps messages in a store that may be copied, and gives them out: a broker with a queue and a topic for each client, so that what is on its way to one,
//! from a broker that is no more, is not taken by another meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kahawai_replication::master::Replicated;
use kahawai_simulation::ledger::entry::Entry;
use kahawai_simulation::{ConnectionId, Context};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::contract::{Committed, Page, ReadRequest, Recovered, Store as _, StoreError};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};

use super::bug::Bug;
use super::frames::{Frames, Kind, frame};
use super::member::Answer;
use super::wish::{CLIENTS, Origin, Wish, from_of, queue_of, topic_of, xid_of};

/// Where a message waits.
type Place = (DestinationId, Origin);

fn place_of(client: u32, from: Origin) -> Place {
    (from.map_or(queue_of(client), |_| topic_of(client)), from)
}

/// What the store answered to the broker.
pub(crate) enum Stored {
    Recovered(Result<Recovered, StoreError>),
    Created(Result<Committed, StoreError>),
    Page(Place, Result<Page, StoreError>),
    Kept(u32, u64, Result<Committed, StoreError>),
    Gone(ConnectionId, Place, u64, Result<Committed, StoreError>),
}

struct Waiting {
    cursor: Cursor,
    body: Bytes,
    given_to: Option<ConnectionId>,
    again: bool,
}

/// What is on its way into the store.
struct Keeping {
    /// The id of its first message.
    id: u64,
    wish: Wish,
    waits: ConnectionId,
}

pub(crate) struct Broker {
    replicated: Arc<Replicated>,
    /// By which number the ledger knows it.
    number: u32,
    bug: Bug,
    id_next: u64,
    /// By place and id.
    waiting: BTreeMap<(Place, u64), Waiting>,
    subscriptions: BTreeSet<(DestinationId, SubscriptionId)>,
    /// What each prepared transaction is done with, if it commits.
    prepared: BTreeMap<Xid, Vec<(Place, u64)>>,
    /// What is still to be read before it is ready.
    unread: Vec<Place>,
    is_ready: bool,
    clients: BTreeMap<ConnectionId, (u32, Frames)>,
    /// The last number of each client that is kept.
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
            subscriptions: BTreeSet::new(),
            prepared: BTreeMap::new(),
            unread: Vec::new(),
            is_ready: false,
            clients: BTreeMap::new(),
            last: BTreeMap::new(),
            keeping: BTreeMap::new(),
        }
    }

    pub(crate) fn begin(&self, context: &mut Context<'_>) {
        let done = context.completion(|found| Answer::Broker(Stored::Recovered(found)));
        self.replicated.recover(done);
    }

    fn read(&self, place: Place, after: Option<Cursor>, context: &mut Context<'_>) {
        let (destination, subscription) = place;
        let request =
            ReadRequest { destination, subscription, after, messages_max: 5, bytes_max: usize::MAX };
        let done = context.completion(move |page| Answer::Broker(Stored::Page(place, page)));
        self.replicated.read(request, done);
    }

    fn recovered(&mut self, found: Recovered, context: &mut Context<'_>) {
        self.id_next = found.message_id_next.0;
        for entry in found.tables {
            let client = u32::from_be_bytes(entry.key[..].try_into().expect("4"));
            self.last.insert(client, u64::from_be_bytes(entry.value[..].try_into().expect("8")));
        }
        for transaction in found.prepared {
            let done = transaction.acknowledges.into_iter();
            let done = done.map(|(destination, id, from)| ((destination, from), id.0)).collect();
            self.prepared.insert(transaction.xid, done);
        }
        if found.destinations.is_empty() {
            let create = |id: DestinationId, kind| {
                Operation::CreateDestination(Destination { id, kind, name: format!("D{id}").into() })
            };
            let queues = (1..=CLIENTS).map(|client| create(queue_of(client), DestinationKind::Queue));
            let topics = (1..=CLIENTS).map(|client| create(topic_of(client), DestinationKind::Topic));
            let done = context.completion(|done| Answer::Broker(Stored::Created(done)));
            self.replicated.commit(Batch::new(queues.chain(topics).collect()), done);
            return;
        }
        let subscriptions = found.subscriptions.into_iter().map(|state| state.subscription);
        self.subscriptions = subscriptions.map(|found| (found.destination, found.id)).collect();
        self.unread = (1..=CLIENTS).map(|client| (queue_of(client), None)).collect();
        self.unread.extend(self.subscriptions.iter().map(|(topic, id)| (*topic, Some(*id))));
        self.read(self.unread[0], None, context);
    }

    /// `true`: it is ready.
    pub(crate) fn stored(&mut self, stored: Stored, context: &mut Context<'_>) -> Result<bool, StoreError> {
        match stored {
            Stored::Recovered(found) => self.recovered(found?, context),
            Stored::Created(created) => match created {
                Ok(_) => self.begin(context),
                Err(StoreError::Full(_)) => self.begin(context),
                Err(error) => return Err(error),
            },
            Stored::Page(place, page) => {
                let page = page?;
                assert!(page.damaged.is_empty(), "nothing is damaged here");
                for stored in &page.messages {
                    let (body, cursor) = (stored.message.body.clone(), stored.cursor);
                    // What a transaction brought nobody got yet.
                    let again = !self.is_ready;
                    let waiting = Waiting { cursor, body, given_to: None, again };
                    self.waiting.entry((place, stored.id.0)).or_insert(waiting);
                }
                if !page.end {
                    self.read(place, page.cursor_last(), context);
                } else if !self.is_ready {
                    self.unread.remove(0);
                    match self.unread.first() {
                        Some(next) => self.read(*next, None, context),
                        None => {
                            self.is_ready = true;
                            return Ok(true);
                        }
                    }
                }
            }
            Stored::Kept(client, number, result) => {
                let Some(Keeping { id, wish, waits }) = self.keeping.remove(&(client, number)) else {
                    return Ok(false);
                };
                match result {
                    Ok(committed) => {
                        self.kept(client, number, id, wish, committed.arrival_first, context);
                        let last = self.last.entry(client).or_default();
                        *last = number.max(*last);
                        self.say_kept(waits, number, context);
                    }
                    Err(StoreError::Full(_)) => context.send(waits, frame(Kind::Refused, number, &[])),
                    // One that is master no more does not know what the other has.
                    Err(StoreError::Rejected(why)) => {
                        context.note(format_args!("{number} of {client} is rejected: {why}"));
                    }
                    Err(error) => return Err(error),
                }
            }
            Stored::Gone(connection, place, id, result) => match result {
                Ok(_) => {
                    self.waiting.remove(&(place, id));
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

    /// A wish is in the store.
    fn kept(
        &mut self,
        client: u32,
        number: u64,
        id: u64,
        wish: Wish,
        arrival: u64,
        context: &mut Context<'_>,
    ) {
        let topic = topic_of(client);
        match wish {
            Wish::Send(body) => self.arrived((queue_of(client), None), id, body, arrival),
            Wish::Publish(body) => {
                let places = self.subscriptions.iter().filter(|(at, _)| *at == topic);
                let places: Vec<_> = places.map(|(at, subscription)| (*at, Some(*subscription))).collect();
                places.into_iter().for_each(|place| self.arrived(place, id, body.clone(), arrival));
            }
            Wish::Subscribe(id) => drop(self.subscriptions.insert((topic, id))),
            Wish::Unsubscribe(id) => {
                self.subscriptions.remove(&(topic, id));
                self.waiting.retain(|(place, _), _| *place != (topic, Some(id)));
            }
            Wish::Prepare { done: (from, id), .. } => {
                self.prepared.insert(xid_of(client, number), vec![(place_of(client, from), id.0)]);
            }
            Wish::Decide { prepared, commits } => {
                for done in self.prepared.remove(&xid_of(client, prepared)).unwrap_or_default() {
                    if commits {
                        self.waiting.remove(&done);
                    } else if let Some(waiting) = self.waiting.get_mut(&done) {
                        (waiting.given_to, waiting.again) = (None, true);
                    }
                }
                // What it brought may have been prepared with another.
                self.read((queue_of(client), None), None, context);
            }
        }
    }

    fn arrived(&mut self, place: Place, id: u64, body: Bytes, arrival: u64) {
        let cursor = Cursor { rank: 0, arrival };
        let waiting = Waiting { cursor, body, given_to: None, again: false };
        self.waiting.entry((place, id)).or_insert(waiting);
    }

    /// Says that all is kept that is on its way: a mistake.
    pub(crate) fn answer_all(&self, context: &mut Context<'_>) {
        for ((_, number), keeping) in &self.keeping {
            self.say_kept(keeping.waits, *number, context);
        }
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
        match kind {
            Kind::Client => *client = number as u32,
            Kind::Keep if number <= self.last.get(client).copied().unwrap_or_default() => {
                self.say_kept(by, number, context);
            }
            Kind::Keep => {
                let client = *client;
                self.keep(by, client, number, Wish::decode(body), context);
            }
            Kind::Fetch => {
                let place = place_of(*client, from_of(number));
                let held: BTreeSet<_> = self.prepared.values().flatten().collect();
                let mut free = self
                    .waiting
                    .range_mut((place, 0)..=(place, u64::MAX))
                    .filter(|(key, waiting)| waiting.given_to.is_none() && !held.contains(key));
                let answer = match free.next() {
                    Some(((_, id), waiting)) => {
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
                let from = from_of(u64::from_be_bytes(body[..].try_into().expect("8")));
                let place = place_of(*client, from);
                let done = self.done_with(place, number);
                let answer =
                    context.completion(move |result| Answer::Broker(Stored::Gone(by, place, number, result)));
                self.replicated.commit(done.into(), answer);
            }
            kind => unreachable!("no client says {kind:?}"),
        }
    }

    fn done_with(&self, place: Place, id: u64) -> Operation {
        // What is not there, somebody was done with before: the answer is the same.
        let nowhere = Cursor { rank: 0, arrival: 0 };
        let cursor = self.waiting.get(&(place, id)).map_or(nowhere, |found| found.cursor);
        let (destination, subscription) = place;
        Operation::Acknowledge { destination, id: MessageId(id), cursor, subscription }
    }

    fn keep(&mut self, by: ConnectionId, client: u32, number: u64, wish: Wish, context: &mut Context<'_>) {
        if let Some(keeping) = self.keeping.get_mut(&(client, number)) {
            keeping.waits = by;
            return;
        }
        let id = self.id_next;
        let mut enqueue = |destination, body: &Bytes| {
            let id = MessageId(self.id_next);
            self.id_next += 1;
            let message = Arc::new(Message { body: body.clone(), ..Message::default() });
            Operation::Enqueue { id, destination, rank: 0, message }
        };
        let wanted = match &wish {
            Wish::Send(body) => enqueue(queue_of(client), body),
            Wish::Publish(body) => enqueue(topic_of(client), body),
            Wish::Subscribe(id) => Operation::Subscribe(Subscription {
                id: *id,
                destination: topic_of(client),
                client_id: format!("C{client}").into(),
                name: format!("S{id}").into(),
                selector: None,
                no_local: false,
            }),
            Wish::Unsubscribe(id) => Operation::Unsubscribe(*id),
            Wish::Prepare { sends, done: (from, id) } => {
                let mut operations: Vec<_> =
                    sends.iter().map(|body| enqueue(queue_of(client), body)).collect();
                operations.push(self.done_with(place_of(client, *from), id.0));
                Operation::Prepare { xid: xid_of(client, number), operations }
            }
            Wish::Decide { prepared, commits } => {
                let outcome = if *commits { Outcome::Commit } else { Outcome::Rollback };
                Operation::Decide { xid: xid_of(client, *prepared), outcome }
            }
        };
        let key = Bytes::copy_from_slice(&client.to_be_bytes());
        let value = Some(Bytes::copy_from_slice(&number.to_be_bytes()));
        let put = Operation::Put { table: "clients".into(), key, value };
        self.keeping.insert((client, number), Keeping { id, wish, waits: by });
        let done = context.completion(move |result| Answer::Broker(Stored::Kept(client, number, result)));
        self.replicated.commit(Batch::new(vec![wanted, put]), done);
        if self.bug == Bug::AnswersEarly {
            self.say_kept(by, number, context);
        }
    }
}
