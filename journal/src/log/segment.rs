//! A segment that is part of the log.

use std::io;
use std::sync::Arc;

use kahawai_store::names::Epoch;

use crate::disk::SegmentFile;
use crate::format::RandomId;
use crate::format::name::FileName;
use crate::format::record::{self, Place, RecordHeader};

/// A segment: whose it is, which, and its bytes.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) log: RandomId,
    pub(crate) file: Arc<dyn SegmentFile>,
}

/// What was found where a record should be.
#[derive(Debug)]
pub(crate) enum Body {
    /// The record's body, verified.
    Whole(Vec<u8>),
    /// Not what was written.
    Damaged,
}

impl Segment {
    pub(crate) fn name(&self) -> FileName {
        FileName::Segment { epoch: self.epoch, number: self.number }
    }

    pub(crate) fn place(&self, offset: u64) -> Place {
        Place { log: self.log, number: self.number, offset }
    }

    /// Reads a record's body and verifies it.
    pub(crate) fn read_record(&self, offset: u64) -> io::Result<Body> {
        let mut header = [0; record::HEADER_LENGTH];
        self.file.read(offset, &mut header)?;
        let Some(header) = record::decode(&header, &self.place(offset)) else { return Ok(Body::Damaged) };
        self.read_body(offset, &header)
    }

    fn read_body(&self, offset: u64, header: &RecordHeader) -> io::Result<Body> {
        let start = offset + record::HEADER_LENGTH as u64;
        if u64::from(header.body_length) > self.file.length().saturating_sub(start) {
            return Ok(Body::Damaged);
        }
        let mut body = vec![0; header.body_length as usize];
        self.file.read(start, &mut body)?;
        Ok(if crc32fast::hash(&body) == header.body_crc { Body::Whole(body) } else { Body::Damaged })
    }
}
