//! The segment being written, and rolling to the next.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::{Access, Refusal, Writer};
use crate::disk::SegmentFile;
use crate::format::body;
use crate::format::name::FileName;
use crate::format::record::{self, HEADER_LENGTH, Kind, RecordHeader};
use crate::format::seal::LogEnd;
use crate::format::segment::{self, SegmentHeader};
use crate::format::snapshot;
use crate::index::RecordAt;
use crate::log::segment::{Bounds, Segment};
use crate::steps::Step;

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
    fn seal(&self) -> &Segment {
        self.segment.bound(Bounds { start: self.start, end: self.offset });
        self.segment.file.seal();
        &self.segment
    }

    /// Where the log stands.
    pub(super) fn end(&self) -> LogEnd {
        LogEnd { epoch: self.segment.epoch, number: self.segment.number, offset: self.offset }
    }
}

impl Writer {
    /// Makes sure that a record of this length (with its header) fits into the active segment, rolling to the next where it
    /// does not. On a full disk senders get nothing, what makes room gets all but what the cleaner needs, and the cleaner all.
    pub(super) fn make_room(&mut self, length: usize, access: Access) -> Result<(), Refusal> {
        let record_length = record::record_length(length - HEADER_LENGTH);
        let counts = access < Access::Cleaner && self.spares.is_lacking(self.active_is_reserve);
        if counts && access == Access::Freeing && self.is_for_the_cleaner(record_length) {
            return Err(Refusal::Wait);
        }
        // Of what was given from the reserves, senders fill up nothing.
        let may_write = !counts || access > Access::Sender;
        // Each segment keeps room to say that those before it are released: without, a full disk would stay so.
        let kept = if access == Access::Release { 0 } else { RELEASE_LENGTH };
        if may_write && self.active.has_room_for(record_length + kept) {
            Ok(())
        } else {
            self.roll(record_length + RELEASE_LENGTH, access)
        }
    }

    /// Begins the next segment. The one before is flushed to its end first: that the next one's header exists proves it.
    pub(super) fn roll(&mut self, record_length: u64, access: Access) -> Result<(), Refusal> {
        let snapshot = snapshot::encode(self.shared.index().state.snapshot());
        let needed = segment::HEADER_LENGTH + record::record_length(snapshot.len()) + record_length;
        let taken = self.spares.take(needed, access > Access::Sender);
        let taken = taken.map_err(|error| Refusal::Failed(self.failed("prepare a successor of", &error)))?;
        let Some(((spare, file), is_reserve)) = taken else { return Err(Refusal::Full) };
        self.active.flush().map_err(|error| Refusal::Failed(self.failed("flush", &error)))?;
        self.options.watch.reached(Step::RollFlushed);
        self.removals.keep_up();

        let before = self.active.end();
        let epoch = self.hold.epoch();
        let number = before.number + 1;
        let name = FileName::Segment { epoch, number };
        let named = self.disk.rename(spare, name).and_then(|()| self.disk.sync_names());
        named.map_err(|error| Refusal::Failed(self.failed("name the successor of", &error)))?;
        self.options.watch.reached(Step::RollRenamed);

        let on_demand = self.files.being_written(name, &file);
        let segment = Arc::new(Segment::new(epoch, number, self.log, on_demand));
        // Everything before is on the disk now, whether or not it was answered yet.
        self.durable = self.sequence_next - 1;
        let header = SegmentHeader {
            store: self.store,
            epoch,
            log: self.log,
            number,
            first_sequence: self.sequence_next,
            before: Some(before),
            released: self.released,
        };
        // An end that is too short for the next record is used up.
        self.used_up += self.active.left();
        self.full.add(self.active.seal());
        self.shared.segments_mut().insert(number, Arc::clone(&segment));
        self.active_is_reserve = is_reserve;
        self.active = Active::begin(segment, file, &header);
        self.add_record(Kind::Snapshot, &snapshot);
        self.active.starts_here();
        self.used_up += self.active.start();
        Ok(())
    }

    /// Adds a record with this body to the active segment, which has room for it.
    pub(super) fn add_record(&mut self, kind: Kind, body: &[u8]) -> RecordAt {
        let mut record = vec![0; HEADER_LENGTH];
        record.extend_from_slice(body);
        let at = self.active.add(kind, record, body::checksum(kind, body), self.sequence_next, self.durable);
        self.sequence_next += 1;
        at
    }
}
