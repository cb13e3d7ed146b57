//! The segment being written.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::disk::SegmentFile;
use crate::format::record::{self, HEADER_LENGTH, Kind, RecordHeader};
use crate::format::seal::LogEnd;
use crate::format::segment::{self, SegmentHeader};
use crate::index::RecordAt;
use crate::log::segment::{Bounds, Segment};

/// What a release record takes.
pub(super) const RELEASE_LENGTH: u64 = HEADER_LENGTH as u64 + 8;

/// The segment being written.
#[derive(Debug)]
pub(super) struct Active {
    segment: Arc<Segment>,
    /// Its file, without asking which are open.
    file: Arc<dyn SegmentFile>,
    /// Where the next record goes.
    offset: u64,
    /// Where the records behind the snapshot begin.
    start: u64,
    /// Records that are not given to the file yet; they end at `offset`.
    gathered: Vec<Vec<u8>>,
    gathered_bytes: u64,
    /// Everything before this is on the disk.
    flushed: u64,
}

impl Active {
    /// Begins a segment with its header, which is written and becomes durable with the first records.
    pub(super) fn begin(segment: Arc<Segment>, file: Arc<dyn SegmentFile>, header: &SegmentHeader) -> Self {
        let gathered = vec![segment::encode(header).to_vec()];
        let length = segment::HEADER_LENGTH;
        Self { segment, file, offset: length, start: length, gathered, gathered_bytes: length, flushed: 0 }
    }

    pub(super) fn number(&self) -> u64 {
        self.segment.number
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether records were added that are not given to the file.
    pub(super) fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Notes that what was added so far is no message's.
    pub(super) fn starts_here(&mut self) {
        self.start = self.offset;
    }

    /// Where the records behind the snapshot begin.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// How many bytes are left in the segment.
    pub(super) fn left(&self) -> u64 {
        self.file.length() - self.offset
    }

    pub(super) fn flushed(&self) -> u64 {
        self.flushed
    }

    pub(super) fn has_room_for(&self, record_length: u64) -> bool {
        record_length <= self.left()
    }

    /// Adds one record: `record` is room for the header, then the body. It is written with the next [`Active::write`].
    pub(super) fn add(
        &mut self,
        kind: Kind,
        mut record: Vec<u8>,
        body_crc: u32,
        sequence: u64,
        durable_through: u64,
    ) -> RecordAt {
        let body_length = (record.len() - HEADER_LENGTH) as u32;
        let epoch = self.segment.epoch;
        let header = RecordHeader { body_crc, body_length, kind, epoch, sequence, durable_through };
        let offset = self.offset;
        record[..HEADER_LENGTH].copy_from_slice(&record::encode(&header, &self.segment.place(offset)));
        record.resize(header.record_length() as usize, 0);
        self.offset += header.record_length();
        self.gathered_bytes += header.record_length();
        self.gathered.push(record);
        RecordAt { segment: self.segment.number, offset }
    }

    /// Gives what was added to the file, at once.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if !self.gathered.is_empty() {
            let parts: Vec<_> = self.gathered.iter().map(|record| IoSlice::new(record)).collect();
            self.file.write(self.offset - self.gathered_bytes, &parts)?;
            self.gathered.clear();
            self.gathered_bytes = 0;
        }
        Ok(())
    }

    /// Puts what was added on the disk.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        if self.flushed < self.offset {
            self.file.flush(self.flushed, self.offset)?;
            self.flushed = self.offset;
        }
        Ok(())
    }

    /// Notes that nothing more comes; gives the segment.
    pub(super) fn seal(&self) -> &Segment {
        self.segment.bound(Bounds { start: self.start, end: self.offset });
        self.segment.file.seal();
        &self.segment
    }

    /// Where the log stands.
    pub(super) fn end(&self) -> LogEnd {
        LogEnd { epoch: self.segment.epoch, number: self.segment.number, offset: self.offset }
    }
}
