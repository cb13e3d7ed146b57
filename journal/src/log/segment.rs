//! A segment that is part of the log.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use kahawai_store::codec::{self, MESSAGE_CHECKSUM_LENGTH, Span};
use kahawai_store::names::Epoch;

use crate::disk::on_demand::OnDemand;
use crate::format::RandomId;
use crate::format::body;
use crate::format::name::FileName;
use crate::format::record::{self, Kind, Place, RecordHeader};
use crate::index::location::{Found, Location};

/// A segment: whose it is, which, and its bytes.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) log: RandomId,
    /// Nobody else has it: whoever reads it has the segment for as long, so that it is not recycled meanwhile.
    pub(crate) file: Arc<OnDemand>,
    bounds: OnceLock<Bounds>,
    /// Whether its log ended in it, and not because it was full.
    ends_a_log: AtomicBool,
}

/// Between which offsets a segment that is full holds records, but for the snapshot at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// What was found where a record should be.
#[derive(Debug)]
pub(crate) enum Body {
    /// The record's body, its skeleton verified: its messages are to be, each where it is read.
    Whole(Bytes),
    /// Not what was written.
    Damaged,
}

impl Segment {
    pub(crate) fn new(epoch: Epoch, number: u64, log: RandomId, file: Arc<OnDemand>) -> Self {
        Self { epoch, number, log, file, bounds: OnceLock::new(), ends_a_log: AtomicBool::new(false) }
    }

    /// Notes where its records begin and end, once that is known.
    pub(crate) fn bound(&self, bounds: Bounds) {
        // Known twice, it is the same.
        let _ = self.bounds.set(bounds);
    }

    /// Where its records end, if that is known.
    pub(crate) fn end(&self) -> Option<u64> {
        self.bounds.get().map(|bounds| bounds.end)
    }

    /// Notes that its log ended in it, before it was full.
    pub(crate) fn ends_a_log(&self) {
        self.ends_a_log.store(true, Ordering::Relaxed);
    }

    /// How many of its bytes can hold no message, nor could if what is in it stood elsewhere: what is left behind where a log ended is no
    /// such, since others go on where this did not.
    pub(crate) fn overhead(&self) -> u64 {
        let Some(Bounds { start, end }) = self.bounds.get().copied() else { return 0 };
        let held = end.saturating_sub(start);
        match self.ends_a_log.load(Ordering::Relaxed) {
            // In a segment that is full, the snapshot takes an eighth at most.
            true => start.min(held / 7),
            false => self.file.length().saturating_sub(held),
        }
    }

    pub(crate) fn name(&self) -> FileName {
        FileName::Segment { epoch: self.epoch, number: self.number }
    }

    pub(crate) fn place(&self, offset: u64) -> Place {
        Place { log: self.log, number: self.number, offset }
    }

    /// Reads a record's body and verifies it.
    pub(crate) fn read_record(&self, offset: u64) -> io::Result<Body> {
        Ok(self.read_record_of_any_kind(offset)?.map_or(Body::Damaged, |(_, body)| body))
    }

    /// The same, and of which kind the record is; `None` where its header is not what was written.
    pub(crate) fn read_record_of_any_kind(&self, offset: u64) -> io::Result<Option<(Kind, Body)>> {
        let mut header = [0; record::HEADER_LENGTH];
        match self.file.read(offset, &mut header) {
            // The file was cut.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let Some(header) = record::decode(&header, &self.place(offset)) else { return Ok(None) };
        Ok(Some((header.kind, self.read_body(offset, &header)?)))
    }

    /// A message's bytes, verified; `None` where they are not what was written for it. Nothing else of its record is read.
    pub(crate) fn read_message(&self, found: &Found) -> io::Result<Option<Bytes>> {
        let Location { record, span, .. } = found.location;
        let Some(start) = span.start.checked_sub(MESSAGE_CHECKSUM_LENGTH as u32) else { return Ok(None) };
        let start = record.saturating_add((record::HEADER_LENGTH as u64).saturating_add(u64::from(start)));
        let length = MESSAGE_CHECKSUM_LENGTH + span.length as usize;
        // The file was cut, or the place is none: nothing is reserved for what is not there.
        if length as u64 > self.file.length().saturating_sub(start) {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        self.file.read(start, &mut bytes)?;
        let span = Span { start: MESSAGE_CHECKSUM_LENGTH as u32, length: span.length };
        let is_whole = codec::checked_message(&bytes, found.id, span).is_some();
        Ok(is_whole.then(|| Bytes::from(bytes).slice(span.range())))
    }

    fn read_body(&self, offset: u64, header: &RecordHeader) -> io::Result<Body> {
        let start = offset + record::HEADER_LENGTH as u64;
        if u64::from(header.body_length) > self.file.length().saturating_sub(start) {
            return Ok(Body::Damaged);
        }
        let mut body = vec![0; header.body_length as usize];
        self.file.read(start, &mut body)?;
        let is_whole = body::verify_skeleton(header.kind, &body, header.body_crc);
        Ok(if is_whole { Body::Whole(body.into()) } else { Body::Damaged })
    }
}
