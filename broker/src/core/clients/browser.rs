//! Queue browsers: they are shown what a queue holds, in order, and take nothing.
//!
//! What is stored is read page by page beside the dispatch, then comes what is only in memory, then the end marker: a
//! dispatch without a message, which ActiveMQ's client waits for.
//!
//! The first page is asked for when the store has answered everything that it was given before the browser came: what was sent and
//! answered, or sent by a connection that was closed, is there; what was acknowledged is gone, though nobody waited for that.

use std::sync::Arc;

use kahawai_store::contract::{Page, ReadRequest, StoreError};
use kahawai_store::message::Message;
use kahawai_store::names::MessageId;

use super::hand_out::hand_out;
use crate::core::effects::{Delivery, Event, Payload, StoreCall};
use crate::core::keys::{ConsumerKey, ReadToken, SourceKey};
use crate::core::state::Core;
use crate::core::state::dispatched::Dispatched;
use crate::core::state::said::Subject;
use crate::core::state::turn::{Completed, ReadFor};

enum Next {
    Show(SourceKey, MessageId, Arc<Message>),
    Order,
    Read(SourceKey),
    Memory(SourceKey),
    Wait,
    End,
}

impl Core {
    pub(crate) fn begin_browsing(&mut self, key: ConsumerKey) {
        if self.consumers.get(&key).is_some_and(|consumer| consumer.browser.is_some()) {
            self.browse(key);
        }
    }

    /// Shows a browser more, as far as its credit goes.
    pub(crate) fn browse(&mut self, key: ConsumerKey) {
        loop {
            match self.browse_next(key) {
                Next::Show(source, id, message) => self.show(key, source, id, message),
                Next::Wait => return,
                Next::Order => self.order_browser(key),
                Next::Read(source) => {
                    self.read_for_browser(key, source);
                    return;
                }
                Next::Memory(source) => self.gather_for_browser(key, source),
                Next::End => {
                    let Some(consumer) = self.consumers.get_mut(&key) else {
                        debug_assert!(false, "a browser stays while it is shown more");
                        return;
                    };
                    if let Some(browser) = &mut consumer.browser {
                        browser.ended = true;
                    }
                    let delivery = Delivery::nothing(key, &consumer.spec.address);
                    self.effects.events.push((consumer.connection, Event::Deliver(delivery)));
                    return;
                }
            }
        }
    }

    fn browse_next(&mut self, key: ConsumerKey) -> Next {
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "a browser stays while it is shown more");
            return Next::Wait;
        };
        let credit = consumer.hand.has_credit();
        let Some(browser) = &mut consumer.browser else {
            debug_assert!(false, "only a browser is shown what is there");
            return Next::Wait;
        };
        if browser.ended || browser.reading {
            return Next::Wait;
        }
        let congested = self
            .connections
            .get(&consumer.connection)
            .is_some_and(|connection| connection.is_congested(self.limits.outbox_bytes_max));
        if !browser.buffer.is_empty() {
            if !credit || congested {
                return Next::Wait;
            }
            return match browser.buffer.pop_front() {
                Some((source, id, message)) => Next::Show(source, id, message),
                None => Next::Wait,
            };
        }
        let Some(source) = consumer.sources.get(browser.source).copied() else { return Next::End };
        let stored = self.sources.get(&source).is_some_and(|source| source.stored.is_some());
        match (stored, browser.stored_seen) {
            (true, false) if !browser.ordered => Next::Order,
            (true, false) => Next::Read(source),
            _ => Next::Memory(source),
        }
    }

    fn show(&mut self, key: ConsumerKey, source: SourceKey, id: MessageId, message: Arc<Message>) {
        let expired = message.header.is_expired(self.now);
        let destination = self.sources.get(&source).and_then(|source| self.directory.get(source.destination));
        // The queue may have been removed since the page was read.
        let Some(destination) = destination.map(|destination| Arc::clone(&destination.address)) else {
            return;
        };
        let Some(consumer) = self.consumers.get_mut(&key) else {
            debug_assert!(false, "a browser stays while it is shown more");
            return;
        };
        if expired || !consumer.filter.accepts(&message) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&consumer.connection) else {
            debug_assert!(false, "a consumer has a connection");
            return;
        };
        let bytes = message.size();
        let delivery =
            Delivery { consumer: key, id, destination, payload: Payload::Message(message), redeliveries: 0 };
        hand_out(
            &mut self.effects,
            &mut self.timers,
            connection,
            consumer,
            Dispatched::passing(id),
            delivery,
            bytes,
        );
    }

    /// Lets a browser look when what was submitted before is done.
    fn order_browser(&mut self, key: ConsumerKey) {
        let at_once = self.owes_nothing();
        let Some(browser) = self.consumers.get_mut(&key).and_then(|consumer| consumer.browser.as_mut())
        else {
            debug_assert!(false, "a browser stays while it is shown more");
            return;
        };
        browser.ordered = at_once;
        browser.reading = !at_once;
        if !at_once {
            // Nothing by itself, but answered after all before it, and not at leisure.
            self.submit(Vec::new(), Completed::Ordered(key));
        }
    }

    /// What was submitted before a browser came is done.
    pub(crate) fn browser_ordered(&mut self, key: ConsumerKey) {
        if let Some(browser) = self.consumers.get_mut(&key).and_then(|consumer| consumer.browser.as_mut()) {
            browser.ordered = true;
            browser.reading = false;
            self.browse(key);
        }
    }

    fn read_for_browser(&mut self, key: ConsumerKey, source: SourceKey) {
        let found = self.sources.get(&source);
        let found = found.and_then(|source| Some((source.stored?, Arc::clone(&source.policy))));
        let Some((destination, policy)) = found else {
            debug_assert!(false, "what is read is in the store");
            return;
        };
        self.flush();
        let Some(browser) = self.consumers.get_mut(&key).and_then(|consumer| consumer.browser.as_mut())
        else {
            debug_assert!(false, "a browser stays while it is shown more");
            return;
        };
        browser.reading = true;
        let token = ReadToken(self.ids.key());
        let request = ReadRequest {
            destination,
            subscription: None,
            after: browser.after,
            messages_max: policy.page_messages_max,
            bytes_max: policy.page_bytes_max,
        };
        self.reads.insert(token, ReadFor::Browser(key, source));
        self.effects.store.push(StoreCall::Read(token, request));
    }

    /// A page for a browser came.
    pub(crate) fn browsed(&mut self, key: ConsumerKey, source: SourceKey, result: Result<Page, StoreError>) {
        // It may have gone since.
        let Some(browser) = self.consumers.get_mut(&key).and_then(|consumer| consumer.browser.as_mut())
        else {
            return;
        };
        browser.reading = false;
        match result {
            Ok(page) => {
                browser.after = page.cursor_last().or(browser.after);
                browser.stored_seen = page.end;
                browser
                    .buffer
                    .extend(page.messages.into_iter().map(|found| (source, found.id, found.message)));
            }
            Err(error) => {
                browser.stored_seen = true;
                self.say(Subject::Unreadable, || {
                    format!("a browser's page could not be read, and it sees no more of that queue: {error}")
                });
            }
        }
        self.browse(key);
    }

    /// What of a queue is only in memory: waiting, or dispatched and not acknowledged. Then on to the next queue.
    fn gather_for_browser(&mut self, key: ConsumerKey, source_key: SourceKey) {
        let Some(source) = self.sources.get(&source_key) else {
            self.next_queue(key, Vec::new());
            return;
        };
        let mut found: Vec<_> = source
            .window
            .iter()
            .filter(|waiting| !waiting.stored)
            .map(|waiting| (waiting.position, waiting.id, Arc::clone(&waiting.message)))
            .collect();
        for consumer in source.consumers.iter().filter_map(|key| self.consumers.get(key)) {
            let own = consumer
                .hand
                .dispatched()
                .iter()
                .filter(|entry| entry.source == Some(source_key) && !entry.stored);
            found.extend(own.filter_map(|entry| Some((entry.position, entry.id, entry.message.clone()?))));
        }
        found.sort_by_key(|(position, ..)| *position);
        self.next_queue(key, found.into_iter().map(|(_, id, message)| (source_key, id, message)).collect());
    }

    fn next_queue(&mut self, key: ConsumerKey, found: Vec<(SourceKey, MessageId, Arc<Message>)>) {
        let Some(browser) = self.consumers.get_mut(&key).and_then(|consumer| consumer.browser.as_mut())
        else {
            debug_assert!(false, "a browser stays while it is shown more");
            return;
        };
        browser.buffer.extend(found);
        browser.source += 1;
        browser.after = None;
        browser.stored_seen = false;
    }
}
