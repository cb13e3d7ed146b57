//! What one turn gathers for the store, and what is done when the store has answered.
//!
//! A turn is everything that is decided while the core is held once: usually all the frames that one read brought. Its sends
//! share a batch, and so do its acknowledgements; they stay apart because a full store refuses the former only. Its sends
//! go first: of a message taken and the one sent for it, a crash may leave both, never neither.

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::contract::{Committed, Page, StoreError};

use super::cut::room;
use super::effects::{Event, StoreCall};
use super::failure::{Failure, FailureKind};
use super::keys::{CommitToken, ConnectionKey, ReadToken};
use super::state::Core;
use super::state::said::Subject;
use super::state::sent::Settled;
use super::state::turn::{Completed, ReadFor};

impl Core {
    /// Whether everything that was decided so far is done: the store owes no answer to a batch, and none is gathered.
    pub(crate) fn owes_nothing(&self) -> bool {
        self.commits.is_empty() && self.turn.sends.is_empty() && self.turn.acknowledgements.is_empty()
    }

    /// Gives a batch to the store, after everything gathered so far.
    pub(crate) fn submit(&mut self, operations: Vec<Operation>, then: Completed) {
        self.flush();
        self.submit_now(operations, then);
    }

    fn submit_now(&mut self, operations: Vec<Operation>, then: Completed) {
        let token = CommitToken(self.ids.key());
        let batch = match &then {
            // Clients acknowledge without asking for an answer: nobody waits for the disk.
            Completed::Acknowledgements { acknowledgers, .. } if acknowledgers.is_empty() => {
                Batch::unhurried(operations)
            }
            _ => Batch::new(operations),
        };
        let level = self.levels.of(&batch.operations);
        let batch = Batch { durability: level, ..batch };
        self.commits.insert(token, then);
        self.effects.store.push(StoreCall::Commit(token, batch));
    }

    /// Gives the store what was gathered.
    pub(crate) fn flush(&mut self) {
        let turn = &mut self.turn;
        if !turn.sends.is_empty() {
            turn.sends_bytes = 0;
            turn.noted = None;
            let operations = std::mem::take(&mut turn.sends);
            let sent = std::mem::take(&mut turn.sent);
            let senders = std::mem::take(&mut turn.senders);
            self.submit_now(operations, Completed::Sends { sent, senders });
        }
        let turn = &mut self.turn;
        if !turn.acknowledgements.is_empty() {
            let operations = std::mem::take(&mut turn.acknowledgements);
            let settled = std::mem::take(&mut turn.settled);
            let acknowledgers = std::mem::take(&mut turn.acknowledgers);
            self.submit_now(operations, Completed::Acknowledgements { settled, acknowledgers });
        }
    }

    /// Makes room in this turn's batch for what takes so many bytes: together they must not be more than an engine takes.
    pub(crate) fn make_room_for_sends(&mut self, bytes: usize) {
        if self.turn.sends_bytes + bytes > room(self.settings.batch_bytes_max) {
            self.flush();
        }
    }

    /// The same for one acknowledgement.
    pub(crate) fn make_room_for_acknowledgement(&mut self) {
        const OPERATION: usize = 64;
        if (self.turn.acknowledgements.len() + 1) * OPERATION > room(self.settings.batch_bytes_max) {
            self.flush();
        }
    }

    /// Ends a turn: dispatches what can be dispatched and gives the store what was gathered.
    pub fn end_turn(&mut self) {
        self.flush();
        self.begin_overflows();
        self.dispatch();
        self.end_pulls();
        self.flush();
        if self.memory.is_exceeded() {
            self.shrink();
        }
    }

    /// The store has answered a batch.
    ///
    /// An error that leaves the outcome unknown must not be brought here: nobody may be answered any more.
    pub fn committed(&mut self, token: CommitToken, result: Result<Committed, StoreError>) {
        let Some(then) = self.commits.remove(&token) else {
            debug_assert!(false, "the store answers each batch once");
            return;
        };
        if matches!(then, Completed::RolledBack) {
            return;
        }
        let result = result.map_err(|error| self.store_failure(&error));
        if let Ok(committed) = &result {
            // Where the batch brought nothing this is the number to come.
            self.arrival_last = self.arrival_last.max(committed.arrival_first.saturating_sub(1));
        }
        match then {
            Completed::Nothing | Completed::RolledBack => {}
            Completed::Sends { sent, senders } => {
                match &result {
                    Ok(committed) => {
                        for (arrival, sent) in (committed.arrival_first..).zip(&sent) {
                            self.arrived(sent, arrival);
                            self.arrival_last = self.arrival_last.max(arrival);
                        }
                    }
                    Err(_) => self.answered_for(&sent),
                }
                let result = result.map(|_| ());
                for waiter in senders {
                    self.landed(waiter.connection, waiter.inflight);
                    if result.is_err() {
                        self.retract_sequence(waiter.producer.as_ref(), waiter.sequence);
                    }
                    self.answer_sender(&waiter, result.clone());
                }
            }
            Completed::Acknowledgements { settled, acknowledgers } => {
                self.settle(&settled);
                for (connection, request) in acknowledgers {
                    self.answer(connection, Some(request), result.clone().map(|_| ()));
                }
            }
            Completed::Created { destination, id } => {
                if result.is_err() {
                    self.destination_not_stored(destination, id);
                }
            }
            Completed::Transaction(ending) => self.transaction_ended(*ending, result),
            Completed::Chunk { connection, transaction, inflight } => {
                self.landed(connection, inflight);
                self.chunk_ended(connection, &transaction, result.map(|_| ()));
            }
            Completed::DeadLetters(letter) => match result {
                Ok(committed) => self.letter_stored(letter, committed.arrival_first),
                Err(failure) => self.dead_letter_failed(letter, &failure),
            },
            Completed::Subscribed { connection, request, consumer } => match result {
                Ok(_) => {
                    self.answer(connection, request, Ok(()));
                    if let Some(consumer) = consumer {
                        self.announce_consumer(consumer, true);
                        self.consumer_has_room(consumer);
                    }
                }
                Err(failure) => {
                    if let Some(consumer) = consumer {
                        self.durable_refused(consumer);
                    }
                    self.answer(connection, request, Err(failure));
                }
            },
            Completed::Part { name, source } => match result {
                Ok(_) => self.activate(source),
                Err(_) => self.part_refused(&name, source),
            },
            Completed::Kept { consumer, source } => self.kept(consumer, source, result.is_ok()),
            Completed::Duplicate(waiter) => {
                let stands = self.is_duplicate(waiter.producer.as_ref(), waiter.sequence);
                let lost = || Failure::new(FailureKind::ResourceAllocation, "the store had no room for it");
                let result = result.map(|_| ()).and_then(|()| if stands { Ok(()) } else { Err(lost()) });
                self.answer_sender(&waiter, result);
            }
            Completed::Recommitted { connection, request, transaction } => {
                let stands = self.was_committed(&transaction);
                let lost = || {
                    let message = "the transaction was rolled back: the store did not take it";
                    Failure::new(FailureKind::TransactionRolledBack, message)
                };
                let result = result.map(|_| ()).and_then(|()| if stands { Ok(()) } else { Err(lost()) });
                self.answer(connection, request, result);
            }
            Completed::Answer { connection, request } => {
                self.answer(connection, request, result.map(|_| ()));
            }
            // Whatever the store says to nothing at all: what it refused was told to those who had sent it.
            Completed::Goodbye { connection, request } => self.answer(connection, request, Ok(())),
            Completed::Ordered(browser) => self.browser_ordered(browser),
        }
    }

    /// The store has answered a read.
    pub fn page(&mut self, token: ReadToken, result: Result<Page, StoreError>) {
        let Some(purpose) = self.reads.remove(&token) else {
            debug_assert!(false, "the store answers each read once");
            return;
        };
        match purpose {
            ReadFor::Browser(consumer, source) => self.browsed(consumer, source, result),
            ReadFor::Sweep(source) => self.swept(source, result),
            ReadFor::Condemned(source) => self.condemned_came(source, result),
            ReadFor::Source(key) => {
                // It may have gone since.
                let Some(source) = self.sources.get_mut(&key) else { return };
                match result {
                    Ok(page) => {
                        if !page.damaged.is_empty() {
                            let ids: Vec<_> = page.damaged.iter().map(|(id, _)| id.to_string()).collect();
                            let place = self.directory.get(source.destination);
                            let place = place.map_or_else(String::new, |place| place.address.to_string());
                            let ids = ids.join(", ");
                            source.window.change(&mut self.memory).page_came(token, page);
                            self.say(Subject::Damaged, || {
                                format!("{place}: messages {ids} are damaged and were passed over; the store's tools show them")
                            });
                        } else {
                            source.window.change(&mut self.memory).page_came(token, page);
                        }
                        self.touch(key);
                    }
                    Err(error) => {
                        source.window.change(&mut self.memory).page_failed(token);
                        let text = format!("a page could not be read: {error}");
                        self.say(Subject::Unreadable, || format!("{text}; its consumers are told and ended"));
                        self.unreadable(key, &text);
                    }
                }
            }
        }
    }

    /// Held messages are gone from the store.
    pub(crate) fn settle(&mut self, settled: &[Settled]) {
        for (key, id) in settled {
            if let Some(source) = self.sources.get_mut(key) {
                source.window.change(&mut self.memory).settle(*id);
            }
        }
    }

    fn store_failure(&mut self, error: &StoreError) -> Failure {
        match error {
            StoreError::Full(why) => {
                self.say(Subject::StoreFull, || {
                    format!("senders of persistent messages are refused: the store is full: {why}")
                });
                let message = format!("Usage Manager Store is Full: {why}");
                Failure::new(FailureKind::ResourceAllocation, message)
            }
            other => {
                self.say(Subject::BatchRefused, || {
                    format!("the store refused a batch, and its clients were told so; this is a bug of the broker's: {other}")
                });
                Failure::new(FailureKind::General, other.to_string())
            }
        }
    }

    /// Ends a connection without a word, so that its client's `failover:` begins anew.
    pub(crate) fn cut(&mut self, key: ConnectionKey, reason: String) {
        self.effects.events.push((key, Event::Cut { reason }));
    }

    /// Ends a connection for a reason of the broker's.
    pub fn close(&mut self, key: ConnectionKey, reason: impl Into<String>) {
        self.effects.events.push((key, Event::Close { reason: reason.into() }));
    }
}
