//! A store that a command opens as its master, for what only a master may do.

use std::path::Path;
use std::sync::Arc;

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::inspect::{HoldingState, InspectError, ReadOnlyDirectory, look};
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::contract::Store as _;
use kahawai_store::election::{Cancel, Election as _, Hold};

use super::info::LEASE;
use super::verdict::Trouble;

/// A journal under a mastership of this command's own.
pub(super) struct Opened {
    journal: Journal,
    hold: Arc<dyn Hold>,
}

impl Opened {
    /// Waits for the mastership, as a slave would, and opens the journal; `name` is what others are told of who holds the store.
    pub(super) fn open(path: &Path, name: &str, options: JournalOptions) -> Result<Self, Trouble> {
        let failed = |error: &dyn std::fmt::Display| Trouble::Other(format!("{}: {error}", path.display()));
        let directory = StoreDirectory::open(path, None).map_err(|error| failed(&error))?;
        let election = ElectionOptions { broker_name: name.to_owned(), ..ElectionOptions::default() };
        let mut election =
            FileElection::new(Arc::clone(directory.disk()), election).map_err(|error| failed(&error))?;
        let hold = election.acquire(&Cancel::default(), &mut |_| {}).map_err(|error| failed(&error))?;
        let journal = Journal::open(&directory, Arc::clone(&hold), options);
        let journal = journal.map_err(|error| failed(&error))?;
        Ok(Self { journal, hold })
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Closes the journal in good order and gives the mastership up.
    pub(super) fn close(self) {
        self.journal.close();
        self.hold.release();
    }
}

/// Gives the epoch that was claimed last, where nobody serves the store; `or` says what else could be done where somebody does.
pub(super) fn refuse_in_use(store: &Path, or: &str) -> Result<u64, Trouble> {
    let cannot = |error| InspectError::Directory { path: store.to_owned(), error };
    let directory = ReadOnlyDirectory::open(store).map_err(cannot)?;
    let holding = look(&directory, LEASE).map_err(cannot)?;
    if holding.state == HoldingState::Held {
        let who =
            holding.holder.map_or("someone who has not said who".to_owned(), |holder| holder.to_string());
        let text = format!(
            "{} is in use by {who}: stop its brokers, master and slaves, and try again; or {or}",
            store.display()
        );
        return Err(Trouble::Other(text));
    }
    Ok(holding.epoch.0)
}
