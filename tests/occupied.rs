//! No broker begins an empty store where messages of ActiveMQ wait: it says how many, and leaves them as they are.
//!
//! A real ActiveMQ is given a backlog of every kind (`tests/java/src/Backlog.java`) and killed, or stopped in good order; then the
//! directory is named as a store. Damaged copies of it are never counted as sound.

mod support;

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use support::broker::Instance;
use support::command::{Done, kahawai};
use support::process::Process;
use support::{digest, directory, java};

/// A real ActiveMQ with its data below this directory, and where it listens.
fn start_activemq(directory: &Path) -> (Process, String) {
    let broker = java::start("RunActiveMQ", &["--directory", directory.to_str().expect("UTF-8")]);
    let (uri, _) = broker.wait_since(0, "LISTENING", |line| {
        let uri = line.strip_prefix("LISTENING ")?.split_whitespace().next()?;
        Some(uri.to_owned())
    });
    (broker, uri)
}

/// Tries to serve a store, which must be refused and left alone; gives what is said.
#[track_caller]
fn refused(store: &str) -> String {
    let Done { code, err, .. } = kahawai(&["serve", "--store", store, "--bind", "127.0.0.1:0"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    let told = err.lines().find(|line| line.starts_with("kahawai: ")).expect("a reason");
    told.to_owned()
}

#[track_caller]
fn refused_unchanged(store: &Path) -> String {
    let before = digest(store);
    let told = refused(store.to_str().expect("UTF-8"));
    assert!(digest(store) == before, "something in {} has changed", store.display());
    told
}

/// A backlog in an ActiveMQ that is killed; gives its KahaDB and what was left there, as words of a report.
fn backlog(directory: &Path, options: &[&str]) -> (PathBuf, Vec<String>) {
    let (mut broker, uri) = start_activemq(directory);
    let said = java::run("Backlog", &[&[uri.as_str()], options].concat());
    broker.kill();
    let left = said.iter().filter_map(|line| line.strip_prefix("LEFT ")).map(str::to_owned).collect();
    (directory.join("kahadb"), left)
}

#[track_caller]
fn assert_told(told: &str, left: &[String]) {
    let number = |words: &String| words.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok());
    let total: u64 = left.iter().filter_map(number).sum();
    let all = format!("holds {total} messages in {} destinations (", left.len());
    assert!(total > 0 && told.contains(&all), "not '{all}': {told}");
    for words in left {
        assert!(told.contains(words), "not '{words}': {told}");
    }
    assert!(told.contains("), 2 durable subscriptions"), "{told}");
}

#[test]
fn what_a_killed_and_a_stopped_activemq_left_is_counted_exactly() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let (kahadb, left) = backlog(folder.path(), &["--xa"]);
    let told = refused_unchanged(&kahadb);
    assert_told(&told, &left);
    assert!(told.contains("2 prepared transactions with 4 messages"), "{told}");
    // One level up, as where a data directory is named.
    assert_told(&refused_unchanged(folder.path()), &left);

    // ActiveMQ finds the same, and leaves it in good order.
    let (mut broker, uri) = start_activemq(folder.path());
    for words in left.iter().filter_map(|words| words.strip_prefix("queue://")) {
        let (queue, number) = words.split_once(' ').expect("a number");
        // What a prepared transaction has acknowledged is with that transaction.
        if !queue.contains("XA") {
            let found = kahawai(&["browse", queue, "--url", &uri, "--json"]).json().len();
            assert_eq!(found.to_string(), number, "{queue}");
        }
    }
    broker.signal(Signal::TERM);
    broker.wait_end();
    assert_told(&refused_unchanged(&kahadb), &left);
}

#[test]
fn a_journal_of_several_files_is_counted() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let (kahadb, left) = backlog(folder.path(), &["--size", "450000"]);
    assert!(kahadb.join("db-2.log").exists(), "one file was enough");
    assert_told(&refused_unchanged(&kahadb), &left);
    // Without the index, which ActiveMQ makes anew, it is the same; without the journal nothing is known.
    let journal = ["db-1.log", "db-2.log"].map(|name| kahadb.join(name));
    std::fs::remove_file(kahadb.join("db.data")).expect("an index");
    assert_told(&refused_unchanged(&kahadb), &left);
    std::fs::write(kahadb.join("db.data"), b"").expect("an index");
    for path in &journal {
        std::fs::remove_file(path).expect("a file of the journal");
    }
    let told = refused_unchanged(&kahadb);
    assert!(told.contains("holds a number of messages that is unknown"), "{told}");
}

#[test]
fn a_damaged_journal_is_never_counted_as_sound() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let (kahadb, left) = backlog(&folder.path().join("sound"), &[]);
    let sound = std::fs::read(kahadb.join("db-1.log")).expect("a journal");
    // Where the next batch would come; what the file was made with lies behind.
    let used = sound.windows(5).position(|bytes| bytes == b"-qMa4").expect("an end");
    let damaged = folder.path().join("damaged");
    std::fs::create_dir(&damaged).expect("a directory");
    let path = damaged.join("db-1.log");
    std::fs::write(&path, &sound[..used + 5]).expect("a copy");
    assert_told(&refused_unchanged(&damaged), &left);
    for part in 0..40 {
        let at = used * part / 40;
        let mut flipped = sound[..used + 5].to_vec();
        flipped[at] ^= 0x10;
        std::fs::write(&path, &flipped).expect("a damaged copy");
        let told = refused_unchanged(&damaged);
        assert!(told.contains("holds at least ") || told.contains("unknown"), "flipped at {at}: {told}");
        std::fs::write(&path, &sound[..at]).expect("a cut copy");
        refused_unchanged(&damaged);
    }
}

#[test]
fn a_store_that_is_there_already_is_served_with_a_warning() {
    let folder = directory();
    let store = folder.path().join("store");
    let instance = Instance::new("beside", &store);
    instance.serve().stop();
    std::fs::write(store.join("db-1.log"), b"").expect("a file of ActiveMQ's");
    let broker = instance.serve();
    let warning = broker.0.said_since(0).into_iter().find(|line| line.contains("lies beside the store"));
    assert!(warning.is_some_and(|line| line.contains("WARN")), "{}", broker.0.tail());
    broker.stop();
}

#[test]
fn a_drained_store_is_named_and_another_place_is_served() {
    let folder = directory();
    let kahadb = folder.path().join("kahadb");
    std::fs::create_dir(&kahadb).expect("a directory");
    std::fs::write(kahadb.join("db-1.log"), b"-qMa4").expect("a journal with nothing in it");
    let told = refused_unchanged(&kahadb);
    assert!(told.contains("holds no message; ") && told.contains("No message is lost by moving"), "{told}");
    Instance::new("elsewhere", &folder.path().join("store")).serve().stop();
    std::fs::create_dir(folder.path().join("old")).expect("a directory");
    std::fs::create_dir(folder.path().join("old/0000000000000001.index")).expect("LevelDB's");
    let told = refused_unchanged(&folder.path().join("old"));
    assert!(told.contains("LevelDB") && told.contains("unknown"), "{told}");
}

/// A journal with one message in it.
fn one_message() -> Vec<u8> {
    const ADD: &[u8] = b"\x01\x0b\x12\x05\x08\0\x12\x01q\x1a\x02id";
    let mut record = u32::try_from(ADD.len() + 5).expect("a length").to_be_bytes().to_vec();
    record.push(1);
    record.extend(ADD);
    let mut batch = b"\0\0\0\x1c\x02WRITE BATCH".to_vec();
    batch.extend(u32::try_from(record.len()).expect("a length").to_be_bytes());
    batch.extend([0; 8]);
    batch.extend(record);
    batch
}

#[test]
fn what_lies_in_the_files_own_directory_is_told_where_another_is_served() {
    let folder = directory();
    let (kahadb, file) = (folder.path().join("kahadb"), folder.path().join("activemq.xml"));
    std::fs::create_dir(&kahadb).expect("a directory");
    std::fs::write(kahadb.join("db-1.log"), one_message()).expect("a journal");
    let text = "<broker xmlns='http://activemq.apache.org/schema/core'>\
                <persistenceAdapter><kahaDB directory='KAHADB'/></persistenceAdapter>\
                <transportConnectors><transportConnector uri='tcp://127.0.0.1:0'/></transportConnectors></broker>";
    let text = text.replace("KAHADB", kahadb.to_str().expect("UTF-8"));
    std::fs::write(&file, text).expect("written");
    let store = folder.path().join("store");
    let store = store.to_str().expect("UTF-8");
    let before = digest(&kahadb);
    let instance = Instance::configured("moved", &file).with(&["--store", store]);
    let broker = instance.serve();
    let told = broker
        .0
        .wait_since(0, "the warning", |line| line.contains("the file names it").then(|| line.to_owned()))
        .0;
    for words in ["WARN", "kahadb", "holds 1 message in 1 destination (queue://q 1)", "journal:", "(--store)"]
    {
        assert!(told.contains(words), "not '{words}': {told}");
    }
    broker.stop();
    assert!(digest(&kahadb) == before, "something in it has changed");

    // By the environment, and where there is nothing, nothing is said.
    let elsewhere = folder.path().join("elsewhere");
    let instance = Instance::configured("moved", &file);
    let broker = instance.start_with(&[("KAHAWAI_STORE", elsewhere.to_str().expect("UTF-8"))]);
    broker.wait_ready(0);
    broker.0.wait_since(0, "the warning", |line| line.contains("(KAHAWAI_STORE)").then_some(()));
    broker.stop();
    // A database that the file names is not asked.
    let toml = folder.path().join("kahawai.toml");
    std::fs::write(&toml, "[store]\naddress = \"mysql://u:hush@nowhere/d\"\n").expect("written");
    let broker = Instance::configured("moved", &toml).with(&["--store", store]).serve();
    let told = broker
        .0
        .wait_since(0, "the warning", |line| line.contains("not looked into").then(|| line.to_owned()))
        .0;
    assert!(told.contains("mysql://u@nowhere/d") && !told.contains("hush"), "{told}");
    broker.stop();
}
