//! Gives up segments that nothing live holds: recycled within their epoch, otherwise removed.
//!
//! Only from the front of the log: an acknowledgement may stand in any later segment than its message, and is needed as long
//! as the message's own segment is there. First the log says which segments are released; when that is durable and
//! mastership is proven, files are touched: lowest first.

use std::sync::Arc;

use super::{Access, Writer};
use crate::format::name::FileName;
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
            let empty = segments.keys().take_while(|&&number| {
                number < self.active.number() && !self.damaged.contains(&number) && !index.is_live(number)
            });
            *empty.last()?
        };
        let body = last.to_le_bytes();
        let mut record = vec![0; HEADER_LENGTH];
        record.extend_from_slice(&body);
        // Where there is no room, it is tried again with the next round.
        self.append(Kind::Release, record, crc32fast::hash(&body), Access::Release).ok()?;
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
            self.count_out(&segment);
            if let Err(error) = self.give_up(segment) {
                self.shared.end(self.failed("give up a segment before", &error));
                return;
            }
        }
        self.options.watch.reached(Step::ReleaseDone);
    }

    /// Sets a damaged segment at the front aside once nothing lives in it. To be called after everything before is durable and
    /// mastership proven: what was read of it stands at the log's end by then.
    pub(super) fn set_aside(&mut self) {
        if self.shared.ended().is_some() || self.damaged.is_empty() || self.reaches_beyond_durable() {
            return;
        }
        let Some(segment) = ({
            let segments = self.shared.segments();
            let front = segments.first_key_value().filter(|(number, _)| {
                **number < self.active.number()
                    && self.damaged.contains(number)
                    && !self.shared.index().is_live(**number)
            });
            front.map(|(_, segment)| Arc::clone(segment))
        }) else {
            return;
        };
        self.shared.segments_mut().remove(&segment.number);
        let aside = FileName::Quarantine { epoch: segment.epoch, number: segment.number };
        let renamed = match self.disk.rename(segment.name(), aside) {
            // An earlier master did it late.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        if let Err(error) = renamed.and_then(|()| self.disk.sync_names()) {
            self.shared.end(self.failed("set aside a segment before", &error));
            return;
        }
        tracing::error!(
            "segment {} was damaged: what could be read of it was kept, and it is set aside as {aside}; \
             see `kahawai store verify`",
            segment.number
        );
        self.damage.push(format!("segment {} is set aside as {aside}", segment.number));
        self.damaged.remove(&segment.number);
        self.released = self.released.max(segment.number);
        self.count_out(&segment);
    }

    fn count_out(&mut self, segment: &Segment) {
        self.full.remove(segment);
        self.pace.read(segment.file.length());
    }

    /// Recycles what was still read when it was released; whether there was some.
    pub(super) fn recycle_leaving(&mut self) -> bool {
        if self.leaving.is_empty() || self.shared.ended().is_some() {
            return false;
        }
        let leaving = std::mem::take(&mut self.leaving);
        let count = leaving.len();
        for segment in leaving {
            if let Err(error) = self.give_up(segment) {
                self.shared.end(self.failed("give up a segment before", &error));
                return true;
            }
        }
        self.leaving.len() < count
    }

    /// A segment is recycled only if it is of this epoch, has one name (a second is a backup's) and nobody reads it.
    fn give_up(&mut self, segment: Arc<Segment>) -> std::io::Result<()> {
        let name = segment.name();
        let ours = segment.epoch == self.hold.epoch();
        let length = segment.file.length();
        if ours && self.spares.wants(length) && segment.file.has_one_name()? {
            match Arc::try_unwrap(segment) {
                Ok(segment) => {
                    let spare = self.spares.name_next();
                    let file = segment.file.take()?;
                    self.disk.rename(name, spare)?;
                    self.spares.give((spare, file));
                    return Ok(());
                }
                // Removed, it would keep its room until its reader is done with it, and that is needed here.
                Err(segment) if self.spares.has_lacked() => {
                    self.leaving.push(segment);
                    return Ok(());
                }
                Err(_) => {}
            }
        }
        self.disk.remove(name)?;
        if self.spares.is_short() {
            self.spares.room_was_made();
        }
        Ok(())
    }
}
