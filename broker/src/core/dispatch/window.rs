//! The part of a queue, or of one topic of a durable subscription, that is held in memory.
//!
//! A window shows the messages in order from some place onward; what stands behind `read_to` is in the store alone and is read in
//! pages. The difficulty is that three things cross: pages being read, batches being committed, and acknowledgements that
//! are submitted but not applied yet. The rules that keep every message from being lost, stuck or shown twice:
//!
//! - a message that commits at or before `read_to` was already seen in a page and is ignored;
//! - one that commits beyond it joins the window only if nothing stands between (`behind` is false) and there is room;
//!   otherwise it is forgotten and `behind` is set, so that a page brings it later;
//! - a page never brings what is waiting already, what is `held` (dispatched, or acknowledged and not yet durable), or
//!   what settled while the page was being read: the page may have been made before that;
//! - a page that ends the store's list clears `behind` only if nothing was forgotten while it was being read.

use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasherDefault;
use std::ops::Bound;
use std::sync::Arc;

use kahawai_store::contract::Page;
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, MessageId};

use crate::core::keys::{KeyHasher, KeyMap, ReadToken};
use crate::core::memory::Holds;

type IdSet = HashSet<MessageId, BuildHasherDefault<KeyHasher>>;

/// Where a message stands among those that wait: stored messages by their cursor, messages that are only in memory
/// behind the last arrival known when they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The rank in the store; 0 for what is only in memory.
    pub(crate) rank: u8,
    /// The arrival number in the store.
    pub(crate) arrival: u64,
    /// 0 for a stored message; counts up for the others.
    pub(crate) minor: u64,
}

impl Position {
    pub(crate) fn stored(cursor: Cursor) -> Self {
        Self { rank: cursor.rank, arrival: cursor.arrival, minor: 0 }
    }

    /// What to read after, so that what stands here comes first.
    pub(crate) fn before(self) -> Option<Cursor> {
        match self.arrival.checked_sub(1) {
            Some(arrival) => Some(Cursor { rank: self.rank, arrival }),
            None => self.rank.checked_sub(1).map(|rank| Cursor { rank, arrival: u64::MAX }),
        }
    }

    /// Where a message that is stored stands in the store.
    pub(crate) fn cursor(self) -> Cursor {
        debug_assert!(self.minor == 0, "what is only in memory has no cursor");
        Cursor { rank: self.rank, arrival: self.arrival }
    }
}

/// A message that waits to be dispatched.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: MessageId,
    pub(crate) position: Position,
    pub(crate) message: Arc<Message>,
    /// How often it was delivered and came back.
    pub(crate) redeliveries: u32,
    /// Whether the store has it.
    pub(crate) stored: bool,
}

/// A page that was asked for.
#[derive(Clone, Copy, Debug)]
struct Reading {
    token: ReadToken,
    /// A message was forgotten since: the page's end is not the end.
    forgotten: bool,
    /// `read_to` was set back since: the page's place says nothing.
    rewound: bool,
}

/// What a page held that has expired.
#[derive(Debug)]
pub(crate) struct Swept {
    /// It waited in memory as well.
    pub(crate) from_memory: Vec<Waiting>,
    /// It was in the store alone.
    pub(crate) from_store: Vec<Waiting>,
    /// When the first of the others expires; the end of time where none does.
    pub(crate) first_left: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Window {
    ready: BTreeMap<Position, Waiting>,
    ready_bytes: usize,
    /// Everything in the store up to here was seen.
    read_to: Option<Cursor>,
    /// Something may stand beyond `read_to`.
    behind: bool,
    reading: Option<Reading>,
    held: IdSet,
    settled_while_reading: IdSet,
    /// The same for a page that looks for expired messages; `None` where none was asked for.
    settled_while_sweeping: Option<IdSet>,
    /// The first of the messages that were read and let go again because nobody with room wanted them.
    passed_over: Option<Position>,
    /// Counts of messages that came back and were then dropped from memory.
    redelivered: KeyMap<MessageId, u32>,
}

impl Holds for Window {
    fn bytes(&self) -> usize {
        self.ready_bytes
    }
}

impl Window {
    /// A window over what the store already holds.
    pub(crate) fn recovered(messages: u64) -> Self {
        Self { behind: messages > 0, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether a page should be asked for, as far as the window knows.
    pub(crate) fn wants_page(&self) -> bool {
        self.behind && self.reading.is_none()
    }

    /// Whether something may wait in the store that is not in memory.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether nothing waits here, in memory or in the store.
    pub(crate) fn is_drained(&self) -> bool {
        self.ready.is_empty() && !self.behind && self.reading.is_none() && self.passed_over.is_none()
    }

    /// Whether nothing waits here, and nobody has anything that waited here.
    pub(crate) fn is_untouched(&self) -> bool {
        self.is_drained() && self.held.is_empty()
    }

    /// Whether a page was asked for and has not come.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Whether something was let go that a consumer may want.
    pub(crate) fn has_passed_over(&self) -> bool {
        self.passed_over.is_some()
    }

    /// Lets the stored messages go that were read so far, which nobody with room wants, so that what stands behind them can
    /// be read.
    pub(crate) fn pass_over(&mut self) {
        let Some(first) = self.let_go() else { return };
        self.passed_over = Some(self.passed_over.map_or(first, |earlier| earlier.min(first)));
    }

    /// Reads again what was passed over.
    pub(crate) fn turn_back(&mut self) {
        if let Some(first) = self.passed_over.take() {
            self.rewind(first);
        }
    }

    /// Notes that a page was asked for; gives the cursor to read after.
    pub(crate) fn page_asked(&mut self, token: ReadToken) -> Option<Cursor> {
        self.reading = Some(Reading { token, forgotten: false, rewound: false });
        self.read_to
    }

    /// Takes a page.
    pub(crate) fn page_came(&mut self, token: ReadToken, page: Page) {
        let Some(reading) = self.reading.take_if(|reading| reading.token == token) else {
            debug_assert!(false, "a page that came was asked for, and no other since");
            return;
        };
        // A damaged message stands there too, and is passed over.
        let last = page.cursor_last();
        for found in page.messages {
            let position = Position::stored(found.cursor);
            let known = self.ready.contains_key(&position) || self.held.contains(&found.id);
            if !known && !self.settled_while_reading.contains(&found.id) {
                let redeliveries = self.redelivered.remove(&found.id).unwrap_or(0);
                self.insert(Waiting {
                    id: found.id,
                    position,
                    message: found.message,
                    redeliveries,
                    stored: true,
                });
            }
        }
        self.settled_while_reading.clear();
        if !reading.rewound {
            self.read_to = self.read_to.max(last);
            self.behind = !page.end || reading.forgotten;
        }
    }

    /// The page could not be read; it may be asked for again.
    pub(crate) fn page_failed(&mut self, token: ReadToken) {
        if self.reading.take_if(|reading| reading.token == token).is_some() {
            self.settled_while_reading.clear();
        }
    }

    /// A message was committed here. It is taken into memory if there is `room` and it stands next.
    pub(crate) fn committed(&mut self, id: MessageId, cursor: Cursor, message: &Arc<Message>, room: bool) {
        // A page may have brought it before this answer came; it may even be acknowledged by now, and not be in the page that
        // was read since.
        if self.read_to.is_some_and(|read_to| cursor <= read_to) || self.held.contains(&id) {
            return;
        }
        if self.behind || !room {
            self.committed_unseen();
            return;
        }
        self.read_to = Some(cursor);
        let position = Position::stored(cursor);
        self.insert(Waiting { id, position, message: Arc::clone(message), redeliveries: 0, stored: true });
    }

    /// Messages were committed here that nobody has in memory.
    pub(crate) fn committed_unseen(&mut self) {
        self.behind = true;
        if let Some(reading) = &mut self.reading {
            reading.forgotten = true;
        }
    }

    /// Adds a message: one that is only in memory, or one that came back.
    pub(crate) fn insert(&mut self, waiting: Waiting) {
        let size = waiting.message.size();
        if self.ready.insert(waiting.position, waiting).is_none() {
            self.ready_bytes += size;
        }
    }

    /// Takes one that waits at a known place, and holds it.
    pub(crate) fn take(&mut self, position: Position) -> Option<Waiting> {
        let waiting = self.ready.remove(&position)?;
        self.taken(&waiting);
        Some(waiting)
    }

    fn taken(&mut self, waiting: &Waiting) {
        self.ready_bytes -= waiting.message.size();
        if waiting.stored {
            self.held.insert(waiting.id);
        }
    }

    /// The first message that may be dispatched now, behind a place already passed over.
    ///
    /// After messages came back that have to be read again, some that stand behind them may still be in memory: they wait
    /// until everything before them was read, so that order is kept.
    pub(crate) fn first_after(&self, passed: Option<Position>) -> Option<&Waiting> {
        let from = passed.map_or(Bound::Unbounded, Bound::Excluded);
        let mut waiting = self.ready.range((from, Bound::Unbounded)).map(|(_, waiting)| waiting);
        waiting.find(|waiting| self.may_go(waiting))
    }

    fn may_go(&self, waiting: &Waiting) -> bool {
        !waiting.stored
            || !self.behind
            || self.read_to.is_some_and(|read_to| waiting.position <= Position::stored(read_to))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.ready.values()
    }

    /// Holds a message back that is not in the window: a prepared transaction acknowledges it.
    pub(crate) fn hold(&mut self, id: MessageId) {
        self.held.insert(id);
    }

    /// A held message is gone from the store.
    pub(crate) fn settle(&mut self, id: MessageId) {
        if !self.held.remove(&id) {
            return;
        }
        if self.reading.is_some() {
            self.settled_while_reading.insert(id);
        }
        if let Some(settled) = &mut self.settled_while_sweeping {
            settled.insert(id);
        }
    }

    /// Notes that a page was asked for to look for expired messages.
    pub(crate) fn sweep_asked(&mut self) {
        self.settled_while_sweeping = Some(IdSet::default());
    }

    /// Takes what has expired out of a page that was asked for so, and holds it; leaves out what others have: they
    /// look at the time themselves when it comes back.
    pub(crate) fn swept(&mut self, page: Page, now: i64) -> Swept {
        let settled = self.settled_while_sweeping.take().unwrap_or_default();
        let mut found = Swept { from_memory: Vec::new(), from_store: Vec::new(), first_left: i64::MAX };
        for stored in page.messages {
            let (id, position) = (stored.id, Position::stored(stored.cursor));
            let expiration = stored.message.header.expiration;
            if expiration <= 0 || self.held.contains(&id) || settled.contains(&id) {
                continue;
            }
            if !stored.message.header.is_expired(now) {
                found.first_left = found.first_left.min(expiration);
            } else if let Some(waiting) = self.take(position) {
                found.from_memory.push(waiting);
            } else {
                self.held.insert(id);
                let redeliveries = self.redelivered.remove(&id).unwrap_or(0);
                found.from_store.push(Waiting {
                    id,
                    position,
                    message: stored.message,
                    redeliveries,
                    stored: true,
                });
            }
        }
        found
    }

    /// A held message waits again, at its old place.
    pub(crate) fn give_back(&mut self, waiting: Waiting) {
        self.held.remove(&waiting.id);
        self.insert(waiting);
    }

    /// A held message waits again, but nobody has it in memory any more: it is read again.
    pub(crate) fn give_back_unseen(&mut self, id: MessageId, position: Position, redeliveries: u32) {
        self.held.remove(&id);
        if redeliveries > 0 {
            self.redelivered.insert(id, redeliveries);
        }
        self.rewind(position);
    }

    /// Forgets the stored messages that wait; they are read again when wanted.
    pub(crate) fn shrink(&mut self) {
        self.turn_back();
        let Some(first) = self.let_go() else { return };
        self.rewind(first);
    }

    /// Drops the stored messages that wait from memory; gives the first one's place.
    fn let_go(&mut self) -> Option<Position> {
        let first = self.ready.values().find(|waiting| waiting.stored).map(|waiting| waiting.position)?;
        let mut freed = 0;
        let redelivered = &mut self.redelivered;
        self.ready.retain(|_, waiting| {
            if waiting.stored {
                freed += waiting.message.size();
                if waiting.redeliveries > 0 {
                    redelivered.insert(waiting.id, waiting.redeliveries);
                }
            }
            !waiting.stored
        });
        self.ready_bytes -= freed;
        Some(first)
    }

    fn rewind(&mut self, to: Position) {
        self.read_to = self.read_to.min(to.before());
        self.behind = true;
        if let Some(reading) = &mut self.reading {
            reading.rewound = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_damaged_messages_is_passed_over() {
        let mut window = Window::recovered(3);
        let token = ReadToken(1);
        assert_eq!(window.page_asked(token), None);
        let cursor = Cursor { rank: 0, arrival: 7 };
        let page = Page { damaged: vec![(MessageId(1), cursor)], ..Page::default() };
        window.page_came(token, page);
        assert!(window.is_empty());
        assert!(window.wants_page());
        assert_eq!(window.page_asked(ReadToken(2)), Some(cursor));
    }
}
