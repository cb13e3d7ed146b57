//! Faults in what is told.

use super::{Fault, Mutant};
use crate::contract::{Committed, Completion, Page, ReadRequest, Recovered};
use crate::names::{Cursor, MessageId};

/// By how much cursors change with each opening.
const SHIFT: u64 = 1000;

impl Mutant {
    pub(super) fn change_answer(&self, done: Completion<Committed>) -> Completion<Committed> {
        if self.fault != Fault::CursorsReassigned {
            return done;
        }
        let shift = SHIFT * self.reopened;
        Completion::new(move |result: Result<Committed, _>| {
            done.complete(
                result.map(|committed| Committed {
                    arrival_first: committed.arrival_first + shift,
                    ..committed
                }),
            );
        })
    }

    pub(super) fn change_page(
        &self,
        mut request: ReadRequest,
        done: Completion<Page>,
    ) -> (ReadRequest, Completion<Page>) {
        let fault = self.fault;
        let shift = SHIFT * self.reopened;
        let asked = request;
        match fault {
            Fault::CursorsReassigned => {
                request.after = request
                    .after
                    .map(|after| Cursor { arrival: after.arrival.saturating_sub(shift), ..after });
            }
            Fault::CursorIgnored if request.subscription.is_some() => {
                request.after = None;
            }
            _ => {}
        }
        let done = Completion::new(move |result: Result<Page, _>| {
            let result = result.map(|mut page| {
                match fault {
                    Fault::CursorsReassigned => {
                        page.messages.iter_mut().for_each(|stored| stored.cursor.arrival += shift);
                    }
                    Fault::EndGuessed => page.end = page.messages.len() < asked.messages_max,
                    Fault::EmptyPage
                        if page
                            .messages
                            .first()
                            .is_some_and(|first| first.message.size() > asked.bytes_max) =>
                    {
                        page.messages.clear();
                    }
                    _ => {}
                }
                page
            });
            done.complete(result);
        });
        (request, done)
    }

    pub(super) fn change_recovered(&self, done: Completion<Recovered>) -> Completion<Recovered> {
        let fault = self.fault;
        Completion::new(move |result: Result<Recovered, _>| {
            let result = result.map(|mut recovered| {
                match fault {
                    Fault::NextIdReused => {
                        recovered.message_id_next = MessageId(recovered.message_id_next.0.saturating_sub(1));
                    }
                    Fault::CountedTwice => {
                        for state in &mut recovered.destinations {
                            let of_topic = recovered
                                .subscriptions
                                .iter()
                                .filter(|other| other.subscription.destination == state.destination.id);
                            state.messages = state.messages.max(of_topic.map(|other| other.messages).sum());
                        }
                    }
                    _ => {}
                }
                recovered
            });
            done.complete(result);
        })
    }
}
