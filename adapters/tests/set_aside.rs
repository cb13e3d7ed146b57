//! A store that is set aside: it is gone from its place and whole in another, an empty one is there instead, and the epoch goes on.

#[cfg(feature = "mysql")]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, each uses its part")]
#[path = "../../tests/support/mariadb.rs"]
mod mariadb_server;
#[cfg(feature = "postgres")]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, each uses its part")]
#[path = "../../tests/support/postgres.rs"]
mod postgres_server;

use std::sync::Arc;

use bytes::Bytes;
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{ReadRequest, StoreError, StoreWait as _};
use kahawai_store::election::Hold;
use kahawai_store::message::Message;
use kahawai_store::names::{BatchName, DestinationId, Epoch, MessageId, Term};
use kahawai_store::replica::Replica;

const QUEUE: DestinationId = DestinationId(1);

/// A place where one store can be, and others that were set aside.
trait Place {
    fn try_open(&self, epoch: u64) -> Result<Arc<dyn Replica>, StoreError>;
    fn set_aside(&self, epoch: u64) -> Result<Option<String>, StoreError>;
    /// Opens what was set aside under this number, at another place, under its own name.
    fn open_aside(&self, number: u64) -> Arc<dyn Replica>;

    fn open(&self, epoch: u64) -> Arc<dyn Replica> {
        self.try_open(epoch).expect("opens")
    }
}

fn hold(epoch: u64) -> Arc<dyn Hold> {
    Arc::new(FixedHold::new(Epoch(epoch)))
}

/// Something of every kind that a store keeps.
fn fill(store: &dyn Replica, id: u64) {
    let message = Arc::new(Message { body: Bytes::from(vec![7; 100]), ..Message::default() });
    let enqueue = Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message };
    let destination = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "orders".into() };
    let topic = Destination { id: DestinationId(2), kind: DestinationKind::Topic, name: "prices".into() };
    let subscription = kahawai_store::batch::Subscription {
        id: kahawai_store::names::SubscriptionId(1),
        destination: topic.id,
        client_id: "client".into(),
        name: "reader".into(),
        selector: None,
        no_local: false,
    };
    let xid = kahawai_store::names::Xid { format: 1, global: Bytes::from_static(b"g"), branch: Bytes::new() };
    let (table, key, value) =
        ("table".into(), Bytes::from_static(b"key"), Some(Bytes::from_static(b"value")));
    store.begin_term(Term(1));
    let batch = vec![
        Operation::CreateDestination(destination),
        Operation::CreateDestination(topic),
        Operation::Subscribe(subscription),
        enqueue,
        Operation::Put { table, key, value },
        Operation::Prepare { xid, operations: vec![] },
    ];
    store.commit_wait(Batch::new(batch)).expect("commits");
}

fn assert_filled(store: &dyn Replica, id: u64) {
    let (messages_max, bytes_max) = (usize::MAX, usize::MAX);
    let request =
        ReadRequest { destination: QUEUE, subscription: None, after: None, messages_max, bytes_max };
    let page = store.read_wait(request).expect("reads");
    assert_eq!(page.messages.iter().map(|stored| stored.id.0).collect::<Vec<_>>(), [id]);
    let found = store.recover_wait().expect("recovers");
    let counts =
        (found.destinations.len(), found.subscriptions.len(), found.prepared.len(), found.tables.len());
    assert_eq!(counts, (2, 1, 1, 1));
    assert_eq!(found.batch_last, BatchName { term: Term(1), number: 1 });
}

fn assert_empty(store: &dyn Replica) {
    let found = store.recover_wait().expect("recovers");
    let counts =
        (found.destinations.len(), found.subscriptions.len(), found.prepared.len(), found.tables.len());
    assert_eq!(counts, (0, 0, 0, 0));
    assert_eq!((found.batch_last, found.arrival_next), (BatchName::default(), 0));
}

fn assert_lost<T>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Lost { .. }) => {}
        Err(other) => panic!("{other} instead of lost mastership"),
        Ok(_) => panic!("done without mastership"),
    }
}

fn a_store_makes_room_for_an_empty_one(place: &dyn Place) {
    assert_eq!(place.set_aside(1).expect("looks"), None, "there is nothing yet");
    let store = place.open(2);
    store.close();
    assert_eq!(place.set_aside(2).expect("looks"), None, "it is empty");
    for (number, epoch) in [(1, 3), (2, 5)] {
        let store = place.open(epoch);
        assert_empty(&*store);
        fill(&*store, number);
        store.close();
        assert_lost(place.set_aside(epoch - 1));
        let told = place.set_aside(epoch + 1).expect("is set aside").expect("there is something");
        assert!(told.contains(&number.to_string()), "{told}");
        // The epoch goes on counting.
        assert_lost(place.try_open(epoch));
    }
    let store = place.open(6);
    assert_empty(&*store);
    fill(&*store, 3);
    store.close();
    for number in [2, 1] {
        let old = place.open_aside(number);
        assert_filled(&*old, number);
        old.close();
    }
    let store = place.open(7);
    assert_filled(&*store, 3);
    store.close();
    // Also where parts of what was taken away still have their names.
    assert!(place.set_aside(7).expect("is set aside").is_some());
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use kahawai_adapters::sqlite::{OpenError, Options, Sqlite, set_aside};
    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;

    struct File(TempDir);

    impl File {
        fn new() -> Self {
            Self(TempDir::new().expect("a temporary directory"))
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("store.db")
        }
    }

    fn open(path: &Path, epoch: u64) -> Result<Arc<dyn Replica>, StoreError> {
        match Sqlite::open(path, hold(epoch), Options::default()) {
            Ok(store) => Ok(Arc::new(store)),
            Err(OpenError::Store(error)) => Err(error),
            Err(busy) => panic!("{busy}"),
        }
    }

    impl Place for File {
        fn try_open(&self, epoch: u64) -> Result<Arc<dyn Replica>, StoreError> {
            open(&self.path(), epoch)
        }

        fn set_aside(&self, epoch: u64) -> Result<Option<String>, StoreError> {
            match set_aside(&self.path(), &hold(epoch), Options::default()) {
                Ok(told) => Ok(told),
                Err(OpenError::Store(error)) => Err(error),
                Err(busy) => panic!("{busy}"),
            }
        }

        fn open_aside(&self, number: u64) -> Arc<dyn Replica> {
            let back = self.0.path().join("back.db");
            let _ = std::fs::remove_file(&back);
            let aside = self.0.path().join(format!("store.db.set-aside-{number}"));
            std::fs::rename(aside, &back).expect("is there");
            open(&back, 100).expect("opens")
        }
    }

    #[test]
    fn a_store_makes_room() {
        a_store_makes_room_for_an_empty_one(&File::new());
    }

    /// A file that somebody has open, a stopped master as it may be, stays where it is: who has it would go on writing to what is a copy no more.
    #[test]
    fn a_file_that_is_open_elsewhere_stays() {
        let file = File::new();
        let store = file.open(1);
        fill(&*store, 1);
        store.close();
        let other = Connection::open(file.path()).expect("opens");
        other.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).expect("counts");
        let options = Options { busy_timeout: Duration::from_millis(1), ..Options::default() };
        let busy = set_aside(&file.path(), &hold(2), options);
        assert!(matches!(busy, Err(OpenError::Busy(_))), "{busy:?}");
        drop(other);
        let store = file.open(2);
        assert_filled(&*store, 1);
        store.close();
    }

    /// Who cannot prove to be master renames nothing.
    #[test]
    fn only_its_master_sets_a_store_aside() {
        let file = File::new();
        let store = file.open(1);
        fill(&*store, 1);
        store.close();
        let lost = FixedHold::new(Epoch(1));
        lost.lose("the test says so");
        let lost = Arc::new(lost) as Arc<dyn Hold>;
        let refused = set_aside(&file.path(), &lost, Options::default());
        assert!(matches!(refused, Err(OpenError::Store(StoreError::Lost { .. }))), "{refused:?}");
        let store = file.open(1);
        assert_filled(&*store, 1);
        store.close();
    }
}

/// A database with tables of its own for each test, and others for what was set aside.
#[cfg(any(feature = "postgres", feature = "mysql"))]
macro_rules! tables {
    ($server:ident, $engine:ident :: $store:ident) => {
        use std::sync::atomic::{AtomicU32, Ordering};
        use std::time::Duration;

        use kahawai_adapters::election::Mastership;
        use kahawai_adapters::$engine::{Database, set_aside, $store};

        use super::$server::Server;
        use super::*;

        const LEASE: Duration = Duration::from_secs(4);
        const TABLES: [&str; 9] = [
            "schema",
            "store",
            "destinations",
            "subscriptions",
            "messages",
            "bodies",
            "acknowledged",
            "prepared",
            "entries",
        ];

        struct Tables(String);

        impl Tables {
            fn new() -> Self {
                static NEXT: AtomicU32 = AtomicU32::new(1);
                Self(format!("a{}_", NEXT.fetch_add(1, Ordering::Relaxed)))
            }

            fn database(&self) -> Database {
                Database::parse(&Server::shared().url_of(&self.0)).expect("is a URL")
            }

            fn rename(&self, table: &str, to: &str) {
                Server::shared().sql(&format!("ALTER TABLE {}{table} RENAME TO {to}", self.0));
            }
        }

        fn mastership(epoch: u64) -> Mastership {
            Mastership::Asked(hold(epoch))
        }

        impl Place for Tables {
            fn try_open(&self, epoch: u64) -> Result<Arc<dyn Replica>, StoreError> {
                Ok(Arc::new($store::open(&self.database(), mastership(epoch), LEASE)?))
            }

            fn set_aside(&self, epoch: u64) -> Result<Option<String>, StoreError> {
                set_aside(&self.database(), &mastership(epoch), LEASE)
            }

            fn open_aside(&self, number: u64) -> Arc<dyn Replica> {
                let back = Self::new();
                for table in TABLES {
                    self.rename(&format!("{table}_set_aside_{number}"), &format!("{}{table}", back.0));
                }
                back.open(100)
            }
        }

        #[test]
        fn a_store_makes_room() {
            a_store_makes_room_for_an_empty_one(&Tables::new());
        }

        /// Two hosts' databases may have one address, each on its own.
        #[test]
        fn each_store_is_somebody_and_stays_the_same_one() {
            let identity = |place: &Tables, epoch| {
                $store::open(&place.database(), mastership(epoch), LEASE).expect("opens").identity()
            };
            let (one, other) = (Tables::new(), Tables::new());
            let first = identity(&one, 1);
            assert_ne!(first, identity(&other, 1));
            assert_eq!(first, identity(&one, 2));
            let store = one.open(3);
            fill(&*store, 1);
            store.close();
            one.set_aside(4).expect("is set aside").expect("there is something");
            assert_eq!(first, identity(&one, 5));
        }

        /// The longest prefix leaves room for the names of all that belongs to a table.
        #[test]
        fn long_names_have_room() {
            let place = Tables("long_prefixes_have_32_characters".to_owned());
            for epoch in 1..=12 {
                let store = place.open(epoch);
                fill(&*store, epoch);
                store.close();
                place.set_aside(epoch).expect("is set aside").expect("there is something");
            }
        }
    };
}

#[cfg(feature = "postgres")]
mod postgres {
    tables!(postgres_server, postgres::Postgres);
}

#[cfg(feature = "mysql")]
mod mysql {
    tables!(mariadb_server, mysql::Mysql);

    /// Wherever a renaming was broken off: the next call finishes it, and so does opening, which would take what is left for a store otherwise.
    #[test]
    fn a_renaming_that_was_broken_off_is_finished() {
        for renamed in 1..TABLES.len() {
            for by_opening in [false, true] {
                let place = Tables::new();
                let store = place.open(1);
                fill(&*store, 9);
                store.close();
                for table in &TABLES[..renamed] {
                    place.rename(table, &format!("{}{table}_set_aside_1", place.0));
                }
                if !by_opening {
                    let told = place.set_aside(2).expect("is set aside").expect("there was something left");
                    assert!(told.ends_with("_set_aside_1"), "{told}");
                }
                let store = place.open(2);
                assert_empty(&*store);
                store.close();
                let old = place.open_aside(1);
                assert_filled(&*old, 9);
                old.close();
            }
        }
    }

    /// The same beside stores that were set aside before: it goes under the number with which it was begun, which need not be the last.
    #[test]
    fn what_is_left_goes_where_its_beginning_went() {
        let place = Tables::new();
        for (epoch, id) in [(1, 1), (2, 2), (3, 3)] {
            let store = place.open(epoch);
            fill(&*store, id);
            store.close();
            if epoch < 3 {
                place.set_aside(epoch).expect("is set aside");
            }
        }
        for table in TABLES {
            Server::shared().sql(&format!("DROP TABLE {}{table}_set_aside_1", place.0));
        }
        place.rename("schema", &format!("{}schema_set_aside_1", place.0));
        let told = place.set_aside(4).expect("is set aside").expect("something was left");
        assert!(told.ends_with("_set_aside_1"), "{told}");
        for (number, id) in [(1, 3), (2, 2)] {
            let old = place.open_aside(number);
            assert_filled(&*old, id);
            old.close();
        }
    }
}
