//! Writes what lives at the head of the log once more at its tail.
//!
//! In the order of the log a relocation says: these messages live now, and stand here. So the writer looks once more which of those that
//! the cleaner found do. Where they are read from changes only when the new place is on the disk and mastership was
//! proven; and only after that the head is given up.

use std::sync::atomic::Ordering;

use kahawai_store::contract::StoreError;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId};

use super::active::RELEASE_LENGTH;
use super::moved::Moved;
use super::{Access, Refusal, Writer};
use crate::compact::cleaning::Told;
use crate::compact::head::{ChunkAgain, Living, Piece};
use crate::compact::pace::Holding;
use crate::format::body;
use crate::format::record::{self, HEADER_LENGTH, Kind};
use crate::format::relocation::{self, Builder, MESSAGE_OVERHEAD};
use crate::index::segments::Live;
use crate::index::state::PreparedChunk;
use crate::index::{Location, RecordAt, weight};
use crate::log::replay::lost_with;
use crate::steps::Step;

/// About how large a relocation record becomes: a damaged skeleton costs all of its messages.
const RECORD_BYTES: usize = 64 << 10;

/// A message to be written again.
struct Again {
    living: Living,
    destination: DestinationId,
    cursor: Cursor,
    acknowledged: Vec<SubscriptionId>,
}

impl Again {
    fn length(&self) -> usize {
        self.living.message.len() + MESSAGE_OVERHEAD + 8 * self.acknowledged.len()
    }
}

impl Writer {
    /// Adds to the log what of a piece of the head still lives.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is no room: nothing is lost by that, it is to be tried again.
    pub(super) fn relocate(&mut self, piece: Piece) -> Result<(), StoreError> {
        if let Some(error) = self.shared.ended() {
            return Err(error.clone());
        }
        // Where the index cannot be read, what is not found there is not dead, and not lost either.
        if let Some(problem) = self.index_fault() {
            return Err(StoreError::Failed(problem.into()));
        }
        self.options.watch.reached(Step::RelocationFound);
        let largest = piece.messages.iter().map(|living| living.message.len() as u64).max();
        let needed = self.room_to_move(piece.segment, largest.unwrap_or_default());
        let segment = piece.segment;
        // Begun and not ended, it would only take from acknowledgements what room there is.
        let moved = match self.may_move(needed) {
            true => self.move_living(piece),
            false => Err(self.refused(Refusal::Full)),
        };
        if moved.is_err() {
            let room = self.room();
            self.waiting.give_up(segment, room);
        }
        moved
    }

    fn move_living(&mut self, piece: Piece) -> Result<(), StoreError> {
        let Piece { segment, read, messages, chunk, lost } = piece;
        // Small beside a segment, so that the end of one is not left unused for them.
        let record_bytes = RECORD_BYTES.min(self.options.journal_max_file_length as usize / 16);
        let mut some = Vec::new();
        let mut bytes = 0;
        for living in messages {
            let Some(again) = self.still_living(living) else { continue };
            // The end of a segment is filled up.
            let taken = (HEADER_LENGTH + 16 + bytes + again.length()) as u64 + RELEASE_LENGTH;
            if !some.is_empty() && (bytes >= record_bytes || taken > self.active.left()) {
                self.append_relocation(&std::mem::take(&mut some))?;
                bytes = 0;
            }
            bytes += again.length();
            some.push(again);
        }
        if !some.is_empty() {
            self.append_relocation(&some)?;
        }
        if let Some(chunk) = chunk {
            self.append_chunk(chunk)?;
        }
        if !lost.is_empty() {
            self.append_lost(segment, lost)?;
        }
        self.pace.read(read);
        Ok(())
    }

    fn still_living(&self, living: Living) -> Option<Again> {
        let index = self.shared.index();
        let place = index.messages.place(living.id).filter(|place| place.location == living.location)?;
        let acknowledged = index.messages.acknowledged_by(place.destination, place.cursor.arrival);
        Some(Again { living, destination: place.destination, cursor: place.cursor, acknowledged })
    }

    fn append_relocation(&mut self, messages: &[Again]) -> Result<(), StoreError> {
        let mut topics: Vec<DestinationId> = messages.iter().map(|again| again.destination).collect();
        topics.sort_unstable();
        topics.dedup();
        let floors: Vec<_> = {
            let index = self.shared.index();
            topics.iter().flat_map(|topic| index.messages.floors(*topic)).collect()
        };
        let mut builder = Builder::begin(HEADER_LENGTH, &floors);
        let mut live = Live::default();
        let spans: Vec<_> = messages
            .iter()
            .map(|Again { living, destination, cursor, acknowledged }| {
                live += Live { count: 1, bytes: living.message.len() as u64 };
                builder.add(living.id, *destination, *cursor, acknowledged, living.checksum, &living.message)
            })
            .collect();
        let record = builder.finish();
        let taken = record.len() as u64;
        let at = self.append_again(Kind::Relocation, record)?;
        self.pace.relocated(weight(live), taken);
        self.shared.relocated.fetch_add(taken, Ordering::Relaxed);
        for (Again { living, .. }, span) in messages.iter().zip(spans) {
            let to = Location { segment: at.segment, record: at.offset, span };
            self.moved.push(Moved::Message { id: living.id, from: living.location, to });
        }
        Ok(())
    }

    fn append_chunk(&mut self, chunk: ChunkAgain) -> Result<(), StoreError> {
        let ChunkAgain { xid, from, number, record, operations } = chunk;
        if !self.shared.index().state.has_chunk(&xid, number, from) {
            return Ok(());
        }
        let at = self.append_again(Kind::Prepared, record)?;
        let chunk = PreparedChunk { number, at, operations };
        self.moved.push(Moved::Chunk { xid, from, chunk });
        Ok(())
    }

    /// Gives up messages that cannot be read, so that the segment which held them can be set aside.
    fn append_lost(
        &mut self,
        segment: u64,
        messages: Vec<(DestinationId, MessageId)>,
    ) -> Result<(), StoreError> {
        let mut record = vec![0; HEADER_LENGTH];
        record.extend_from_slice(&relocation::encode_lost(segment, &messages));
        self.append_again(Kind::Lost, record)?;
        let told = lost_with(segment, &messages);
        tracing::error!("{told}; the segment is kept for the tools: `kahawai store verify`");
        self.damage.push(told);
        self.damaged.insert(segment);
        let mut index = self.shared.index_mut();
        for (_, id) in messages {
            index.messages.lose(id);
        }
        Ok(())
    }

    fn append_again(&mut self, kind: Kind, record: Vec<u8>) -> Result<RecordAt, StoreError> {
        let crc = body::checksum(kind, &record[HEADER_LENGTH..]);
        let length = record::record_length(record.len() - HEADER_LENGTH);
        let at = self.append(kind, record, crc, Access::Cleaner).map_err(|refusal| self.refused(refusal))?;
        // What is only written again uses nothing up.
        self.used_up -= length;
        Ok(at)
    }

    /// What it takes to write once more what lives in this head: that, what its records take beside it, an end of a segment that the
    /// largest message does not fit into, the beginning of the next, and the word that the head is given up.
    fn room_to_move(&self, head: u64, largest: u64) -> u64 {
        let lives = self.shared.index().live_bytes_in(head);
        let record = (RECORD_BYTES as u64).min(self.options.journal_max_file_length / 16);
        let records = lives / record + 2;
        let headers = records * (HEADER_LENGTH as u64 + 16);
        lives + headers + largest + self.active.start() + 2 * RELEASE_LENGTH
    }

    /// Whether there is so much room in the segment being written and those prepared. Where that is enough, the one that is ready is waited
    /// for, so that no reserve is used up.
    fn may_move(&mut self, needed: u64) -> bool {
        // Of what takes a segment of its own, that is made when it is written, or nothing is.
        let needed = needed.min(self.options.journal_max_file_length);
        needed <= self.room() || needed <= self.active.left() + self.spares.ready_length()
    }

    /// How much can be written without another segment having to be made.
    fn room(&self) -> u64 {
        self.active.left() + self.spares.bytes()
    }

    /// Whether a record of this length would take from the room that the cleaner needs to give up the head, when that wins
    /// something. An eighth of a segment more, since nobody knows which message is the largest.
    pub(super) fn is_for_the_cleaner(&mut self, record_length: u64) -> bool {
        self.cleaner_needs().is_some() && self.is_of_the_cleaners_room(record_length)
    }

    /// The same, whether or not there is something to win now.
    pub(super) fn is_of_the_cleaners_room(&self, record_length: u64) -> bool {
        let Some(head) = self.shared.segments().keys().next().copied() else { return false };
        let (room, needed) = (self.room(), self.room_to_move(head, 0));
        if room < needed {
            return false;
        }
        let lost = match self.active.has_room_for(record_length + RELEASE_LENGTH) {
            true => 0,
            false => self.active.left() + self.active.start(),
        };
        let room = room.saturating_sub(lost + record_length);
        room < needed + self.options.journal_max_file_length / 8
    }

    /// How much room the cleaner needs to give up the head; nothing where it has less or would win nothing. Whoever waits for it, waits
    /// for a lap at most, and no longer than it can go on.
    fn cleaner_needs(&self) -> Option<u64> {
        let holding = self.holding();
        holding.head?;
        let head = *self.shared.segments().keys().next()?;
        let room = self.room();
        let needed = self.room_to_move(head, 0);
        let lap_was_vain = self.waiting.until.is_some_and(|until| head > until);
        let is_hopeless =
            self.waiting.hopeless.is_some_and(|(hopeless, with)| hopeless == head && room <= with);
        let wins = self.pace.wins(&holding) || !self.leaving.is_empty();
        (wins && !lap_was_vain && !is_hopeless && needed <= room).then_some(needed)
    }

    /// Lets what was written again be read at its new place, now that it is durable there.
    pub(super) fn settle_moved(&mut self) {
        if self.moved.is_empty() || self.shared.ended().is_some() {
            return;
        }
        self.options.watch.reached(Step::RelocationProven);
        const AT_ONCE: usize = 256;
        let mut moved = std::mem::take(&mut self.moved).into_iter().peekable();
        while moved.peek().is_some() {
            let mut index = self.shared.index_mut();
            for moved in moved.by_ref().take(AT_ONCE) {
                match moved {
                    // What went meanwhile, went.
                    Moved::Message { id, from, to } => {
                        index.messages.relocate(id, &from, to);
                    }
                    Moved::Chunk { xid, from, chunk } => {
                        if index.state.has_chunk(&xid, chunk.number, from) {
                            index.state.keep_chunk(xid, chunk);
                        }
                    }
                }
            }
        }
    }

    /// Decides anew how much of the head is to be cleaned, and tells the cleaner.
    pub(super) fn pace(&mut self) {
        let holding = self.holding();
        self.pace.observe(&holding);
        let head = self.shared.segments().keys().next().copied().unwrap_or_default();
        let is_asked = holding.head.is_some() && head <= self.shared.cleaning.through();
        let waited_for = self.waiting.is_any();
        self.shared.cleaning.tell(Told {
            wanted: self.pace.is_wanted() || waited_for || is_asked,
            waited_for,
            behind: self.pace.owed() > holding.segment,
            head,
        });
    }

    /// Where the cleaning stands, for the message of a failing test.
    #[cfg(test)]
    pub(crate) fn told(&self) -> String {
        format!("{:?}, {:?}, {:?}", self.holding(), self.pace, self.full)
    }

    /// How many bytes of the head are to be read before more is taken.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn owed(&self) -> u64 {
        self.pace.owed()
    }

    /// Whether there is something to clean, owed or not.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn wants_cleaning(&self) -> bool {
        self.pace.is_wanted()
    }

    /// Whether something waits for the cleaner.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn waits(&self) -> bool {
        self.waiting.is_any()
    }

    /// The number of the segment at the head of the log.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn head_number(&self) -> Option<u64> {
        self.shared.segments().keys().next().copied()
    }

    /// What the store holds now.
    pub(crate) fn holding(&self) -> Holding {
        let segments = self.shared.segments();
        let index = self.shared.index();
        let head = segments.first_key_value().filter(|(number, _)| **number < self.active.number());
        Holding {
            segment: self.options.journal_max_file_length,
            log: self.full.bytes + self.active.offset(),
            overhead: self.full.overhead + self.active.start(),
            others: self.small_files + index.messages.run_bytes(),
            live: index.live_bytes(),
            appended: self.used_up,
            head: head.map(|(&number, head)| (head.file.length(), index.live_bytes_in(number))),
            is_full: self.active_is_reserve || self.spares.is_short() || self.spares.has_lacked(),
        }
    }
}
