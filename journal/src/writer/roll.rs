//! Rolling to the next segment.

use std::sync::Arc;

use super::active::{Active, RELEASE_LENGTH};
use super::{Access, Refusal, Writer};
use crate::format::body;
use crate::format::name::FileName;
use crate::format::record::{self, HEADER_LENGTH, Kind};
use crate::format::segment::{self, SegmentHeader};
use crate::format::snapshot;
use crate::index::RecordAt;
use crate::log::segment::Segment;
use crate::steps::Step;

impl Writer {
    /// Makes sure that a record of this length (with its header) fits into the active segment, rolling to the next where it
    /// does not. On a full disk senders get nothing, what makes room gets all but what the cleaner needs, and the cleaner all.
    pub(super) fn make_room(&mut self, length: usize, access: Access) -> Result<(), Refusal> {
        let record_length = record::record_length(length - HEADER_LENGTH);
        // A store that has just been opened may be on a full disk: before what the cleaner needs is taken, it is found out.
        let may_be_full = self.spares.is_untried() && self.is_of_the_cleaners_room(record_length);
        let in_use = self.active_is_reserve || may_be_full;
        let mut counts = access < Access::Cleaner && self.spares.is_lacking(in_use);
        // Nobody is told that the disk is full while files are on their way out of it.
        while counts && self.removals.wait_for_one() {
            self.spares.room_was_made();
            counts = self.spares.is_lacking(in_use);
        }
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
        // Not where every segment counts as it is.
        let may_lengthen = !self.spares.is_short() && !self.spares.has_lacked();
        if may_lengthen && self.options.fit_snapshot(snapshot.len()) {
            let length = self.options.journal_max_file_length;
            tracing::info!(
                "segments of the journal are {length} bytes long from now on: what exists (destinations, subscriptions, producers) takes {} \
                 bytes, and each segment begins with that",
                snapshot.len()
            );
            let lengthened = self.spares.lengthen(length);
            lengthened.map_err(|error| Refusal::Failed(self.failed("prepare a successor of", &error)))?;
        }
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
