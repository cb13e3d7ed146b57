//! SQLite keeps the contract.

#![cfg(feature = "sqlite")]

use std::path::PathBuf;
use std::sync::Arc;

use kahawai_adapters::sqlite::{Options, Sqlite};
use kahawai_store::conformance::Engine;
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::conformance::replica::Copies;
use kahawai_store::contract::Store;
use kahawai_store::names::Epoch;
use kahawai_store::replica::Replica;
use tempfile::TempDir;

struct SqliteEngine {
    directory: TempDir,
    epoch: u64,
    /// How often it was crashed: each time it goes on with another file.
    crashes: u32,
}

impl SqliteEngine {
    fn new() -> Self {
        Self { directory: TempDir::new().expect("a temporary directory"), epoch: 0, crashes: 0 }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join(format!("{}.db", self.crashes))
    }
}

impl SqliteEngine {
    fn open_sqlite(&mut self) -> Arc<Sqlite> {
        self.epoch += 1;
        // The log is never written back while the store is open, so that its file and the database's can be
        // copied one after the other and still belong together.
        let options = Options { checkpoint_pages: 1 << 30, ..Options::default() };
        let hold = Arc::new(FixedHold::new(Epoch(self.epoch)));
        Arc::new(Sqlite::open(&self.file(), hold, options).expect("opens"))
    }
}

impl Engine for SqliteEngine {
    fn open(&mut self) -> Arc<dyn Store> {
        self.open_sqlite()
    }

    /// As after SIGKILL: the next store finds the files as they are at this moment, in the middle of whatever is
    /// being written.
    fn crash(&mut self, store: Arc<dyn Store>) -> Result<(), &'static str> {
        let old = self.file();
        self.crashes += 1;
        let new = self.file();
        std::fs::copy(&old, &new).expect("copies the database");
        std::fs::copy(old.with_extension("db-wal"), new.with_extension("db-wal")).expect("copies the log");
        store.close();
        Ok(())
    }
}

kahawai_store::conformance_tests!(SqliteEngine::new());

/// Two that are to be copies of each other, in files of their own.
struct Two([SqliteEngine; 2]);

impl Copies for Two {
    fn open(&mut self, copy: usize) -> Arc<dyn Replica> {
        self.0[copy].open_sqlite()
    }
}

mod copies {
    use super::*;
    kahawai_store::replica_conformance_tests!(Two([SqliteEngine::new(), SqliteEngine::new()]));
}
