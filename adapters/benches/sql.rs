//! The SQL engines beside a bare loop of inserts, on the same server or file, with as many rows in a transaction.
//!
//! `cargo bench -p kahawai-adapters --all-features`. A server of its own is started, with `fsync` on, as installed otherwise. Each
//! figure is a run of some seconds, once: believe ratios within one run. `KAHAWAI_BENCH_MESSAGES` says how many messages
//! (20,000), `KAHAWAI_BENCH_BACKLOG` how long the backlog is (100,000).

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures, and stops at any failure"
)]

#[allow(dead_code, unreachable_pub, reason = "shared with tests, each uses its part")]
#[path = "../../tests/support/postgres.rs"]
mod server;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kahawai_adapters::election::Mastership;
use kahawai_adapters::postgres::{Database, Postgres};
use kahawai_adapters::sqlite::{self, Sqlite};
use kahawai_store::batch::{Destination, DestinationKind, Operation};
use kahawai_store::conformance::hold::FixedHold;
use kahawai_store::contract::{Completion, ReadRequest, Store, StoreWait as _};
use kahawai_store::message::Message;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId};
use server::Server;

const QUEUE: DestinationId = DestinationId(1);
const BYTES: usize = 1024;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn message(id: u64) -> Arc<Message> {
    Arc::new(Message { body: Bytes::from(vec![id as u8; BYTES]), ..Message::default() })
}

fn enqueue(id: u64, message: &Arc<Message>) -> Operation {
    Operation::Enqueue { id: MessageId(id), destination: QUEUE, rank: 0, message: message.clone() }
}

fn acknowledge(id: u64, arrival: u64) -> Operation {
    let cursor = Cursor { rank: 0, arrival };
    Operation::Acknowledge { destination: QUEUE, id: MessageId(id), cursor, subscription: None }
}

/// Commits these operations, each a batch of its own that somebody waits for, so many at a time. Gives how many a second.
fn run(store: &dyn Store, in_flight: usize, operations: impl Iterator<Item = Operation>) -> f64 {
    let (done, completed) = sync_channel(in_flight);
    let (mut sent, mut answered) = (0_u64, 0_u64);
    let begun = Instant::now();
    for operation in operations {
        if sent - answered == in_flight as u64 {
            completed.recv().unwrap();
            answered += 1;
        }
        let done = done.clone();
        store.commit(
            operation.into(),
            Completion::new(move |result| {
                result.unwrap();
                done.send(()).unwrap();
            }),
        );
        sent += 1;
    }
    while answered < sent {
        completed.recv().unwrap();
        answered += 1;
    }
    sent as f64 / begun.elapsed().as_secs_f64()
}

fn create(store: &dyn Store) {
    let destination = Destination { id: QUEUE, kind: DestinationKind::Queue, name: "orders".into() };
    store.commit_wait(Operation::CreateDestination(destination).into()).unwrap();
}

/// Reads all that waits, page by page, as a broker does, and acknowledges it. Gives messages a second.
fn drain(store: &dyn Store) -> f64 {
    let (begun, mut after, mut taken) = (Instant::now(), None, 0_u64);
    loop {
        let request = ReadRequest {
            destination: QUEUE,
            subscription: None,
            after,
            messages_max: 200,
            bytes_max: 1 << 20,
        };
        let page = store.read_wait(request).unwrap();
        after = page.cursor_last().or(after);
        taken += page.messages.len() as u64;
        run(store, 200, page.messages.iter().map(|stored| acknowledge(stored.id.0, stored.cursor.arrival)));
        if page.end {
            return taken as f64 / begun.elapsed().as_secs_f64();
        }
    }
}

fn open(server: &Server, prefix: &str) -> Postgres {
    let database = Database::parse(&server.url_of(prefix)).unwrap();
    let mastership = Mastership::Asked(Arc::new(FixedHold::new(Epoch(1))));
    Postgres::open(&database, mastership, Duration::from_secs(10)).unwrap()
}

fn postgres() {
    let server = Server::start(&[]);
    let messages = setting("KAHAWAI_BENCH_MESSAGES", 20_000);
    let transactions = |prefix: &str| -> u64 {
        server.sql(&format!("SELECT transactions FROM {prefix}store"))[0].parse().unwrap()
    };
    for in_flight in [1, 32, 256] {
        let prefix = format!("b{in_flight}_");
        let store = open(&server, &prefix);
        create(&store);
        let body = message(1);
        let before = transactions(&prefix);
        let count = if in_flight == 1 { messages / 10 } else { messages };
        let sent = run(&store, in_flight, (1..=count).map(|id| enqueue(id, &body)));
        let rows = (count as f64 / (transactions(&prefix) - before) as f64).round().max(1.0) as usize;
        let bare = bare_postgres(&server, rows, count);
        println!(
            "postgres, {in_flight} in flight: {sent:.0} messages/s, {rows} rows a transaction; bare loop {bare:.0}; ratio {:.2}",
            sent / bare
        );
        store.close();
    }
    let store = open(&server, "backlog_");
    create(&store);
    backlog("postgres", &store);
    // While somebody reads for long (a backup, a report), nothing that was deleted or updated since can be taken away.
    for reader in [false, true] {
        let store = open(&server, if reader { "read_" } else { "unread_" });
        create(&store);
        let mut psql = reader.then(|| {
            use std::io::Write as _;
            let mut psql = std::process::Command::new("psql")
                .args(["--no-psqlrc", "--quiet", "--dbname", &server.url()])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let stdin = psql.stdin.as_mut().unwrap();
            writeln!(stdin, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM read_store;")
                .unwrap();
            psql
        });
        let body = message(1);
        let mut figures = Vec::new();
        for round in 0..8_u64 {
            let ids = (1 + round * 2500)..=(2500 + round * 2500);
            // Ids count from 1, arrivals from 0.
            let behind = |id: u64| id.saturating_sub(64).max(1);
            let both = ids.flat_map(|id| [enqueue(id, &body), acknowledge(behind(id), behind(id) - 1)]);
            figures.push(format!("{:.0}", run(&store, 32, both) / 2.0));
        }
        println!(
            "postgres, sent and acknowledged {} a long-running reader, messages/s in 8 rounds of 2,500: {}",
            if reader { "beside" } else { "without" },
            figures.join(" ")
        );
        if let Some(psql) = &mut psql {
            drop(psql.stdin.take());
            psql.wait().unwrap();
        }
    }
}

/// What the same server does when somebody inserts rows by hand, pipelined, so many a transaction.
fn bare_postgres(server: &Server, rows: usize, messages: u64) -> f64 {
    server.sql("DROP TABLE IF EXISTS bare");
    server.sql("CREATE TABLE bare (id bigint PRIMARY KEY, body bytea NOT NULL)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "INSERT INTO bare SELECT * FROM unnest($1::bigint[], $2::bytea[])";
        let insert = client.prepare(sql).await.unwrap();
        let body = vec![7_u8; BYTES];
        let begun = Instant::now();
        let mut next = 0;
        while next < messages {
            let count = (rows as u64).min(messages - next);
            let ids: Vec<i64> = (next..next + count).map(|id| id as i64).collect();
            let bodies = vec![&body[..]; count as usize];
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&ids, &bodies];
            let (begin, inserted, commit) = tokio::join!(
                client.batch_execute("BEGIN"),
                client.execute(&insert, &values),
                client.batch_execute("COMMIT")
            );
            begin.unwrap();
            inserted.unwrap();
            commit.unwrap();
            next += count;
        }
        messages as f64 / begun.elapsed().as_secs_f64()
    })
}

fn sqlite_store(path: &Path) -> Sqlite {
    Sqlite::open(path, Arc::new(FixedHold::new(Epoch(1))), sqlite::Options::default()).unwrap()
}

fn sqlite() {
    let directory = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let messages = setting("KAHAWAI_BENCH_MESSAGES", 20_000);
    for in_flight in [1, 32, 256] {
        let store = sqlite_store(&directory.path().join(format!("{in_flight}.db")));
        create(&store);
        let body = message(1);
        let count = if in_flight == 1 { messages / 10 } else { messages };
        let sent = run(&store, in_flight, (1..=count).map(|id| enqueue(id, &body)));
        store.close();
        // While one transaction is synced, all others gather: that is how many share the next.
        let rows = (in_flight - 1).max(1);
        let bare = bare_sqlite(&directory.path().join(format!("{in_flight}.bare")), rows, count);
        println!(
            "sqlite, {in_flight} in flight: {sent:.0} messages/s; bare loop with {rows} rows a transaction {bare:.0}; ratio {:.2}",
            sent / bare
        );
    }
    let store = sqlite_store(&directory.path().join("backlog.db"));
    create(&store);
    backlog("sqlite", &store);
}

fn bare_sqlite(path: &Path, rows: usize, messages: u64) -> f64 {
    let mut connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.execute_batch("CREATE TABLE bare (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").unwrap();
    let body = vec![7_u8; BYTES];
    let begun = Instant::now();
    let mut next = 0;
    while next < messages {
        let count = (rows as u64).min(messages - next);
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction.prepare_cached("INSERT INTO bare VALUES (?1, ?2)").unwrap();
            for id in next..next + count {
                insert.execute(rusqlite::params![id as i64, body]).unwrap();
            }
        }
        transaction.commit().unwrap();
        next += count;
    }
    messages as f64 / begun.elapsed().as_secs_f64()
}

/// Fills and drains: what a message costs at the beginning and with many before it.
fn backlog(what: &str, store: &dyn Store) {
    let backlog = setting("KAHAWAI_BENCH_BACKLOG", 100_000);
    let body = message(1);
    let part = (backlog / 10).max(1);
    let figures: Vec<_> = (0..10)
        .map(|number| {
            let ids = number * part + 1..=(number + 1) * part;
            format!("{:.0}", run(store, 1000, ids.map(|id| enqueue(id, &body))))
        })
        .collect();
    println!("{what}, filling to {backlog}, messages/s in ten parts: {}", figures.join(" "));
    println!("{what}, draining {backlog} in pages of 200: {:.0} messages/s", drain(store));
    store.close();
}

fn main() {
    // Run as a test (`cargo test --benches`) it only shows that it compiles.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    sqlite();
    postgres();
}
