//! Faults in when things are applied and answered.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::operations::{is_sending, lock};
use super::{Fault, Mutant};
use crate::batch::{Batch, Operation};
use crate::contract::{Committed, Completion, Store, StoreError};

/// How long a swapped answer waits for the one that is to come before it.
const SWAP_WAIT: Duration = Duration::from_millis(50);

impl Mutant {
    /// Applies a batch, at the wrong time where that is the fault.
    pub(super) fn time(&self, batch: Batch, done: Completion<Committed>) {
        match self.fault {
            Fault::CompletedEarly | Fault::LostAtClose => {
                self.let_go();
                if is_sending(&batch.operations) {
                    self.answer_early(batch, done)
                } else {
                    self.inner.commit(batch, done)
                }
            }
            Fault::Reordered => self.reorder(batch, done),
            Fault::AnswersSwapped => self.swap_answers(batch, done),
            Fault::RejectedPartly => {
                let inner = self.inner.clone();
                let operations = batch.operations.clone();
                self.inner.commit(
                    batch,
                    Completion::new(move |result| match result {
                        Err(error @ StoreError::Rejected(_)) => {
                            apply_beginning(
                                inner,
                                operations,
                                Completion::new(|_| done.complete(Err(error))),
                            );
                        }
                        result => done.complete(result),
                    }),
                );
            }
            _ => self.inner.commit(batch, done),
        }
    }

    /// Applies what is held back.
    pub(super) fn let_go(&self) {
        if let Some(batch) = lock(&self.held).batch.take() {
            self.inner.commit(batch, Completion::new(|_| {}));
        }
    }

    /// Answers as if the batch were applied, and keeps it back.
    fn answer_early(&self, batch: Batch, done: Completion<Committed>) {
        lock(&self.held).batch = Some(batch);
        // A batch of nothing tells which arrival would be next.
        self.inner.commit(Batch::default(), done);
    }

    fn reorder(&self, batch: Batch, done: Completion<Committed>) {
        let held = lock(&self.held).batch.take();
        match held {
            Some(earlier) if is_sending(&batch.operations) => {
                let shift = earlier.operations.len() as u64;
                let done = Completion::new(move |result: Result<Committed, _>| {
                    done.complete(result.map(|committed| Committed {
                        arrival_first: committed.arrival_first + shift,
                        ..committed
                    }));
                });
                self.inner.commit(batch, done);
                self.inner.commit(earlier, Completion::new(|_| {}));
            }
            Some(earlier) => {
                self.inner.commit(earlier, Completion::new(|_| {}));
                self.inner.commit(batch, done);
            }
            None if is_sending(&batch.operations) && self.is_time() => self.answer_early(batch, done),
            None => self.inner.commit(batch, done),
        }
    }

    fn swap_answers(&self, batch: Batch, done: Completion<Committed>) {
        let waiting = lock(&self.held).next.take();
        if waiting.is_none() && self.is_time() {
            let (sender, next) = channel();
            lock(&self.held).next = Some(sender);
            let done = Completion::new(move |result| {
                std::thread::spawn(move || {
                    let _ = next.recv_timeout(SWAP_WAIT);
                    done.complete(result);
                });
            });
            self.inner.commit(batch, done);
        } else {
            let done = Completion::new(move |result| {
                done.complete(result);
                if let Some(waiting) = waiting {
                    let _ = waiting.send(());
                }
            });
            self.inner.commit(batch, done);
        }
    }
}

/// Applies operations one by one up to the first that is rejected.
fn apply_beginning(inner: Arc<dyn Store>, operations: Vec<Operation>, done: Completion<()>) {
    let mut rest = operations.into_iter();
    let Some(first) = rest.next() else { return done.complete(Ok(())) };
    let rest = rest.collect::<Vec<_>>();
    let store = inner.clone();
    inner.commit(
        Batch::from(first),
        Completion::new(move |result| match result {
            Ok(_) => apply_beginning(store, rest, done),
            Err(_) => done.complete(Ok(())),
        }),
    );
}
