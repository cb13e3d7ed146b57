//! What PostgreSQL adds to the contract, on a real server.

#![cfg(feature = "postgres")]

#[allow(dead_code, unreachable_pub, reason = "shared with other tests, each uses its part")]
#[path = "../../tests/support/postgres.rs"]
mod server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kahawai_adapters::election::{LeaseOptions, Mastership, hold::RowHold};
use kahawai_adapters::postgres::{Database, Postgres, SCHEMA_VERSION, election};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, ReadRequest, Store as _, StoreError, StoreWait as _};
use kahawai_store::election::{Cancel, Hold as _, Holder};
use kahawai_store::message::Message;
use kahawai_store::names::{BatchName, Cursor, DestinationId, Epoch, MessageId, Term};
use kahawai_store::replica::{Replica as _, Taken, Tap};
use server::Server;

const QUEUE: DestinationId = DestinationId(1);
const LEASE: Duration = Duration::from_secs(1);

/// Tables of its own in the shared database.
struct Place {
    prefix: String,
    database: Database,
}

fn place_in(server: &Server) -> Place {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let prefix = format!("p{}_", NEXT.fetch_add(1, Ordering::Relaxed));
    let database = Database::parse(&server.url_of(&prefix)).expect("is a URL");
    Place { prefix, database }
}

fn place() -> Place {
    place_in(Server::shared())
}

impl Place {
    fn open(&self, epoch: u64) -> Result<Postgres, StoreError> {
        let hold = Arc::new(FixedHold::new(Epoch(epoch)));
        Postgres::open(&self.database, Mastership::Asked(hold), LEASE)
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        Server::shared().sql(&sql.replace("{p}", &self.prefix))
    }

    fn acquire(&self, name: &str, waiting: &mut dyn FnMut(&Holder)) -> Arc<RowHold> {
        let options = LeaseOptions {
            lock_acquire_sleep_interval: Duration::from_millis(20),
            lease_duration: LEASE,
            broker_name: name.to_owned(),
            address: format!("tcp://{name}:61616"),
        };
        election(&self.database, options).acquire_row(&Cancel::default(), waiting).expect("becomes master")
    }
}

fn create_queue(store: &Postgres) {
    let destination = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "orders".into() };
    store.commit_wait(Operation::CreateDestination(destination).into()).expect("commits");
}

fn enqueue(id: u64, body: usize) -> Batch {
    let message = Message { body: Bytes::from(vec![id as u8; body]), ..Message::default() };
    Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message: Arc::new(message) }.into()
}

/// Acknowledges a message where all were sent in the order of their ids, from 1.
fn acknowledge(id: u64) -> Batch {
    acknowledge_at(id, Cursor { rank: 0, arrival: id - 1 })
}

fn acknowledge_at(id: u64, cursor: Cursor) -> Batch {
    Operation::Acknowledge { destination: QUEUE, id: MessageId(id), cursor, subscription: None }.into()
}

/// Keeps the arrivals and names that it is shown.
#[derive(Default)]
struct Shown(Mutex<Vec<(u64, BatchName)>>);

impl Tap for Shown {
    fn wants(&self) -> bool {
        true
    }

    fn taken(&self, taken: Taken) {
        self.0.lock().expect("is free").push((taken.arrival_first, taken.name));
    }
}

fn everything() -> ReadRequest {
    let (messages_max, bytes_max) = (usize::MAX, usize::MAX);
    ReadRequest { destination: QUEUE, subscription: None, after: None, messages_max, bytes_max }
}

fn ids(store: &Postgres) -> Vec<u64> {
    store.read_wait(everything()).expect("reads").messages.iter().map(|stored| stored.id.0).collect()
}

fn assert_lost<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Lost { .. })), "{result:?} instead of lost mastership");
}

#[test]
fn newer_schema_is_refused_and_untouched() {
    let place = place();
    place.open(1).expect("opens").close();
    place.sql("UPDATE {p}schema SET version = 99");
    let lock = place.sql("SELECT * FROM {p}lock");
    let Err(StoreError::Failed(reason)) = place.open(2) else { panic!("a newer schema was opened") };
    assert!(reason.contains("version 99"), "{reason}");
    assert!(reason.contains(&format!("up to {SCHEMA_VERSION}")), "{reason}");
    // A candidate leaves it alone too.
    let options = LeaseOptions {
        lock_acquire_sleep_interval: LEASE,
        lease_duration: LEASE,
        broker_name: String::new(),
        address: String::new(),
    };
    let refused = election(&place.database, options).acquire_row(&Cancel::default(), &mut |_| {});
    assert!(refused.expect_err("is refused").to_string().contains("version 99"));
    assert_eq!(place.sql("SELECT * FROM {p}lock"), lock);
}

/// A stale master, whose hold still believes, writes nothing, answers nobody, and stays stopped.
#[test]
fn stale_epoch_writes_nothing() {
    let place = place();
    let stale = place.open(1).expect("opens");
    create_queue(&stale);
    stale.commit_wait(enqueue(1, 10)).expect("commits");
    let master = place.open(2).expect("takes over");
    assert_lost(stale.commit_wait(enqueue(2, 10)));
    assert_lost(stale.commit_wait(acknowledge(1)));
    assert_lost(stale.recover_wait());
    assert_lost(stale.read_wait(everything()));
    master.commit_wait(enqueue(3, 10)).expect("commits");
    assert_eq!(ids(&master), [1, 3]);
    assert_lost(place.open(1));
}

#[test]
fn damaged_messages_are_named() {
    let place = place();
    let store = place.open(1).expect("opens");
    create_queue(&store);
    for id in 1..=5 {
        store.commit_wait(enqueue(id, 100)).expect("commits");
    }
    place.sql("UPDATE {p}bodies SET bytes = set_byte(bytes, 90, 255) WHERE id = 2");
    place.sql("DELETE FROM {p}bodies WHERE id = 4");
    let page = store.read_wait(everything()).expect("reads");
    assert_eq!(page.messages.iter().map(|stored| stored.id.0).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(page.damaged.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [2, 4]);
    for id in [2, 4] {
        store.commit_wait(acknowledge(id)).expect("acknowledges");
    }
    assert_eq!(store.read_wait(everything()).expect("reads").damaged, []);
}

/// What gathers while one transaction is under way shares the next.
#[test]
fn batches_share_transactions() {
    const BATCHES: u64 = 2000;
    let place = place();
    let store = place.open(1).expect("opens");
    create_queue(&store);
    let transactions = || place.sql("SELECT transactions FROM {p}store")[0].parse::<u64>().expect("a number");
    let before = transactions();
    let (sender, answers) = channel();
    for id in 1..=BATCHES {
        let sender = sender.clone();
        store.commit(
            enqueue(id, 100),
            Completion::new(move |result: Result<_, _>| {
                let _ = sender.send(result.is_ok());
            }),
        );
    }
    drop(sender);
    assert_eq!(answers.iter().filter(|good| *good).count() as u64, BATCHES);
    let taken = transactions() - before;
    assert!(taken <= BATCHES / 10, "{taken} transactions for {BATCHES} batches");
}

/// A commit whose answer is lost was a commit: it is asked for, not repeated and not forgotten. Each is shown once.
#[test]
fn lost_replies_are_asked_for() {
    let place = place();
    let store = place.open(1).expect("opens");
    create_queue(&store);
    store.begin_term(Term(1));
    let shown = Arc::new(Shown::default());
    store.tap(Arc::clone(&shown) as Arc<dyn Tap>);
    let (sender, answers) = channel();
    const BATCHES: u64 = 3000;
    for id in 1..=BATCHES {
        let sender = sender.clone();
        store.commit(
            enqueue(id, 3000),
            Completion::new(move |result: Result<kahawai_store::contract::Committed, _>| {
                let _ = sender.send(result.map(|committed| (committed.arrival_first, committed.name)));
            }),
        );
        if id % 100 == 0 {
            let name = "kahawai writer";
            place.sql(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'
                 AND query LIKE '%{}%'",
                place.prefix
            ));
        }
    }
    drop(sender);
    let committed: Vec<_> = answers.iter().map(|answer| answer.expect("commits")).collect();
    let named = |number| BatchName { term: Term(1), number };
    let expected: Vec<_> = (0..BATCHES).map(|arrival| (arrival, named(arrival + 1))).collect();
    assert_eq!(committed, expected, "each once, in its order");
    assert_eq!(*shown.0.lock().expect("is free"), expected, "each shown once, in its order");
    assert_eq!(store.recover_wait().expect("recovers").batch_last, named(BATCHES));
    assert_eq!(ids(&store), (1..=BATCHES).collect::<Vec<_>>());
}

/// A batch that found no room has no name and is not shown: the next one gets it.
#[test]
fn a_batch_without_room_takes_no_name() {
    let place = place();
    let store = place.open(1).expect("opens");
    store.begin_term(Term(1));
    let shown = Arc::new(Shown::default());
    store.tap(Arc::clone(&shown) as Arc<dyn Tap>);
    create_queue(&store);
    place.sql(
        "CREATE FUNCTION {p}full() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''no room'' USING ERRCODE = ''53100''; END';
         CREATE TRIGGER full_disk BEFORE INSERT ON {p}bodies FOR EACH ROW WHEN (length(NEW.bytes) > 1000)
            EXECUTE FUNCTION {p}full()",
    );
    let full = store.commit_wait(enqueue(1, 10_000));
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    let committed = store.commit_wait(enqueue(2, 10)).expect("commits");
    let named = |number| BatchName { term: Term(1), number };
    assert_eq!((committed.name, committed.arrival_first), (named(2), 0));
    assert_eq!(*shown.0.lock().expect("is free"), [(0, named(1)), (0, named(2))]);
    assert_eq!(store.recover_wait().expect("recovers").batch_last, named(2));
}

/// A database that was put back to an earlier state has lost what was answered for: that is said, not worked on from.
#[test]
fn a_database_that_forgets_is_not_worked_on() {
    let place = place();
    let store = place.open(1).expect("opens");
    create_queue(&store);
    for id in 1..=5 {
        store.commit_wait(enqueue(id, 10)).expect("commits");
    }
    place.sql("UPDATE {p}store SET transactions = transactions - 3");
    place.sql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kahawai writer'
         AND query LIKE '%{}%' OR application_name = 'kahawai writer' AND query = 'COMMIT'",
        place.prefix
    ));
    // Other tests' writers may have been cut as well: they go on. Ours may be cut only at the next try.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match store.commit_wait(enqueue(100, 10)) {
            Err(StoreError::Failed(reason)) => {
                assert!(reason.contains("has lost what was committed"), "{reason}");
                return;
            }
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kahawai writer'");
    }
}

#[test]
fn a_slave_follows_a_release_at_once_and_a_silent_master_after_its_lease() {
    let place = place();
    let first = place.acquire("first", &mut |_| panic!("nobody holds it"));
    assert_eq!(first.epoch(), Epoch(1));
    first.prove().expect("is master");
    let (told, heard) = channel();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            place.acquire("second", &mut |holder| {
                let _ = told.send(holder.clone());
            })
        });
        let holder = heard.recv_timeout(Duration::from_secs(10)).expect("waits");
        assert_eq!((holder.name.as_str(), holder.epoch), ("first", Epoch(1)));
        // For as long as it renews.
        std::thread::sleep(LEASE * 2);
        assert!(!second.is_finished(), "a master that renews was followed");
        let begun = Instant::now();
        first.release();
        let second = second.join().expect("becomes master");
        assert!(begun.elapsed() < LEASE / 2, "{:?} after the release", begun.elapsed());
        assert_eq!(second.epoch(), Epoch(2));
        assert!(first.prove().is_err());
        // One who goes without a word: its connection ends with it.
        let begun = Instant::now();
        drop(second);
        let third = place.acquire("third", &mut |_| {});
        assert_eq!(third.epoch(), Epoch(3));
        assert!(begun.elapsed() < LEASE + LEASE / 2, "{:?} after the end", begun.elapsed());
    });
}

/// Many candidates at once: one master, each epoch once.
#[test]
fn of_many_candidates_one_is_master() {
    let place = place();
    let mut epochs = std::thread::scope(|scope| {
        let candidates: Vec<_> = (0..6)
            .map(|number| {
                let place = &place;
                scope.spawn(move || {
                    let hold = place.acquire(&format!("candidate {number}"), &mut |_| {});
                    hold.prove().expect("is master");
                    let epoch = hold.epoch();
                    hold.release();
                    epoch
                })
            })
            .collect();
        candidates.into_iter().map(|candidate| candidate.join().expect("becomes master")).collect::<Vec<_>>()
    });
    epochs.sort_unstable();
    assert_eq!(epochs, (1..=6).map(Epoch).collect::<Vec<_>>());
}

/// A master that stands still in the middle of a transaction has the row: the server ends that transaction within half a lease, and
/// the next goes on.
#[test]
fn a_transaction_that_stands_still_does_not_hold_up_the_next_master() {
    let place = place();
    let first = place.acquire("first", &mut |_| {});
    // Not by the hold itself, which would renew it for as long as the store lives.
    let store = place.open(first.epoch().0).expect("opens");
    create_queue(&store);
    // As the writer of a stopped process leaves it: updated, not committed. In a session set as ours are.
    let prefix = place.prefix.clone();
    let url = Server::shared().url();
    let mut standing = std::process::Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--dbname", &url])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("psql can be run");
    use std::io::Write as _;
    let stdin = standing.stdin.as_mut().expect("its input");
    let limit = (LEASE / 2).as_millis();
    writeln!(
        stdin,
        "SET idle_in_transaction_session_timeout = {limit}; BEGIN; UPDATE {prefix}lock SET beats = beats + 1;"
    )
    .expect("writes");
    drop(first);
    let begun = Instant::now();
    let second = place.acquire("second", &mut |_| {});
    let master = Postgres::open(&place.database, Mastership::Row(second), LEASE).expect("takes over");
    assert!(begun.elapsed() < LEASE * 4, "{:?}", begun.elapsed());
    assert_lost(store.commit_wait(enqueue(1, 10)));
    master.commit_wait(enqueue(2, 10)).expect("commits");
    assert_eq!(ids(&master), [2]);
    drop(standing.stdin.take());
    let _ = standing.wait();
}

/// A small file system, gone when dropped; `None`, said loudly, where none can be mounted here.
struct Small(tempfile::TempDir);

impl Small {
    #[expect(clippy::print_stderr, reason = "a gap in what is tested is told to whoever runs the tests")]
    fn mount() -> Option<Self> {
        let folder = tempfile::TempDir::new().expect("a directory");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m,mode=777", "kahawai-test"]).arg(folder.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("# SKIPPED: a tmpfs cannot be mounted here (needs root)");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// A full disk of the server's is back-pressure: a batch is told so and leaves nothing; acknowledgements go on.
#[test]
fn full_disk_goes_on_acknowledging() {
    let Some(small) = Small::mount() else { return };
    let parent = small.0.path().parent().expect("a parent");
    assert!(parent.is_absolute());
    let opened = std::process::Command::new("chmod").arg("a+rx").arg(small.0.path()).status();
    assert!(opened.expect("chmod can be run").success());
    let spot = small.0.path().join("tablespace");
    std::fs::create_dir(&spot).expect("a directory");
    let owned = std::process::Command::new("chown").arg("postgres").arg(&spot).status();
    assert!(owned.expect("chown can be run").success());
    let server = Server::start(&["fsync = off", "default_tablespace = 'small'"]);
    server.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", spot.display()));
    let place = place_in(&server);
    let store = place.open(1).expect("opens");
    create_queue(&store);
    // A vacuum itself needs some pages: whoever runs the server keeps a little in reserve.
    let reserve = small.0.path().join("reserve");
    std::fs::write(&reserve, vec![1; 1 << 20]).expect("a reserve");
    let (sender, answers) = channel();
    for id in 1..=3000 {
        let sender = sender.clone();
        store.commit(
            enqueue(id, 20_000),
            Completion::new(move |result: Result<_, _>| {
                let _ = sender.send((id, result.map(drop)));
            }),
        );
    }
    drop(sender);
    let (mut kept, mut full) = (vec![], 0);
    for (id, result) in answers {
        match result {
            Ok(()) => kept.push(id),
            Err(StoreError::Full(_)) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(kept.len() > 100 && full > 100, "{} kept, {full} refused", kept.len());
    assert_eq!(ids(&store), kept);
    for stored in store.read_wait(everything()).expect("reads").messages {
        store.commit_wait(acknowledge_at(stored.id.0, stored.cursor)).expect("acknowledges");
    }
    assert_eq!(ids(&store), [0_u64; 0]);
    // As the server's own daemon does sooner or later.
    std::fs::remove_file(&reserve).expect("removes the reserve");
    server.sql(&format!("VACUUM {0}bodies, {0}messages", place.prefix));
    store.commit_wait(enqueue(10_000, 20_000)).expect("there is room again");
    assert_eq!(ids(&store), [10_000]);
}

/// Paging goes by keys: no plan walks through what is not asked for, with or without statistics.
#[test]
fn paging_goes_by_keys() {
    let place = place();
    place.open(1).expect("opens").close();
    let settings = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
        SET enable_mergejoin = off;";
    for (sql, key) in [
        (
            "SELECT arrival, id, size FROM {p}messages WHERE destination = 1 AND rank = 2 AND arrival > 3
             ORDER BY arrival LIMIT 10",
            "messages_pkey",
        ),
        ("SELECT min(rank) FROM {p}messages WHERE destination = 1 AND rank > 2", "messages_pkey"),
        ("DELETE FROM {p}messages WHERE id = ANY('{1,2}'::bigint[])", "messages_by_id"),
        (
            "SELECT arrival FROM {p}messages WHERE destination = 1 AND kind = 1 AND arrival >= 2
             ORDER BY arrival LIMIT 1",
            "messages_by_arrival",
        ),
    ] {
        let plan = place.sql(&format!("{settings} EXPLAIN {sql}")).join("\n");
        assert!(plan.contains(key), "{plan} for {sql}");
        assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan} for {sql}");
    }
}
