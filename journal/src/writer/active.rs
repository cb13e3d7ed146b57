//! The segment being written, and rolling to the next.

use std::io;
use std::sync::Arc;

use kahawai_store::contract::StoreError;

use super::{Refusal, Writer};
use crate::format::record::{self, HEADER_LENGTH, Kind, RecordHeader};
use crate::format::seal::LogEnd;
use crate::format::segment::{self, SegmentHeader};
use crate::format::snapshot;
use crate::index::RecordAt;
use crate::log::segment::Segment;
use crate::steps::Step;

/// The segment being written.
#[derive(Debug)]
pub(super) struct Active {
    segment: Arc<Segment>,
    offset: u64,
    flushed: u64,
}

impl Active {
    /// Begins a segment with its header, which becomes durable with the first flush.
    pub(super) fn begin(segment: Arc<Segment>, header: &SegmentHeader) -> io::Result<Self> {
        segment.file.write(0, &segment::encode(header))?;
        Ok(Self { segment, offset: segment::HEADER_LENGTH, flushed: 0 })
    }

    pub(super) fn number(&self) -> u64 {
        self.segment.number
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn flushed(&self) -> u64 {
        self.flushed
    }

    pub(super) fn has_room_for(&self, record_length: u64) -> bool {
        record_length <= self.segment.file.length() - self.offset
    }

    /// Writes one record: `bytes` are room for the header, then the body.
    pub(super) fn write(
        &mut self,
        kind: Kind,
        bytes: &mut [u8],
        body_crc: u32,
        sequence: u64,
        durable_through: u64,
    ) -> io::Result<RecordAt> {
        let body_length = (bytes.len() - HEADER_LENGTH) as u32;
        let epoch = self.segment.epoch;
        let header = RecordHeader { body_crc, body_length, kind, epoch, sequence, durable_through };
        let offset = self.offset;
        bytes[..HEADER_LENGTH].copy_from_slice(&record::encode(&header, &self.segment.place(offset)));
        self.segment.file.write(offset, bytes)?;
        self.offset += header.record_length();
        Ok(RecordAt { segment: self.segment.number, offset })
    }

    /// Puts what was written on the disk.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.flushed < self.offset {
            self.segment.file.flush(self.flushed, self.offset.min(self.segment.file.length()))?;
            self.flushed = self.offset;
        }
        Ok(())
    }

    /// Where the log stands.
    pub(super) fn end(&self) -> LogEnd {
        LogEnd { epoch: self.segment.epoch, number: self.segment.number, offset: self.offset }
    }
}

impl Writer {
    /// Makes sure that a record of this length (with its header) fits into the active segment, rolling to the next where it
    /// does not.
    pub(super) fn make_room(&mut self, length: usize, freeing: bool) -> Result<(), Refusal> {
        let record_length = record::record_length(length - HEADER_LENGTH);
        // What acknowledgements were given from the reserve, senders do not fill up.
        let may_write = freeing || !self.active_is_reserve || self.spares.has_reserve();
        if may_write && self.active.has_room_for(record_length) {
            Ok(())
        } else {
            self.roll(record_length, freeing)
        }
    }

    /// Begins the next segment. The one before is flushed to its end first: that the next one's header exists proves it.
    fn roll(&mut self, record_length: u64, freeing: bool) -> Result<(), Refusal> {
        let snapshot = snapshot::encode(self.shared.index().snapshot());
        let needed = segment::HEADER_LENGTH + record::record_length(snapshot.len()) + record_length;
        let taken = self.spares.take(needed, freeing);
        let taken = taken.map_err(|error| Refusal::Failed(self.failed("prepare a successor of", &error)))?;
        let Some(((spare, file), is_reserve)) = taken else { return Err(Refusal::Full) };
        self.active.flush().map_err(|error| Refusal::Failed(self.failed("flush", &error)))?;
        self.options.watch.reached(Step::RollFlushed);

        let before = self.active.end();
        let epoch = self.hold.epoch();
        let segment = Arc::new(Segment { epoch, number: before.number + 1, log: self.log, file });
        let named = self.disk.rename(spare, segment.name()).and_then(|()| self.disk.sync_names());
        named.map_err(|error| Refusal::Failed(self.failed("name the successor of", &error)))?;
        self.options.watch.reached(Step::RollRenamed);

        // Everything before is on the disk now, whether or not it was answered yet.
        self.durable = self.sequence_next - 1;
        let header = SegmentHeader {
            store: self.store,
            epoch,
            log: self.log,
            number: segment.number,
            first_sequence: self.sequence_next,
            before: Some(before),
            released: self.released,
        };
        self.shared.segments_mut().insert(segment.number, Arc::clone(&segment));
        self.active_is_reserve = is_reserve;
        let begun = Active::begin(segment, &header);
        self.active =
            begun.map_err(|error| Refusal::Failed(self.failed("begin the successor of", &error)))?;
        self.append_snapshot(&snapshot).map_err(Refusal::Failed)
    }

    /// Writes the snapshot that each segment begins with.
    pub(super) fn append_snapshot(&mut self, snapshot: &[u8]) -> Result<(), StoreError> {
        let mut record = vec![0; HEADER_LENGTH];
        record.extend_from_slice(snapshot);
        let crc = crc32fast::hash(snapshot);
        let written = self.active.write(Kind::Snapshot, &mut record, crc, self.sequence_next, self.durable);
        written.map_err(|error| self.failed("write to", &error))?;
        self.sequence_next += 1;
        Ok(())
    }
}
