//! Writes what lives at the head of the log once more at its tail.
//!
//! In the order of the log a relocation says: these messages live now, and stand here. So the writer looks once more which of those that
//! the cleaner found do. Where they are read from changes only when the new place is on the disk and mastership was
//! proven; and only after that the head is given up.

use kahawai_store::contract::StoreError;
use kahawai_store::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};

use super::{Refusal, Writer};
use crate::compact::head::{ChunkAgain, Living, Piece};
use crate::compact::pace::Holding;
use crate::format::record::{self, HEADER_LENGTH, Kind};
use crate::format::relocation::{self, Builder, MESSAGE_OVERHEAD};
use crate::index::segments::Live;
use crate::index::state::PreparedChunk;
use crate::index::{Location, RecordAt, weight};
use crate::log::replay::lost_with;
use crate::steps::Step;

/// About how large a relocation record becomes: whoever reads one of its messages verifies all of it.
const RECORD_BYTES: usize = 64 << 10;

/// What stands at a new place that is not known to be durable yet.
pub(super) enum Moved {
    Message { id: MessageId, from: Location, to: Location },
    Chunk { xid: Xid, from: RecordAt, chunk: PreparedChunk },
}

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
        let needed = self.room_to_clean(&piece);
        let may_use_reserve = needed <= self.active.left() + self.spares.reserve_left();
        if !may_use_reserve && !self.may_clean_without(needed) {
            // Begun and not ended, it would only take from acknowledgements what room there is.
            return Err(self.refused(Refusal::Full));
        }
        let Piece { segment, read, messages, chunk, lost } = piece;
        // Small beside a segment, so that the end of one is not left unused for them.
        let record_bytes = RECORD_BYTES.min(self.options.journal_max_file_length as usize / 16);
        let mut some = Vec::new();
        let mut bytes = 0;
        for living in messages {
            let Some(again) = self.still_living(living) else { continue };
            bytes += again.length();
            some.push(again);
            if bytes >= record_bytes {
                self.append_relocation(&std::mem::take(&mut some), may_use_reserve)?;
                bytes = 0;
            }
        }
        if !some.is_empty() {
            self.append_relocation(&some, may_use_reserve)?;
        }
        if let Some(chunk) = chunk {
            self.append_chunk(chunk, may_use_reserve)?;
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

    fn append_relocation(&mut self, messages: &[Again], may_use_reserve: bool) -> Result<(), StoreError> {
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
                builder.add(living.id, *destination, *cursor, acknowledged, &living.message)
            })
            .collect();
        let record = builder.finish();
        let taken = record.len() as u64;
        let at = self.append_again(Kind::Relocation, record, may_use_reserve)?;
        self.pace.relocated(weight(live), taken);
        for (Again { living, .. }, span) in messages.iter().zip(spans) {
            let to = Location { segment: at.segment, record: at.offset, span };
            self.moved.push(Moved::Message { id: living.id, from: living.location, to });
        }
        Ok(())
    }

    fn append_chunk(&mut self, chunk: ChunkAgain, may_use_reserve: bool) -> Result<(), StoreError> {
        let ChunkAgain { xid, from, number, record, operations } = chunk;
        if !self.shared.index().state.has_chunk(&xid, number, from) {
            return Ok(());
        }
        let at = self.append_again(Kind::Prepared, record, may_use_reserve)?;
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
        self.append_again(Kind::Lost, record, true)?;
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

    fn append_again(
        &mut self,
        kind: Kind,
        record: Vec<u8>,
        may_use_reserve: bool,
    ) -> Result<RecordAt, StoreError> {
        let crc = crc32fast::hash(&record[HEADER_LENGTH..]);
        let length = record::record_length(record.len() - HEADER_LENGTH);
        let at = self.append(kind, record, crc, may_use_reserve).map_err(|refusal| self.refused(refusal))?;
        // What is only written again uses nothing up.
        self.used_up -= length;
        Ok(at)
    }

    /// What has to be there before a piece of a head is written again: room for all that lives in the head, for what its records and the
    /// ends of segments take beside it, and for acknowledgements until the head is given up. With less both would end in the midst of it.
    fn room_to_clean(&self, piece: &Piece) -> u64 {
        let segment = self.options.journal_max_file_length;
        let lives = self.shared.index().live_bytes_in(piece.segment);
        let largest =
            piece.messages.iter().map(|living| living.message.len() as u64).max().unwrap_or_default();
        let record = (RECORD_BYTES as u64).min(segment / 16);
        let records = lives / record + 2;
        let headers = records * (HEADER_LENGTH as u64 + 16);
        lives + headers + record + largest + self.active.start() + segment / 8
    }

    /// Whether there is so much room in the segment being written and the one prepared, which is waited for.
    fn may_clean_without(&mut self, needed: u64) -> bool {
        // Of what takes a segment of its own, that is made when it is written, or nothing is.
        let needed = needed.min(self.options.journal_max_file_length);
        let here = if self.active_is_reserve { 0 } else { self.active.left() };
        needed <= here || needed <= here + self.spares.ready_length()
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
        self.shared.cleaning.tell(self.pace.is_wanted(), self.pace.owed() > holding.segment);
    }

    /// Where the cleaning stands, for the message of a failing test.
    #[cfg(test)]
    pub(crate) fn told(&self) -> String {
        format!("{:?}, {:?}, {:?}", self.holding(), self.pace, self.full)
    }

    /// How many bytes of the head are to be read before more is taken.
    #[cfg(test)]
    pub(crate) fn owed(&self) -> u64 {
        self.pace.owed()
    }

    /// The number of the segment at the head of the log.
    #[cfg(test)]
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
            is_full: self.active_is_reserve || self.spares.is_short(),
        }
    }
}
