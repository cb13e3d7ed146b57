//! What SQLite adds to the contract: whose database it is, who may write, what happens without room, and what
//! damage is told.

#![cfg(feature = "sqlite")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kahawai_adapters::sqlite::{OpenError, Options, SCHEMA_VERSION, Sqlite};
use kahawai_store::batch::{Batch, Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, ReadRequest, Store, StoreError, StoreWait, TableEntry};
use kahawai_store::election::{Hold, Lost};
use kahawai_store::message::Message;
use kahawai_store::names::{BatchName, Cursor, DestinationId, Epoch, MessageId, Term};
use kahawai_store::replica::Replica;
use rusqlite::Connection;
use tempfile::TempDir;

const QUEUE: DestinationId = DestinationId(1);

struct Place {
    _directory: TempDir,
    file: PathBuf,
}

fn place() -> Place {
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("store.db");
    Place { _directory: directory, file }
}

fn open(file: &Path, epoch: u64) -> Result<Sqlite, OpenError> {
    Sqlite::open(file, Arc::new(FixedHold::new(Epoch(epoch))), Options::default())
}

fn refused(file: &Path) -> String {
    match open(file, 1) {
        Err(OpenError::Store(StoreError::Failed(reason))) => reason.to_string(),
        other => panic!("{other:?} instead of a refusal"),
    }
}

fn create_queue(store: &Sqlite) {
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

fn everything() -> ReadRequest {
    let (messages_max, bytes_max) = (usize::MAX, usize::MAX);
    ReadRequest { destination: QUEUE, subscription: None, after: None, messages_max, bytes_max }
}

fn ids(store: &Sqlite) -> Vec<u64> {
    store.read_wait(everything()).expect("reads").messages.iter().map(|stored| stored.id.0).collect()
}

#[test]
fn newer_schema_is_refused_and_untouched() {
    let place = place();
    open(&place.file, 1).expect("opens").close();
    Connection::open(&place.file)
        .expect("opens")
        .execute_batch("UPDATE kahawai_schema SET version = 99; CREATE TABLE of_the_future (a)")
        .expect("changes");
    let before = std::fs::read(&place.file).expect("reads");
    let reason = refused(&place.file);
    assert!(reason.contains("version 99"), "{reason}");
    assert!(reason.contains(&format!("up to {SCHEMA_VERSION}")), "{reason}");
    assert!(reason.contains("store.db"), "{reason}");
    assert_eq!(std::fs::read(&place.file).expect("reads"), before);
}

#[test]
fn foreign_database_is_refused_and_untouched() {
    let place = place();
    Connection::open(&place.file)
        .expect("opens")
        .execute_batch("CREATE TABLE customers (a)")
        .expect("creates");
    let before = std::fs::read(&place.file).expect("reads");
    let reason = refused(&place.file);
    assert!(reason.contains("no Kahawai store"), "{reason}");
    assert_eq!(std::fs::read(&place.file).expect("reads"), before);
}

#[test]
fn file_that_is_no_database_is_refused_and_untouched() {
    let place = place();
    let before = b"This is a letter to my aunt. ".repeat(100);
    std::fs::write(&place.file, &before).expect("writes");
    let reason = refused(&place.file);
    assert!(reason.contains("no SQLite database"), "{reason}");
    assert_eq!(std::fs::read(&place.file).expect("reads"), before);
    let nowhere = place.file.join("below a file");
    assert!(refused(&nowhere).contains("below a file"));
}

/// A database in which somebody is in the middle of a transaction is told apart from one that is broken, and opens when it is done.
#[test]
fn database_in_a_transaction_of_another_is_told_to_be_busy() {
    let place = place();
    open(&place.file, 1).expect("opens").close();
    let other = Connection::open(&place.file).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("begins");
    let options = Options { busy_timeout: Duration::from_millis(1), ..Options::default() };
    let open = || Sqlite::open(&place.file, Arc::new(FixedHold::new(Epoch(2))), options);
    match open() {
        Err(OpenError::Busy(reason)) => assert!(reason.contains("store.db"), "{reason}"),
        other => panic!("{other:?} instead of busy"),
    }
    other.execute_batch("ROLLBACK").expect("ends");
    open().expect("opens");
}

/// A stale master, whose hold still believes, writes nothing, answers nobody, and stays stopped.
#[test]
fn stale_epoch_writes_nothing() {
    let place = place();
    let stale = open(&place.file, 1).expect("opens");
    create_queue(&stale);
    stale.commit_wait(enqueue(1, 10)).expect("commits");

    let master = open(&place.file, 2).expect("takes over");
    assert_eq!(ids(&master), [1]);
    let lost = |result: Result<(), StoreError>| match result {
        Err(StoreError::Lost { epoch, reason }) => {
            assert_eq!(epoch, Epoch(1));
            assert!(reason.contains("epoch 2"), "{reason}");
        }
        other => panic!("{other:?} instead of lost mastership"),
    };
    lost(stale.read_wait(everything()).map(drop));
    lost(stale.commit_wait(enqueue(2, 10)).map(drop));
    lost(stale.commit_wait(acknowledge(1)).map(drop));
    lost(stale.recover_wait().map(drop));
    stale.close();
    assert_eq!(ids(&master), [1]);
    master.commit_wait(enqueue(3, 10)).expect("commits");
    assert_eq!(ids(&master), [1, 3]);
    // And it cannot come back with its old number.
    match open(&place.file, 1) {
        Err(OpenError::Store(error)) => lost(Err(error)),
        other => panic!("{other:?} instead of lost mastership"),
    }
}

/// The same where the writer notices first: nobody has read since.
#[test]
fn stale_epoch_is_noticed_by_the_writer() {
    let place = place();
    let stale = open(&place.file, 1).expect("opens");
    create_queue(&stale);
    let master = open(&place.file, 2).expect("takes over");
    let result = stale.commit_wait(enqueue(2, 10));
    assert!(matches!(result, Err(StoreError::Lost { .. })), "{result:?}");
    assert_eq!(ids(&master), [0_u64; 0]);
}

#[test]
fn unproven_mastership_answers_nobody() {
    let place = place();
    let hold = Arc::new(FixedHold::new(Epoch(1)));
    let store = Sqlite::open(&place.file, hold.clone(), Options::default()).expect("opens");
    create_queue(&store);
    hold.lose("the test says so");
    for _ in 0..2 {
        let result = store.commit_wait(enqueue(1, 10));
        assert!(
            matches!(&result, Err(error @ StoreError::Lost { .. }) if error.outcome_unknown()),
            "{result:?}"
        );
    }
    let result = store.read_wait(everything());
    assert!(matches!(result, Err(StoreError::Lost { .. })), "{result:?}");
    drop(store);
    let result = Sqlite::open(&place.file, hold, Options::default());
    assert!(matches!(result, Err(OpenError::Store(StoreError::Lost { .. }))), "{result:?}");
}

/// Without room a batch is told so and leaves nothing; acknowledgements go on and make room again.
#[test]
fn full_store_goes_on_acknowledging() {
    let place = place();
    let options = Options { pages_max: Some(200), ..Options::default() };
    let store = Sqlite::open(&place.file, Arc::new(FixedHold::new(Epoch(1))), options).expect("opens");
    create_queue(&store);
    // All in flight at once, so that they share transactions: each is told for itself.
    let (sender, answers) = channel();
    for id in 1..=100 {
        let sender = sender.clone();
        let done = Completion::new(move |result| {
            let _ = sender.send((id, result));
        });
        store.commit(enqueue(id, 20_000), done);
    }
    drop(sender);
    let answers = answers.iter().collect::<Vec<_>>();
    assert!(answers.is_sorted_by_key(|(id, _)| *id), "answered in their order");
    let (mut kept, mut full) = (vec![], vec![]);
    for (id, result) in answers {
        match result {
            Ok(_) => kept.push(id),
            Err(StoreError::Full(_)) => full.push(id),
            Err(other) => panic!("{other}"),
        }
    }
    assert!(kept.len() > 20 && full.len() > 20, "{} kept, {} refused", kept.len(), full.len());
    assert_eq!(ids(&store), kept);
    let recovered = store.recover_wait().expect("recovers");
    assert_eq!(recovered.destinations[0].messages, kept.len() as u64);

    for stored in &store.read_wait(everything()).expect("reads").messages[..10] {
        store.commit_wait(acknowledge_at(stored.id.0, stored.cursor)).expect("acknowledges");
    }
    store.commit_wait(enqueue(1000, 20_000)).expect("there is room again");
    let expected = kept[10..].iter().copied().chain([1000]).collect::<Vec<_>>();
    assert_eq!(ids(&store), expected);
    store.close();
    assert_eq!(ids(&open(&place.file, 2).expect("opens")), expected);
}

#[test]
fn damaged_messages_are_named() {
    let place = place();
    let store = open(&place.file, 1).expect("opens");
    create_queue(&store);
    for id in 1..=6 {
        store.commit_wait(enqueue(id, 100)).expect("commits");
    }
    store.close();
    let connection = Connection::open(&place.file).expect("opens");
    let damages = [
        "UPDATE bodies SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'ff' AS BLOB) WHERE id = 2",
        "UPDATE bodies SET bytes = 'a text' WHERE id = 4",
        "DELETE FROM bodies WHERE id = 5",
    ];
    for sql in damages {
        assert_eq!(connection.execute(sql, []).expect("changes"), 1);
    }
    drop(connection);

    let store = open(&place.file, 2).expect("opens");
    let first = store.read_wait(ReadRequest { messages_max: 1, ..everything() }).expect("reads");
    assert_eq!((first.messages[0].id, first.end), (MessageId(1), false));
    let page = store.read_wait(everything()).expect("reads");
    assert_eq!(page.messages.iter().map(|stored| stored.id.0).collect::<Vec<_>>(), [1, 3, 6]);
    assert_eq!(page.damaged.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [2, 4, 5]);
    // They count as messages of their page, and the next goes on behind them.
    let request = ReadRequest { after: Some(first.messages[0].cursor), messages_max: 1, ..everything() };
    let second = store.read_wait(request).expect("reads");
    assert_eq!((second.messages.len(), second.damaged.len(), second.end), (0, 1, false));
    let request = ReadRequest { after: second.cursor_last(), ..request };
    assert_eq!(store.read_wait(request).expect("reads").messages[0].id, MessageId(3));
    // The bytes of what is damaged take no room from what is not.
    let bytes_max = page.messages.iter().map(|stored| stored.message.size()).sum();
    let whole = store.read_wait(ReadRequest { bytes_max, ..everything() }).expect("reads");
    assert_eq!((whole.messages.len(), whole.end), (3, true));

    for id in [2, 4, 5] {
        store.commit_wait(acknowledge(id)).expect("acknowledges");
    }
    assert_eq!(store.read_wait(everything()).expect("reads").damaged, []);
    assert_eq!(ids(&store), [1, 3, 6]);
}

/// A hold that counts how often it was asked, and answers while nobody keeps the gate.
#[derive(Default)]
struct CountedHold {
    asked: AtomicUsize,
    gate: Mutex<()>,
}

impl Hold for CountedHold {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn prove(&self) -> Result<(), Lost> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        drop(self.gate.lock());
        Ok(())
    }

    fn proof_age(&self) -> Duration {
        Duration::ZERO
    }

    fn on_lost(&self, _notice: Box<dyn FnOnce(Lost) + Send>) {}

    fn release(&self) {}
}

/// What gathers while one transaction is under way shares the next, its flush and its proof; and nobody is
/// answered before the proof.
#[test]
fn batches_share_transactions() {
    const BATCHES: u64 = 1000;
    let place = place();
    let hold = Arc::new(CountedHold::default());
    let store = Sqlite::open(&place.file, hold.clone(), Options::default()).expect("opens");
    create_queue(&store);
    let before = hold.asked.load(Ordering::Relaxed);
    let (sender, answers) = channel();
    let gate = hold.gate.lock().expect("is free");
    for id in 1..=BATCHES {
        let sender = sender.clone();
        let done = Completion::new(move |result: Result<_, _>| {
            let _ = sender.send(result.is_ok());
        });
        store.commit(enqueue(id, 100), done);
    }
    drop(sender);
    assert!(answers.try_recv().is_err(), "answered before mastership was proven");
    drop(gate);
    assert_eq!(answers.iter().filter(|good| *good).count() as u64, BATCHES);
    let proofs = hold.asked.load(Ordering::Relaxed) - before;
    assert!(proofs <= 2, "{proofs} proofs for {BATCHES} batches");
    // And where nobody sends beside, each batch has its own proof.
    for id in 1..=10 {
        store.commit_wait(acknowledge(id)).expect("commits");
    }
    assert_eq!(hold.asked.load(Ordering::Relaxed) - before, proofs + 10);
}

/// Paging and counting do not walk through what is not asked for: the plans use the keys.
#[test]
fn paging_goes_by_keys() {
    let place = place();
    open(&place.file, 1).expect("opens").close();
    let connection = Connection::open(&place.file).expect("opens");
    let plan = |sql: &str| {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("is SQL");
        let rows = statement.query_map([], |row| row.get::<_, String>(3)).expect("explains");
        rows.collect::<Result<Vec<_>, _>>().expect("explains").join("; ")
    };
    for (sql, key) in [
        (
            "SELECT arrival, messages.id, size, crc, bytes FROM messages LEFT JOIN bodies ON bodies.id = messages.id
             WHERE destination = 1 AND rank = 2 AND arrival > 3 ORDER BY arrival",
            "USING PRIMARY KEY (destination=? AND rank=? AND arrival>?)",
        ),
        (
            "SELECT min(rank) FROM messages WHERE destination = 1 AND rank > 2",
            "USING PRIMARY KEY (destination=? AND rank>?)",
        ),
        (
            "SELECT min(arrival) FROM messages WHERE destination = 1 AND waiting > 0 AND arrival >= 2",
            "messages_by_arrival (destination=? AND arrival>?)",
        ),
        (
            "DELETE FROM messages WHERE destination = 1 AND rank = 2 AND arrival = 3 AND id = 4",
            "PRIMARY KEY (destination=? AND rank=? AND arrival=?)",
        ),
    ] {
        let plan = plan(sql);
        assert!(plan.contains(key), "{plan} for {sql}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan} for {sql}");
    }
}

/// A caller's table may have the name under which the last batch's lies: neither is taken for the other. A store that names nothing keeps nothing for it.
#[test]
fn the_last_batch_is_kept_apart_from_what_callers_keep() {
    let place = place();
    let put = |value: Option<&str>| Operation::Put {
        table: "kahawai.batch".into(),
        key: Bytes::from_static(b"last"),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
    };
    let entries = || {
        let connection = Connection::open(&place.file).expect("opens");
        connection.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).expect("counts")
    };
    let named = |number| BatchName { term: Term(4), number };
    let store = open(&place.file, 1).expect("opens");
    create_queue(&store);
    assert_eq!(entries(), 0);
    store.commit_wait(put(Some("mine")).into()).expect("commits");
    assert_eq!(store.recover_wait().expect("recovers").batch_last, BatchName::default());
    store.begin_term(Term(4));
    assert_eq!(store.commit_wait(put(Some("still mine")).into()).expect("commits").name, named(1));
    store.close();
    let store = open(&place.file, 2).expect("opens");
    let recovered = store.recover_wait().expect("recovers");
    let table = |entry: &TableEntry| (entry.table.to_string(), entry.value.clone());
    assert_eq!(
        recovered.tables.iter().map(table).collect::<Vec<_>>(),
        [("kahawai.batch".to_owned(), Bytes::from_static(b"still mine"))]
    );
    assert_eq!(recovered.batch_last, named(1));
    assert_eq!(store.commit_wait(put(None).into()).expect("commits").name, named(2));
    let recovered = store.recover_wait().expect("recovers");
    assert_eq!((recovered.tables, recovered.batch_last), (vec![], named(2)));
    store.close();
    // What is no name is not passed over.
    Connection::open(&place.file)
        .expect("opens")
        .execute("UPDATE entries SET value = x'00'", [])
        .expect("changes");
    match open(&place.file, 3) {
        Err(OpenError::Store(StoreError::Failed(reason))) => {
            assert!(reason.contains("name of the last batch"), "{reason}");
        }
        other => panic!("{other:?} instead of damage"),
    }
}

/// A batch that found no room has no name: the next one gets it.
#[test]
fn a_batch_without_room_takes_no_name() {
    let place = place();
    let options = Options { pages_max: Some(100), ..Options::default() };
    let store = Sqlite::open(&place.file, Arc::new(FixedHold::new(Epoch(1))), options).expect("opens");
    store.begin_term(Term(1));
    create_queue(&store);
    let full = store.commit_wait(enqueue(1, 1_000_000));
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    let committed = store.commit_wait(enqueue(2, 10)).expect("commits");
    assert_eq!((committed.name, committed.arrival_first), (BatchName { term: Term(1), number: 2 }, 0));
    assert_eq!(store.recover_wait().expect("recovers").batch_last.number, 2);
}
