//! Gives up segments that nothing live holds: recycled within their epoch, otherwise removed.
//!
//! Only from the front of the log: an acknowledgement may stand in any later segment than its message, and is needed as long
//! as the message's own segment is there. First the log says which segments are released; when that is durable and
//! mastership is proven, files are touched: lowest first, and those that are removed by a thread of their own. Where another copy has not
//! confirmed the batch as of which they were released, they are held back until it has: see [`super::held`].

use std::sync::Arc;

use kahawai_store::names::BatchName;

use super::{Access, Writer};
use crate::format::name::FileName;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::log::segment::Segment;
use crate::steps::Step;

/// How many segments a round removes itself, where there is no room.
const AT_ONCE: u32 = 2;

/// Segments up to this number are released, as of this batch.
pub(super) struct Release(u64, BatchName);

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
        Some(Release(last, self.shared.index().state.batch_last()))
    }

    /// Recycles or removes released segments. To be called after the release is durable and mastership proven.
    pub(super) fn release(&mut self, release: Release) {
        if self.shared.ended().is_some() {
            return;
        }
        self.options.watch.reached(Step::ReleaseProven);
        for count in 0.. {
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
            // What is behind others that are held stays behind them: lowest first.
            if self.held.first().is_some() || !self.shared.is_confirmed(release.1) {
                self.held.push(release.1, segment);
            } else if let Err(error) = self.give_up(segment, count < AT_ONCE) {
                self.shared.end(self.failed("give up a segment before", &error));
                return;
            }
        }
        self.options.watch.reached(Step::ReleaseDone);
    }

    /// Recycles or removes what was held back for batches that are confirmed by now; whether there was some. To be called when mastership was proven, if
    /// anything was written.
    pub(super) fn give_up_confirmed(&mut self) -> bool {
        let is_confirmed = |as_of: BatchName| self.shared.is_confirmed(as_of);
        if self.shared.ended().is_some() || !self.held.first().is_some_and(is_confirmed) {
            return false;
        }
        // It may be long since.
        self.prove();
        for count in 0.. {
            if self.shared.ended().is_some()
                || !self.held.first().is_some_and(|as_of| self.shared.is_confirmed(as_of))
            {
                break;
            }
            let Some(segment) = self.held.pop() else { break };
            if let Err(error) = self.give_up(segment, count < AT_ONCE) {
                self.shared.end(self.failed("give up a segment before", &error));
            }
        }
        true
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
            if let Err(error) = self.give_up(segment, true) {
                self.shared.end(self.failed("give up a segment before", &error));
                return true;
            }
        }
        self.leaving.len() < count
    }

    /// A segment is recycled only if it is of this epoch, has one name (a second is a backup's) and nobody reads it; and where there is room
    /// for a new one in its stead, only if it is open: nobody is to wait for what the disk has to look for.
    fn give_up(&mut self, segment: Arc<Segment>, at_once: bool) -> std::io::Result<()> {
        let name = segment.name();
        let ours = segment.epoch == self.hold.epoch();
        let lacks_room = self.spares.has_lacked() || self.spares.is_short();
        let is_at_hand = lacks_room || self.removals.is_in_place() || segment.file.is_open();
        let mut leaving = segment;
        if ours && is_at_hand && self.spares.wants(leaving.file.length()) && leaving.file.has_one_name()? {
            match Arc::try_unwrap(leaving) {
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
                Err(segment) => leaving = segment,
            }
        }
        // Where there is no room, somebody waits for it.
        if self.removals.remove(leaving, lacks_room && at_once)? && self.spares.is_short() {
            self.spares.room_was_made();
        }
        Ok(())
    }

    /// Tells the spares of room that was made beside the rounds.
    pub(super) fn notice_room(&mut self) {
        if self.removals.made_room() && self.spares.is_short() {
            self.spares.room_was_made();
        }
    }
}
