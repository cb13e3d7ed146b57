//! How a journal works. Names and meanings are KahaDB's where KahaDB has the option.

use std::time::Duration;

use kahawai_store::batch::{Durability, Operation};

use crate::steps::Watch;

/// Options of a journal.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The length of a segment in bytes (`journalMaxFileLength`, 32 MiB). A record that is larger gets a segment of its own, and
    /// where a snapshot of what exists is larger than an eighth of a segment, segments become longer: the next power of two of eight times that.
    pub journal_max_file_length: u64,
    /// The most bytes that one flush takes together (`journalMaxWriteBatchSize`, 4 MiB); what is over goes with the next.
    pub journal_max_write_batch_size: usize,
    /// The most bytes of one batch, but for a single large message; see `Limits`. 1 MiB.
    pub batch_bytes_max: usize,
    /// The most bytes of one message: 128 MiB, so that ActiveMQ's `maxFrameSize` of 100 MiB fits.
    pub message_bytes_max: usize,
    /// How long a batch that nobody waits for may wait for a flush that somebody waits for. 10 ms.
    pub unhurried_delay: Duration,
    /// After how long without work the log notes how far it is durable. 100 ms.
    pub idle_interval: Duration,
    /// How durable a batch that names no level is when it completes (`journalDiskSyncStrategy`): always.
    pub journal_disk_sync_strategy: Durability,
    /// How long what is completed at the level `periodic` may be at risk (`journalDiskSyncInterval`): 1 s.
    pub journal_disk_sync_interval: Duration,
    /// After how many bytes of records a checkpoint is taken, so that a start reads little more than two times as many. 64 MiB.
    pub checkpoint_bytes: u64,
    /// After how long a checkpoint is taken though fewer bytes were written (`checkpointInterval`, 5 s), if it is worth it: 1 MiB.
    pub checkpoint_interval: Duration,
    /// How many messages the index holds in memory before they are written: about 150 bytes each, and up to twice as many while that is
    /// under way. 131,072.
    pub index_table_max: usize,
    /// Whether no segment is given up until it is said how far another copy has confirmed, or that there is none
    /// ([`kahawai_store::replica::Replica::confirmed_through`]): for a store that may have to be cut. No.
    pub holds_back: bool,
    /// What a store begins with that is opened as [`crate::cut::Cut::All`]: its first batch, number 1 of no term, made with the cut in one step. Nothing.
    pub first: Vec<Operation>,
    /// Told of each named step.
    pub watch: Watch,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            journal_max_file_length: 32 << 20,
            journal_max_write_batch_size: 4 << 20,
            batch_bytes_max: 1 << 20,
            message_bytes_max: 128 << 20,
            unhurried_delay: Duration::from_millis(10),
            idle_interval: Duration::from_millis(100),
            journal_disk_sync_strategy: Durability::Always,
            journal_disk_sync_interval: Duration::from_secs(1),
            checkpoint_bytes: 64 << 20,
            checkpoint_interval: Duration::from_secs(5),
            index_table_max: 128 << 10,
            holds_back: false,
            first: Vec::new(),
            watch: Watch::default(),
        }
    }
}

impl JournalOptions {
    /// Makes segments at least eight times as long as the snapshot that each begins with, so that little of the disk goes for those; tells whether
    /// that changed anything. A small snapshot is nothing to any segment.
    pub(crate) fn fit_snapshot(&mut self, snapshot: usize) -> bool {
        const SMALL: u64 = 4 << 10;
        let snapshot = snapshot as u64;
        if snapshot <= SMALL || 8 * snapshot <= self.journal_max_file_length {
            return false;
        }
        self.journal_max_file_length = (8 * snapshot).next_power_of_two();
        true
    }

    /// The length of an epoch's first segment and of the reserve: small, so that a start does not wait for zeros to
    /// be written and a full disk still has room to acknowledge.
    pub(crate) fn small_segment_length(&self) -> u64 {
        const SMALL: u64 = 4 << 20;
        self.journal_max_file_length.min(SMALL)
    }
}
