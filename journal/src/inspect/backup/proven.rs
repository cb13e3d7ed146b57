//! How far the segment being written is proven to be on the disk.

use std::io;

use kahawai_store::names::Epoch;

use crate::format::RandomId;
use crate::format::record::Kind;
use crate::format::segment::HEADER_LENGTH;
use crate::inspect::lineage::Found;
use crate::inspect::walk::{Step, Walk};

/// What is proven of a segment that is being written.
pub(super) struct Proven {
    /// Where the last record ends that the log says was on the disk. What is damaged before comes along as it is.
    pub(super) end: u64,
    /// Its sequence, or the one before the segment's first.
    pub(super) sequence_last: u64,
    /// Up to which segment its records say that all is released.
    pub(super) released: Option<u64>,
}

impl Proven {
    pub(super) fn find(segment: &Found, log: RandomId, epoch: Epoch) -> io::Result<Self> {
        let file = segment.file.as_ref();
        let walk = || Walk::new(file, log, epoch, segment.number, None);
        let (mut durable, mut looking) = (0, walk());
        while let Some(step) = looking.next()? {
            if let Step::Record { header, .. } | Step::BodyDamaged { header, .. } = step {
                durable = durable.max(header.durable_through);
            }
        }
        let before = segment.header.as_ref().map_or(0, |header| header.first_sequence.saturating_sub(1));
        let mut proven = Self { end: HEADER_LENGTH, sequence_last: before, released: None };
        let mut walk = walk();
        while let Some(step) = walk.next()? {
            let is_whole = matches!(step, Step::Record { .. });
            if let Step::Record { header, .. } | Step::BodyDamaged { header, .. } = step
                && header.sequence <= durable
            {
                if header.kind == Kind::Release
                    && is_whole
                    && let Ok(number) = walk.body().try_into().map(u64::from_le_bytes)
                {
                    proven.released = proven.released.max(Some(number));
                }
                proven.end = walk.offset();
                proven.sequence_last = header.sequence;
            }
        }
        proven.end = proven.end.min(file.length());
        Ok(proven)
    }
}
