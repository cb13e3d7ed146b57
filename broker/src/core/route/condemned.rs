//! Messages that are to be buried and are in memory no more: the client gave up on them after a transaction, or memory was short. Each is read again by
//! its own place, whether anybody consumes or not: a dead letter must not wait for the next consumer of what it could not be consumed from.

use kahawai_store::contract::{Page, ReadRequest, StoreError};

use crate::core::effects::StoreCall;
use crate::core::keys::{ReadToken, SourceKey};
use crate::core::state::Core;
use crate::core::state::dispatched::Dispatched;
use crate::core::state::letters::Reason;
use crate::core::state::turn::ReadFor;

impl Core {
    /// Has a message read again, to bury it. It stays held until then: nobody else gets it.
    pub(crate) fn condemn(&mut self, key: SourceKey, entry: Dispatched, reason: Reason) {
        debug_assert!(entry.stored, "what is not stored is always in memory");
        if let Some(source) = self.sources.get_mut(&key) {
            source.condemned.waiting.push_back((entry, reason));
        }
        self.touch(key);
    }

    /// Asks for the next of them. One at a time: all that is read for it is one message.
    pub(crate) fn read_condemned(&mut self, key: SourceKey) {
        let Some(source) = self.sources.get_mut(&key).filter(|source| !source.condemned.reading) else {
            return;
        };
        let Some((entry, _)) = source.condemned.waiting.front() else { return };
        let Some(destination) = source.stored else {
            debug_assert!(false, "what is stored has a destination there");
            return;
        };
        let request = ReadRequest {
            destination,
            subscription: source.subscription,
            after: entry.position.before(),
            messages_max: 1,
            bytes_max: source.policy.page_bytes_max,
        };
        source.condemned.reading = true;
        let token = ReadToken(self.ids.key());
        self.reads.insert(token, ReadFor::Condemned(key));
        self.effects.store.push(StoreCall::Read(token, request));
    }

    /// It came. Where it cannot be read it waits again, and who reads it next is told why.
    pub(crate) fn condemned_came(&mut self, key: SourceKey, result: Result<Page, StoreError>) {
        // It may have gone since.
        let Some(source) = self.sources.get_mut(&key) else { return };
        source.condemned.reading = false;
        let Some((mut entry, reason)) = source.condemned.waiting.pop_front() else {
            debug_assert!(false, "one is read that waits for it");
            return;
        };
        let page = result.ok();
        let found = page.and_then(|page| page.messages.into_iter().find(|found| found.id == entry.id));
        if let Some(found) = found {
            entry.message = Some(found.message);
            self.bury(entry, reason);
        } else {
            let mut window = source.window.change(&mut self.memory);
            window.give_back_unseen(entry.id, entry.position, entry.redeliveries);
        }
        self.touch(key);
    }
}
