//! What waits in memory for a topic's subscriber.

use std::collections::VecDeque;
use std::sync::Arc;

use kahawai_store::names::MessageId;

use crate::core::address::Address;
use crate::core::effects::Payload;

/// A message, or an announcement, that waits for a topic's subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: MessageId,
    pub(crate) destination: Arc<Address>,
    pub(crate) payload: Payload,
}

/// What waits, the oldest first, and how many bytes that is.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Each with its bytes, which are reckoned once.
    pending: VecDeque<(Pending, usize)>,
    bytes: usize,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, pending: Pending) {
        let bytes = pending.payload.size();
        self.bytes += bytes;
        self.pending.push_back((pending, bytes));
    }

    /// Takes the oldest, with its bytes.
    pub(crate) fn pop(&mut self) -> Option<(Pending, usize)> {
        let (pending, bytes) = self.pending.pop_front()?;
        self.bytes -= bytes;
        Some((pending, bytes))
    }

    /// Takes the oldest if there is more than so many bytes.
    pub(crate) fn pop_beyond(&mut self, most: usize) -> Option<(Pending, usize)> {
        if self.bytes > most { self.pop() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kahawai_store::message::Message;

    #[test]
    fn bytes_are_what_waits_whichever_way_it_goes() {
        let pending = |id: u64| {
            let message = Message { body: vec![0; id as usize * 10].into(), ..Message::default() };
            let payload = Payload::Message(Arc::new(message));
            Pending { id: MessageId(id), destination: Arc::new(Address::topic("t")), payload }
        };
        let size = |id| pending(id).payload.size();
        let mut backlog = Backlog::default();
        (1..=3).for_each(|id| backlog.push(pending(id)));
        assert_eq!(backlog.bytes(), size(1) + size(2) + size(3));
        let most = size(2) + size(3);
        assert_eq!(backlog.pop_beyond(most).map(|(found, bytes)| (found.id.0, bytes)), Some((1, size(1))));
        assert_eq!(backlog.bytes(), most);
        assert!(backlog.pop_beyond(most).is_none());
        assert_eq!(backlog.pop().map(|(found, bytes)| (found.id.0, bytes)), Some((2, size(2))));
        backlog.pop();
        assert!(backlog.is_empty() && backlog.pop().is_none());
        assert_eq!(backlog.bytes(), 0);
    }
}
