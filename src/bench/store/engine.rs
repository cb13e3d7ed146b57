//! The engines that can be measured: the one place that knows them.

use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "sqlite")]
use std::time::Duration;

use clap::ValueEnum;
#[cfg(feature = "sqlite")]
use kahawai_adapters::sqlite::{Options as SqliteOptions, Sqlite};
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::disk::directory::{FlushCall, SegmentIo};
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::contract::Store;
#[cfg(feature = "sqlite")]
use kahawai_store::election::Lost;
use kahawai_store::election::{Cancel, Election as _, Hold};
#[cfg(feature = "sqlite")]
use kahawai_store::names::Epoch;

use crate::exit::{Exit, Failure};

/// A storage engine with the way it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[cfg_attr(
    not(feature = "sqlite"),
    expect(clippy::enum_variant_names, reason = "without SQLite all of them are the journal")
)]
pub(crate) enum EngineName {
    /// The journal as it is by default: small rounds by pwrite, large ones through the mapping; fdatasync.
    JournalMapped,
    /// The journal always through the mapping; fdatasync.
    JournalMappedOnly,
    /// The journal on plain files, as on network file systems; pwrite and fdatasync.
    JournalPlain,
    /// SQLite with a write-ahead log, synced at each commit.
    #[cfg(feature = "sqlite")]
    Sqlite,
}

impl EngineName {
    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JournalMapped => "journal-mapped",
            Self::JournalMappedOnly => "journal-mapped-only",
            Self::JournalPlain => "journal-plain",
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "sqlite",
        }
    }

    /// What is durable when it answers, in words.
    pub(super) fn durability(self) -> &'static str {
        match self {
            Self::JournalMapped | Self::JournalMappedOnly | Self::JournalPlain => {
                "fdatasync before each answer, mastership proven after it"
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "synchronous=FULL: the log synced before each answer",
        }
    }
}

/// An engine that is open, with its mastership.
pub(super) struct Engine {
    store: Arc<dyn Store>,
    hold: Arc<dyn Hold>,
}

impl Engine {
    /// Opens an engine of its own in an empty directory.
    ///
    /// # Errors
    /// Where the directory or the database cannot be used.
    pub(super) fn open(name: EngineName, directory: &Path) -> Result<Self, Failure> {
        let segment_io = match name {
            EngineName::JournalMapped => SegmentIo::Mixed,
            EngineName::JournalMappedOnly => SegmentIo::Mapped(FlushCall::Fdatasync),
            EngineName::JournalPlain => SegmentIo::Plain,
            #[cfg(feature = "sqlite")]
            EngineName::Sqlite => return Self::sqlite(directory),
        };
        let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Unwritable, error);
        let directory = StoreDirectory::open(directory, Some(segment_io)).map_err(|error| failed(&error))?;
        let options = ElectionOptions { broker_name: "bench".to_owned(), ..ElectionOptions::default() };
        // The real election: proving mastership after each flush is part of what an answer costs.
        let mut election =
            FileElection::new(Arc::clone(directory.disk()), options).map_err(|error| failed(&error))?;
        let hold = election.acquire(&Cancel::default(), &mut |_| {}).map_err(|error| failed(&error))?;
        let journal = Journal::open(&directory, Arc::clone(&hold), JournalOptions::default());
        let store = Arc::new(journal.map_err(|error| failed(&error))?);
        Ok(Self { store, hold })
    }

    #[cfg(feature = "sqlite")]
    fn sqlite(directory: &Path) -> Result<Self, Failure> {
        let hold: Arc<dyn Hold> = Arc::new(Alone);
        let path = directory.join("bench.sqlite");
        let store = Sqlite::open(&path, Arc::clone(&hold), SqliteOptions::default());
        let store = Arc::new(store.map_err(|error| Failure::new(Exit::Unwritable, error))?);
        Ok(Self { store, hold })
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Closes it in good order.
    pub(super) fn close(&self) {
        self.store.close();
        self.hold.release();
    }
}

/// A mastership that nobody else wants: the database is a new one in a directory of our own.
#[cfg(feature = "sqlite")]
struct Alone;

#[cfg(feature = "sqlite")]
impl Hold for Alone {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn prove(&self) -> Result<(), Lost> {
        Ok(())
    }

    fn proof_age(&self) -> Duration {
        Duration::ZERO
    }

    fn on_lost(&self, _notice: Box<dyn FnOnce(Lost) + Send>) {}

    fn release(&self) {}
}
