//! Keeps messages in a journal and gives them out: a broker of one queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kahawai_journal::options::JournalOptions;
use kahawai_journal::stepped::Stepped;
use kahawai_simulation::event::Event;
use kahawai_simulation::ledger::entry::Entry;
use kahawai_simulation::ledger::tag::Tag;
use kahawai_simulation::node::Node;
use kahawai_simulation::{ConnectionId, Context};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Committed, Page, ReadRequest, Recovered, Store, StoreError};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};

use super::frames::{Frames, Kind, frame};

pub(crate) const QUEUE: DestinationId = DestinationId(1);
pub(crate) const PORT: u16 = 61616;

/// A mistake that the judges are to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    /// Says that a message is kept before it is.
    AnswersEarly,
    /// Says that a message is gone before it is.
    ConsumesEarly,
    /// Says that a message is gone, and gives it out again.
    GivesTwice,
    /// Does not know what a producer sent before.
    ForgetsProducers,
    /// Says of every fifth message that it is not kept, and keeps it.
    RefusesKept,
    /// Gives out what nobody sent.
    Invents,
    /// Gives out other bytes than were sent.
    Garbles,
    /// Gives out the youngest first.
    GivesYoungest,
    /// Of two processes one after another each is another broker, in one term.
    SharesTerm,
    /// Each process is master of a lower term.
    LowersTerm,
}

/// What its store answered.
enum Answer {
    Recovered(Result<Recovered, StoreError>),
    Created(Result<Committed, StoreError>),
    Page(Result<Page, StoreError>),
    Kept(u64, Result<Committed, StoreError>),
    Gone(ConnectionId, u64, Result<Committed, StoreError>),
}

struct Waiting {
    cursor: Cursor,
    body: Bytes,
    given_to: Option<ConnectionId>,
    again: bool,
}

pub(crate) struct Server {
    bug: Bug,
    pub(crate) store: Option<Arc<Stepped>>,
    epoch: Epoch,
    id_next: u64,
    waiting: BTreeMap<u64, Waiting>,
    frames: BTreeMap<ConnectionId, Frames>,
    /// The last number of the producer that is kept.
    last: u64,
    /// What is being kept: the producer's number, the message's, its body and who waits.
    keeping: BTreeMap<u64, (u64, Bytes, ConnectionId)>,
}

impl Server {
    pub(crate) fn new(bug: Bug) -> Self {
        Self {
            bug,
            store: None,
            epoch: Epoch(0),
            id_next: 0,
            waiting: BTreeMap::new(),
            frames: BTreeMap::new(),
            last: 0,
            keeping: BTreeMap::new(),
        }
    }

    fn store(&self) -> Arc<Stepped> {
        Arc::clone(self.store.as_ref().expect("it is open"))
    }

    fn begin(&mut self, context: &mut Context<'_>) {
        self.epoch = context.claim_epoch();
        let hold = Arc::new(FixedHold::new(self.epoch));
        let options = JournalOptions {
            journal_max_file_length: 16 << 10,
            checkpoint_bytes: 8 << 10,
            ..JournalOptions::default()
        };
        match context.open_store(hold, options) {
            Ok(store) => {
                self.store = Some(store);
                let done = context.completion(Answer::Recovered);
                self.store().recover(done);
            }
            Err(_) => context.exit(),
        }
    }

    fn read(&self, after: Option<Cursor>, context: &mut Context<'_>) {
        let request = ReadRequest {
            destination: QUEUE,
            subscription: None,
            after,
            messages_max: 3,
            bytes_max: usize::MAX,
        };
        let done = context.completion(Answer::Page);
        self.store().read(request, done);
    }

    fn answered(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), StoreError> {
        match answer {
            Answer::Recovered(found) => {
                let found = found?;
                self.id_next = found.message_id_next.0;
                let entry = found.tables.first();
                self.last =
                    entry.map_or(0, |entry| u64::from_be_bytes(entry.value[..].try_into().expect("8")));
                if found.destinations.is_empty() {
                    let name = "Q".into();
                    let queue = Destination { id: QUEUE, kind: DestinationKind::Queue, name };
                    let done = context.completion(Answer::Created);
                    self.store().commit(Operation::CreateDestination(queue).into(), done);
                } else {
                    self.read(None, context);
                }
            }
            Answer::Created(created) => {
                created?;
                self.read(None, context);
            }
            Answer::Page(page) => {
                let page = page?;
                assert!(page.damaged.is_empty(), "nothing is damaged here");
                for stored in &page.messages {
                    let body = stored.message.body.clone();
                    let waiting = Waiting { cursor: stored.cursor, body, given_to: None, again: true };
                    self.waiting.insert(stored.id.0, waiting);
                }
                if page.end {
                    context.listen(PORT);
                } else {
                    self.read(page.cursor_last(), context);
                }
            }
            Answer::Kept(number, result) => {
                let (id, body, connection) = self.keeping.remove(&number).expect("it was being kept");
                match result {
                    Ok(committed) => {
                        let cursor = Cursor { rank: 0, arrival: committed.arrival_first };
                        self.waiting.insert(id, Waiting { cursor, body, given_to: None, again: false });
                        self.last = self.last.max(number);
                        self.say_kept(connection, number, context);
                    }
                    Err(StoreError::Full(_)) => context.send(connection, frame(Kind::Refused, number, &[])),
                    Err(error) => return Err(error),
                }
            }
            Answer::Gone(connection, id, result) => match result {
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
        Ok(())
    }

    fn note_answer(&self, context: &mut Context<'_>) {
        let epoch = self.epoch.0;
        let (broker, term) = match self.bug {
            Bug::SharesTerm => (epoch as u32 % 2, epoch / 2),
            Bug::LowersTerm => (1, 1000 - epoch),
            _ => (1, epoch),
        };
        context.ledger().note(Entry::Answered { broker, term });
    }

    fn say_kept(&self, connection: ConnectionId, number: u64, context: &mut Context<'_>) {
        self.note_answer(context);
        let refuses = self.bug == Bug::RefusesKept && number.is_multiple_of(5);
        let kind = if refuses { Kind::Refused } else { Kind::Kept };
        context.send(connection, frame(kind, number, &[]));
    }

    fn asked(
        &mut self,
        by: ConnectionId,
        (kind, number, body): (Kind, u64, Bytes),
        context: &mut Context<'_>,
    ) {
        match kind {
            Kind::Send if number <= self.last && self.bug != Bug::ForgetsProducers => {
                self.say_kept(by, number, context);
            }
            Kind::Send => {
                if let Some((_, _, waits)) = self.keeping.get_mut(&number) {
                    *waits = by;
                    return;
                }
                let (id, key) = (self.id_next, Bytes::from_static(b"p"));
                self.id_next += 1;
                let message = Arc::new(Message { body: body.clone(), ..Message::default() });
                let value = Some(Bytes::copy_from_slice(&number.to_be_bytes()));
                let batch = Batch::new(vec![
                    Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message },
                    Operation::Put { table: "producers".into(), key, value },
                ]);
                self.keeping.insert(number, (id, body, by));
                let done = context.completion(move |result| Answer::Kept(number, result));
                self.store().commit(batch, done);
                if self.bug == Bug::AnswersEarly {
                    self.say_kept(by, number, context);
                }
            }
            Kind::Fetch => {
                let mut free = self.waiting.iter_mut().filter(|(_, waiting)| waiting.given_to.is_none());
                let free = if self.bug == Bug::GivesYoungest { free.next_back() } else { free.next() };
                let answer = match free {
                    Some((id, waiting)) => {
                        waiting.given_to = Some(by);
                        let again = std::mem::replace(&mut waiting.again, true);
                        let kind = if again { Kind::Again } else { Kind::Message };
                        let body = match self.bug {
                            Bug::Invents => Tag { producer: 9, number: *id }.body(50),
                            Bug::Garbles => waiting.body.slice(1..),
                            _ => waiting.body.clone(),
                        };
                        frame(kind, *id, &body)
                    }
                    None => frame(Kind::Empty, 0, &[]),
                };
                context.send(by, answer);
            }
            Kind::Done if self.bug == Bug::GivesTwice => {
                if let Some(waiting) = self.waiting.get_mut(&number) {
                    (waiting.given_to, waiting.again) = (None, false);
                }
                context.send(by, frame(Kind::Gone, number, &[]));
            }
            Kind::Done => {
                // What is not there, somebody was done with before: the answer is the same.
                let cursor =
                    self.waiting.get(&number).map_or(Cursor { rank: 0, arrival: 0 }, |found| found.cursor);
                let acknowledge = Operation::Acknowledge {
                    destination: QUEUE,
                    id: MessageId(number),
                    cursor,
                    subscription: None,
                };
                let done = context.completion(move |result| Answer::Gone(by, number, result));
                self.store().commit(acknowledge.into(), done);
                if self.bug == Bug::ConsumesEarly {
                    context.send(by, frame(Kind::Gone, number, &[]));
                }
            }
            _ => unreachable!("no client says {kind:?}"),
        }
    }
}

impl Node for Server {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        match event {
            Event::Started => self.begin(context),
            Event::Accepted { connection, .. } => drop(self.frames.insert(connection, Frames::default())),
            Event::Received { connection, bytes } => {
                self.frames.entry(connection).or_default().push(&bytes);
                while let Some(asked) = self.frames.get_mut(&connection).and_then(Frames::next) {
                    self.asked(connection, asked, context);
                }
            }
            Event::Ended { connection, .. } => {
                self.frames.remove(&connection);
                let given = self.waiting.values_mut().filter(|found| found.given_to == Some(connection));
                given.for_each(|found| found.given_to = None);
            }
            Event::Done(done) => {
                let answer = *done.downcast().expect("its store's answer");
                // A store that failed is of no use: whoever starts it again reads what there is.
                if self.answered(answer, context).is_err() {
                    context.exit();
                }
            }
            Event::Connected(_) | Event::Refused(_) | Event::Timer(_) => unreachable!("it never connects"),
        }
    }
}

/// Which message a body is.
pub(crate) fn tag_of(body: &[u8]) -> Option<Tag> {
    Tag::of(body)
}
