//! PostgreSQL keeps the contract, on a real server.

#![cfg(feature = "postgres")]

#[allow(dead_code, unreachable_pub, reason = "shared with other tests, each uses its part")]
#[path = "../../tests/support/postgres.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kahawai_adapters::election::Mastership;
use kahawai_adapters::postgres::{Database, Postgres};
use kahawai_store::conformance::Engine;
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::conformance::replica::Copies;
use kahawai_store::contract::Store;
use kahawai_store::names::Epoch;
use kahawai_store::replica::Replica;
use server::Server;

/// Each with tables of its own, in one database.
struct PostgresEngine {
    prefix: String,
    epoch: u64,
}

impl PostgresEngine {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self { prefix: format!("t{}_", NEXT.fetch_add(1, Ordering::Relaxed)), epoch: 0 }
    }
}

impl PostgresEngine {
    fn open_postgres(&mut self) -> Arc<Postgres> {
        self.epoch += 1;
        let database = Database::parse(&Server::shared().url_of(&self.prefix)).expect("is a URL");
        let mastership = Mastership::Asked(Arc::new(FixedHold::new(Epoch(self.epoch))));
        Arc::new(Postgres::open(&database, mastership, Duration::from_secs(10)).expect("opens"))
    }
}

impl Engine for PostgresEngine {
    fn open(&mut self) -> Arc<dyn Store> {
        self.open_postgres()
    }

    /// The master stands still: the next claims the database while the old one is still writing, in the middle of whatever it
    /// was doing. What the old one still tries then is to be without effect.
    fn crash(&mut self, store: Arc<dyn Store>) -> Result<(), &'static str> {
        std::thread::spawn(move || drop(store));
        Ok(())
    }
}

kahawai_store::conformance_tests!(PostgresEngine::new());

/// Two that are to be copies of each other, in tables of their own.
struct Two([PostgresEngine; 2]);

impl Copies for Two {
    fn open(&mut self, copy: usize) -> Arc<dyn Replica> {
        self.0[copy].open_postgres()
    }
}

mod copies {
    use super::*;
    kahawai_store::replica_conformance_tests!(Two([PostgresEngine::new(), PostgresEngine::new()]));
}
