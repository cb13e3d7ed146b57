//! Gives up segments that nothing live holds: recycled within their epoch, otherwise removed.
//!
//! Only from the front of the log: an acknowledgement may stand in any later segment than its message, and is needed as long
//! as the message's own segment is there. First the log says which segments are released; when that is durable and
//! mastership is proven, files are touched: lowest first.

use std::sync::Arc;

use super::Writer;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::log::segment::Segment;
use crate::steps::Step;

/// Segments up to this number are released.
pub(super) struct Release(u64);

impl Writer {
    /// Notes in the log that the segments at its front hold nothing live, if there are such.
    pub(super) fn append_release(&mut self) -> Option<Release> {
        if self.shared.ended().is_some() {
            return None;
        }
        let last = {
            let (segments, index) = (self.shared.segments(), self.shared.index());
            let empty = segments
                .keys()
                .take_while(|&&number| number < self.active.number() && index.live_in(number) == 0);
            *empty.last()?
        };
        let body = last.to_le_bytes();
        let mut record = vec![0; HEADER_LENGTH];
        record.extend_from_slice(&body);
        // Where there is no room, it is tried again with the next round.
        self.append(Kind::Release, record, crc32fast::hash(&body), true).ok()?;
        self.released = last;
        Some(Release(last))
    }

    /// Recycles or removes released segments. To be called after the release is durable and mastership proven.
    pub(super) fn release(&mut self, release: Release) {
        if self.shared.ended().is_some() {
            return;
        }
        self.options.watch.reached(Step::ReleaseProven);
        loop {
            let Some((_, segment)) = ({
                let mut segments = self.shared.segments_mut();
                match segments.first_key_value() {
                    Some((&number, _)) if number <= release.0 => segments.pop_first(),
                    _ => None,
                }
            }) else {
                break;
            };
            if let Err(error) = self.give_up(segment) {
                self.shared.end(self.failed("give up a segment before", &error));
                return;
            }
        }
        self.options.watch.reached(Step::ReleaseDone);
    }

    /// A segment is recycled only if it is of this epoch, has one name (a second is a backup's) and nobody reads it.
    fn give_up(&mut self, segment: Arc<Segment>) -> std::io::Result<()> {
        let name = segment.name();
        let ours = segment.epoch == self.hold.epoch();
        let length = segment.file.length();
        if ours
            && self.spares.wants(length)
            && segment.file.has_one_name()?
            && let Some(segment) = Arc::into_inner(segment)
        {
            let spare = self.spares.name_next();
            self.disk.rename(name, spare)?;
            self.spares.give((spare, segment.file));
            return Ok(());
        }
        self.disk.remove(name)
    }
}
