//! `kahawai store`: each command on stores that the real broker made, beside it and after it.

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kahawai_openwire::command::Command;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::message::MessageAck;
use serde_json::Value;
use support::broker::{Broker, Instance};
use support::mount::Mount;
use support::process::until;
use support::raw::Raw;
use support::{digest, directory, store};

fn tool(arguments: &[&str]) -> Output {
    Broker::command().arg("store").args(arguments).output().expect("it runs")
}

fn said(output: &Output, code: i32) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    format!("{out}{err}")
}

fn text(arguments: &[&str], code: i32) -> String {
    said(&tool(arguments), code)
}

fn json(arguments: &[&str], code: i32) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    serde_json::from_str(&text(&arguments, code)).expect("it is JSON")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn send(address: &str, queue: &str, count: usize, bytes: usize) {
    let queue = Destination::queue(queue.to_owned());
    let mut producer = Raw::open(address).expect("a connection");
    producer.open_producer().expect("a producer");
    for _ in 0..count {
        let message = producer.message(&queue, true, bytes);
        producer.request(message).expect("it is acknowledged");
    }
}

#[test]
fn each_command_tells_of_a_running_brokers_store_in_words_and_in_json() {
    let folder = directory();
    let at = folder.path().join("store");
    let instance = Instance::new("told", &at).with(&["--journal-max-file-length", "64kb"]);
    let broker = instance.serve();
    send(&instance.address(), "orders", 30, 5000);
    let at = path(&at);

    let info = text(&["info", at], 0);
    assert!(info.contains("master: told (host ") && info.contains("queue://orders: 30 messages"), "{info}");
    let info = json(&["info", at], 0);
    assert_eq!(info["master"]["state"], "held");
    assert_eq!(info["master"]["name"], "told");
    assert!(info["master"]["since"].is_string());
    assert!(info["live_bytes"].as_u64() > Some(150_000), "{info}");
    assert!(info["segments"].as_array().is_some_and(|segments| segments.len() >= 3), "{info}");

    assert!(text(&["verify", at], 0).starts_with("sound: "));
    let verified = json(&["verify", at], 0);
    assert_eq!((&verified["sound"], &verified["deliverable"]["messages"]), (&true.into(), &30.into()));

    let dumped = text(&["dump", at, "--destination", "orders", "--kind", "batch"], 0);
    let lines: Vec<Value> = dumped.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let enqueues = lines.iter().flat_map(|line| line["operations"].as_array().expect("operations"));
    let enqueues: Vec<_> = enqueues.filter(|operation| operation["operation"] == "enqueue").collect();
    assert_eq!(enqueues.len(), 30);
    let id = enqueues[7]["id"].as_u64().expect("an id").to_string();
    assert_eq!(text(&["dump", at, "--id", &id], 0).lines().count(), 1);

    let first = info["segments"][0]["number"].as_u64().expect("a number").to_string();
    let why = json(&["why", at, &first], 0);
    assert_eq!(
        why["messages"].as_array().expect("messages").len() as u64,
        why["live_messages"].as_u64().unwrap()
    );
    assert!(text(&["why", at, &first], 0).contains("of queue://orders"));
    text(&["why", at, "99999"], 2);

    // It is in use: what would have to be still is refused, in words that say what to do.
    let into = folder.path().join("repaired");
    let refused = text(&["repair", at, "--into", path(&into)], 2);
    assert!(refused.contains("in use by told") && refused.contains("backup"), "{refused}");
    broker.stop();
    assert_eq!(json(&["info", at], 0)["master"]["state"], "released");
}

/// The level, and the bytes that were answered at risk: by the running broker, by its store while it runs, and after it died.
#[test]
fn how_durable_what_was_answered_is_is_told_by_stats_and_by_info_also_of_a_master_that_died() {
    let folder = directory();
    let at = folder.path().join("store");
    let instance = Instance::new("weak", &at).with(&["--journal-disk-sync-strategy", "never"]);
    let mut broker = instance.serve();
    let at = path(&at);
    let durability = |info: &Value| {
        let durability = &info["durability"];
        assert_eq!(durability["journalDiskSyncStrategy"], "never", "{info}");
        durability["bytes_at_risk"].as_u64().expect("a number")
    };
    send(&instance.address(), "orders", 30, 5000);
    let uri = instance.uri();
    let stats = support::command::kahawai(&["stats", "--url", &uri, "--json"]).json().remove(0);
    assert_eq!(stats["source"], "advisories", "{stats}");
    assert_eq!(
        (&stats["broker"]["name"], &stats["broker"]["journal_disk_sync_strategy"]),
        (&"weak".into(), &"never".into())
    );
    assert!(stats["broker"]["bytes_at_risk"].as_u64() > Some(150_000), "{stats}");
    let said = support::command::kahawai(&["stats", "--url", &uri]).ok();
    assert!(said.starts_with("journalDiskSyncStrategy never: 15"), "{said}");
    assert!(said.contains("lost if its machine fails now") && said.contains("queue://orders"), "{said}");

    // As of its last sign of life.
    until("the beat tells of them", || durability(&json(&["info", at], 0)) > 150_000);
    let said = text(&["info", at], 0);
    assert!(said.contains("durability: journalDiskSyncStrategy never; 15"), "{said}");
    assert!(said.contains("answered that are lost if the machine fails now"), "{said}");
    broker.0.kill();
    assert!(durability(&json(&["info", at], 0)) > 150_000);
    assert!(text(&["info", at], 0).contains("lost if the machine failed then"));

    let sound = Instance::new("sound", Path::new(at));
    let broker = sound.serve();
    until("the new master's beat tells", || {
        json(&["info", at], 0)["durability"]["journalDiskSyncStrategy"] == "always"
    });
    let said = text(&["info", at], 0);
    assert!(
        said.contains("durability: journalDiskSyncStrategy always; all that was answered is on the disk"),
        "{said}"
    );
    assert!(!support::command::kahawai(&["stats", "--url", &sound.uri()]).ok().contains("journalDiskSync"));
    broker.stop();
}

#[test]
fn what_is_no_store_is_refused_and_not_touched() {
    let folder = directory();
    fs::write(folder.path().join("letter"), "dear").expect("written");
    let before = digest(folder.path());
    for command in ["info", "verify", "dump"] {
        assert!(text(&[command, path(folder.path())], 2).contains("not a Kahawai store"));
        text(&[command, "/nonexistent/store"], 2);
    }
    assert_eq!(digest(folder.path()), before);
}

#[test]
fn damage_is_named_and_repair_salvages_the_rest_and_changes_nothing() {
    let folder = directory();
    let at = folder.path().join("store");
    let instance = Instance::new("broken", &at).with(&["--journal-max-file-length", "64kb"]);
    let broker = instance.serve();
    send(&instance.address(), "orders", 20, 3000);
    broker.stop();
    let dumped = text(&["dump", path(&at), "--destination", "orders"], 0);
    let records: Vec<Value> = dumped.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let record = &records[9];
    let id = record["operations"][0]["id"].as_u64().expect("an id");
    let file = at.join(record["file"].as_str().expect("a file"));
    let mut bytes = fs::read(&file).expect("its content");
    // In the message's body.
    let place = (record["offset"].as_u64().unwrap() + record["length"].as_u64().unwrap() / 2) as usize;
    bytes[place] ^= 0x40;
    fs::write(&file, &bytes).expect("written");
    let before = digest(&at);

    let verified = json(&["verify", path(&at)], 1);
    let findings = verified["findings"].as_array().expect("findings");
    assert_eq!(findings.len(), 1, "{verified:#}");
    // The damage cost the message it is in, and is told by the message's own place.
    let (from, to) = (findings[0]["from"].as_u64().unwrap(), findings[0]["to"].as_u64().unwrap());
    assert!(from <= place as u64 && (place as u64) < to && to - from > 3000, "{verified:#}");
    assert_eq!(findings[0]["sequence_first"], record["sequence"]);
    assert_eq!(findings[0]["messages"][0]["id"], id);
    let message_id = record["operations"][0]["message"]["message_id"].as_str().expect("an id");
    assert_eq!(findings[0]["messages"][0]["message_id"], message_id);
    assert_eq!(findings[0]["messages"][0]["destination"]["name"], "queue://orders");
    assert_eq!(verified["deliverable"]["messages"], 19);
    let words = text(&["verify", path(&at)], 1);
    assert!(words.contains(&format!("message {id} ({message_id}) of queue://orders")), "{words}");
    text(&["info", path(&at)], 1);

    let into = folder.path().join("repaired");
    let repaired = json(&["repair", path(&at), "--into", path(&into)], 1);
    assert_eq!(repaired["messages"], 19);
    assert_eq!(repaired["quarantined"].as_array().expect("files").len(), 1);
    assert!(folder.path().join("repaired.quarantine/report.json").is_file());
    assert_eq!(digest(&at), before, "the damaged store was touched");
    assert_eq!(json(&["verify", path(&into)], 0)["deliverable"]["messages"], 19);
    let recovered = store::look(&into);
    assert_eq!(recovered.destinations.iter().map(|found| found.messages).sum::<u64>(), 19);
    text(&["repair", path(&at), "--into", path(&into)], 2);
}

/// Ends the load also where an assertion fails: its scope waits for it.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends and takes until told to stop, so that segments are given up and recycled meanwhile.
fn load(address: &str, stop: &AtomicBool, settled: &AtomicU64) {
    let queue = Destination::queue("passing");
    let mut raw = Raw::open(address).expect("a connection");
    raw.open_producer().expect("a producer");
    raw.open_consumer(&queue, 100).expect("a consumer");
    while !stop.load(Ordering::Relaxed) {
        let message = raw.message(&queue, true, 8000);
        raw.send(&message).expect("it is sent");
        let (mut answered, mut dispatched) = (false, false);
        while !(answered && dispatched) {
            match raw.read().expect("an answer") {
                Command::Response(_) => answered = true,
                Command::MessageDispatch(dispatch) => {
                    let message = dispatch.message.as_ref().expect("a message");
                    let ack = MessageAck {
                        command_id: 1,
                        destination: Some(Arc::new(queue.clone())),
                        consumer_id: dispatch.consumer_id.clone(),
                        ack_type: MessageAck::STANDARD,
                        first_message_id: message.message_id.clone(),
                        last_message_id: message.message_id.clone(),
                        message_count: 1,
                        ..MessageAck::default()
                    };
                    raw.send(&ack.into()).expect("it is acknowledged");
                    dispatched = true;
                }
                _ => {}
            }
        }
        settled.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_store_that_nobody_serves_is_compacted_to_the_end_and_tells_what_was_written_again() {
    let folder = directory();
    let at = folder.path().join("store");
    let instance = Instance::new("full", &at).with(&["--journal-max-file-length", "64kb"]);
    let broker = instance.serve();
    let address = instance.address();
    let (stop, settled) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| load(&address, &stop, &settled));
        let _stop_at_end = StopAtEnd(&stop);
        for _ in 0..10 {
            let before = settled.load(Ordering::Relaxed);
            send(&address, "kept", 1, 3000);
            until("the load goes on", || settled.load(Ordering::Relaxed) >= before + 8);
        }
    });
    let refused = text(&["compact", path(&at)], 2);
    assert!(refused.contains("in use by full") && refused.contains("its master"), "{refused}");
    broker.stop();
    let before = json(&["info", path(&at)], 0);
    assert!(before["dead_bytes"].as_u64() > Some(32 << 10), "{before:#}");

    let done = json(&["compact", path(&at)], 0);
    let after = json(&["info", path(&at)], 0);
    assert_eq!(
        (&done["bytes_on_disk"], &after["live_bytes"]),
        (&after["bytes_on_disk"], &before["live_bytes"])
    );
    assert!(done["bytes_written_again"].as_u64() > Some(30_000), "{done:#}");
    assert!(after["dead_bytes"].as_u64() < Some(16 << 10), "{after:#}");
    assert!(after["bytes_on_disk"].as_u64() <= after["bound"].as_u64(), "{after:#}");
    let segments = after["segments"].as_array().expect("segments");
    let holding = segments.iter().find(|segment| segment["live_messages"] != 0).expect("one that holds some");
    assert!(holding["written_again"].as_u64() > Some(30_000), "{after:#}");
    let words = text(&["info", path(&at)], 0);
    assert!(
        words.contains("written again to give up segments: 3") && words.contains("keeps that below"),
        "{words}"
    );
    let why = text(&["why", path(&at), &holding["number"].to_string()], 0);
    assert!(why.contains("of queue://kept") && why.contains("written again by the cleaner"), "{why}");

    // What there is to compact is done: again, it does no harm.
    json(&["compact", path(&at)], 0);
    assert_eq!(json(&["verify", path(&at)], 0)["deliverable"]["messages"], 10);
    text(&["compact", path(folder.path())], 2);
    assert!(!folder.path().join("lock").exists(), "what is no store does not become one");
}

#[test]
fn a_backup_onto_another_file_system_ends_while_segments_are_given_up_and_leaves_no_name_behind() {
    let folder = directory();
    let Some(elsewhere) = Mount::small(32 << 10) else { return };
    let at = folder.path().join("store");
    let instance = Instance::new("busy", &at).with(&["--journal-max-file-length", "64kb"]);
    let broker = instance.serve();
    let address = instance.address();
    let (stop, settled) = (AtomicBool::new(false), AtomicU64::new(0));
    // Of a backup that was killed: nobody has its mark any more.
    fs::write(at.join("backup-00.tmp"), "").expect("written");
    fs::write(at.join("backup-00-journal-0000000001-0000000001.log.tmp"), "old").expect("written");
    std::thread::scope(|scope| {
        scope.spawn(|| load(&address, &stop, &settled));
        let _stop_at_end = StopAtEnd(&stop);
        for round in 0..4_u64 {
            let before = settled.load(Ordering::Relaxed);
            send(&address, "kept", 20, 8000);
            until("the load goes on", || settled.load(Ordering::Relaxed) >= before + 20);
            let into = elsewhere.join(&format!("backup-{round}"));
            let done = json(&["backup", path(&at), path(&into)], 0);
            assert!(done["linked"] == 0 && done["copied"].as_u64() > Some(2), "{done}");
            assert_eq!(json(&["verify", path(&into)], 0)["sound"], true);
            let recovered = store::look(&into);
            assert_eq!(recovered.damage, Vec::<String>::new());
            let kept = recovered.destinations.iter().find(|found| found.destination.name == "kept");
            assert_eq!(kept.expect("the queue").messages, 20 * (round + 1));
        }
    });
    let names = fs::read_dir(&at).expect("the store").map(|entry| entry.expect("a name").file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("backup-")).collect();
    assert!(left.is_empty(), "{left:?}");
    broker.stop();
}

#[test]
fn a_backup_of_a_broker_under_load_is_sound_and_serves() {
    let folder = directory();
    let at = folder.path().join("store");
    let instance = Instance::new("busy", &at).with(&["--journal-max-file-length", "64kb"]);
    let broker = instance.serve();
    let address = instance.address();
    let (stop, settled) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| load(&address, &stop, &settled));
        let _stop_at_end = StopAtEnd(&stop);
        let more = |count| {
            let before = settled.load(Ordering::Relaxed);
            until("the load goes on", || settled.load(Ordering::Relaxed) >= before + count);
        };
        more(50);
        for round in 0..4_usize {
            // They stay, and hold segments that a backup can link.
            send(&address, "kept", 20, 8000);
            more(20);
            let into = folder.path().join(format!("backup-{round}"));
            let done = json(&["backup", path(&at), path(&into)], 0);
            assert!(done["linked"].as_u64() > Some(0), "{done}");
            text(&["backup", path(&at), path(&into)], 2);
            // The master goes on, and what it does is not seen in the copy.
            let before = json(&["verify", path(&into)], 0);
            more(50);
            assert_eq!(json(&["verify", path(&into)], 0), before, "the copy changed");
            json(&["verify", path(&at)], 0);
            let recovered = store::look(&into);
            assert_eq!(recovered.damage, Vec::<String>::new());
            let kept = recovered.destinations.iter().find(|found| found.destination.name == "kept");
            assert_eq!(kept.expect("the queue").messages, 20 * (round as u64 + 1));
        }
    });
    broker.stop();
    let restored = Instance::new("restored", &folder.path().join("backup-3"));
    let broker = restored.serve();
    let mut raw = Raw::open(&restored.address()).expect("a connection");
    raw.open_consumer(&Destination::queue("kept"), 100).expect("a consumer");
    for _ in 0..80 {
        raw.read_dispatch().expect("what was kept");
    }
    drop(raw);
    broker.stop();
    json(&["verify", path(&at)], 0);
}
