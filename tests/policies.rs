//! The policies of an `activemq.xml` act: ActiveMQ's own client sees of a Kahawai that serves from the file what it sees of a real ActiveMQ that does.
//!
//! `tests/java/src/PolicyScript.java` plays scenes on the destinations of `tests/config/policies/activemq.xml` and says what it saw, line by line.
//! What it saw of ActiveMQ is in `activemq.seen` beside the file, which a real one is compared with here too (with `KAHAWAI_WRITE_REPORTS=1` it is
//! written anew). What it sees of Kahawai is the same, but for [`WISHED`].
//!
//! The example configurations of Debian's package activemq that a real ActiveMQ and Kahawai start from are compared by the scenes that need no policy
//! of their own.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::broker::Instance;
use support::process::Process;
use support::{directory, java};

/// A line of a scene that differs, and is meant to.
struct Wished {
    scene: &'static str,
    activemq: &'static str,
    kahawai: &'static str,
    /// Why this is better, or not yet otherwise.
    #[expect(dead_code, reason = "for those who read it")]
    why: &'static str,
}

const HELD_BACK: &str = "sender: held back, before all were sent";
const ALL_SENT: &str = "sender: all are sent";

const WISHED: &[Wished] = &[
    Wished {
        scene: "memory-queue-vm-cursor",
        activemq: HELD_BACK,
        kahawai: ALL_SENT,
        why: "whatever the cursor, what memory has no room for is read from the store: nobody has to wait for it (config check says so)",
    },
    Wished {
        scene: "memory-queue-send-fails",
        activemq: HELD_BACK,
        kahawai: ALL_SENT,
        why: "the same; and ActiveMQ itself takes sendFailIfNoSpace of an entry for nothing",
    },
    Wished {
        scene: "memory-temporary-queue",
        activemq: HELD_BACK,
        kahawai: "sender: ResourceAllocationException, before all were sent",
        why: "no store is a way out for a temporary queue: its sender is told why, where ActiveMQ lets it wait without a word",
    },
    Wished {
        scene: "memory-topic",
        activemq: HELD_BACK,
        kahawai: ALL_SENT,
        why: "from half of the limit on the store keeps what waits for a slow subscriber",
    },
    Wished {
        scene: "page-size-one-transaction",
        activemq: "in one transaction: not all",
        kahawai: "in one transaction: all",
        why: "a page is how much is read at once, and no bound of what a transaction may receive",
    },
    Wished {
        scene: "priority-asked-for",
        activemq: "p9 p4 p4 p1",
        kahawai: "p1 p4 p9 p4",
        why: "not yet: priorities are not built, and messages come in the order in which they were sent (config check says so)",
    },
];

/// The file and what was seen of it.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/policies").join(name)
}

/// A copy of the file where a broker may begin a base of its own: `conf/activemq.xml` in the directory.
fn installed(folder: &Path) -> PathBuf {
    let file = folder.join("conf/activemq.xml");
    fs::create_dir(folder.join("conf")).expect("a directory");
    fs::copy(beside("activemq.xml"), &file).expect("a copy");
    file
}

/// What the script saw, with these options.
fn seen(uri: &str, options: &[&str]) -> Vec<String> {
    let said = java::run("PolicyScript", &[&[uri], options].concat());
    said.into_iter().filter(|line| line.starts_with("SAW ")).collect()
}

/// What a client saw of ActiveMQ 5.17.2.
fn recorded() -> Vec<String> {
    let text = fs::read_to_string(beside("activemq.seen")).expect("the record");
    text.lines().map(str::to_owned).collect()
}

/// The record with what is wished otherwise.
fn expected() -> Vec<String> {
    let mut lines = recorded();
    for wished in WISHED {
        let line = |text| format!("SAW {}: {text}", wished.scene);
        let theirs = line(wished.activemq);
        let place = lines.iter_mut().find(|found| **found == theirs);
        *place.unwrap_or_else(|| panic!("ActiveMQ does otherwise than by the table: {theirs}")) =
            line(wished.kahawai);
    }
    lines
}

#[track_caller]
fn assert_same(found: &[String], expected: &[String]) {
    let only = |these: &[String], others: &[String], mark| -> String {
        let lines = these.iter().filter(|line| !others.contains(line));
        lines.map(|line| format!("{mark} {line}\n")).collect()
    };
    let differences = only(expected, found, "expected") + &only(found, expected, "found   ");
    assert!(found == expected, "{differences}of {} lines", expected.len());
}

#[test]
fn the_client_sees_the_policies_act() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let broker = Instance::configured("judged", &installed(folder.path()));
    let served = broker.serve();
    assert_same(&seen(&broker.uri(), &[]), &expected());
    served.stop();
}

/// A real ActiveMQ that serves from a file, and where it listens.
fn start_activemq(file: &Path) -> (Process, String) {
    let broker = java::start("RunActiveMQ", &["--config", file.to_str().expect("UTF-8")]);
    let (uri, _) = broker.wait_since(0, "LISTENING", |line| {
        let uri = line.strip_prefix("LISTENING ")?.split_whitespace().next()?;
        Some(uri.to_owned())
    });
    (broker, uri)
}

#[test]
fn a_real_activemq_shows_what_was_recorded_of_it() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let (mut broker, uri) = start_activemq(&installed(folder.path()));
    let found = seen(&uri, &[]);
    broker.tell("stop");
    broker.wait_end();
    if std::env::var_os("KAHAWAI_WRITE_REPORTS").is_some() {
        fs::write(beside("activemq.seen"), found.join("\n") + "\n").expect("it is written");
    }
    assert_same(&found, &recorded());
}

/// The examples that both start from. The others want what is not in Debian (Derby, Camel, Jetty), are of networks, speak no OpenWire, or what Kahawai refuses.
const EXAMPLES: &[&str] = &[
    "etc/activemq/instances-available/main/activemq.xml",
    "usr/share/doc/activemq/examples/conf/activemq-scalability.xml",
    "usr/share/doc/activemq/examples/conf/activemq-throughput.xml",
];

const OF_EVERY_FILE: &str = "memory-queue,memory-queue-not-persistent,memory-topic,page-size,pending-any,pending-constant,\
                             priority-by-default,dead-by-default";

#[test]
fn the_examples_of_debians_activemq_serve_as_with_a_real_one() {
    if java::is_skipped() {
        return;
    }
    let package = beside("../debian/package");
    if !package.exists() {
        support::tell(
            "SKIPPED: Debian's package activemq is not unpacked (tests/fetch): its example configurations are NOT served",
        );
        return;
    }
    for name in EXAMPLES {
        let text = fs::read_to_string(package.join(name)).expect("an example");
        // The system gives the ports.
        let text = text.replace("0.0.0.0:", "127.0.0.1:").replace(":61616", ":0");
        let [theirs, ours] = [directory(), directory()];
        let [their_file, our_file] = [&theirs, &ours].map(|folder| {
            let file = folder.path().join("conf/activemq.xml");
            fs::create_dir(folder.path().join("conf")).expect("a directory");
            fs::write(&file, &text).expect("a file");
            file
        });
        let options = ["--only", OF_EVERY_FILE];
        let (mut activemq, uri) = start_activemq(&their_file);
        let expected = seen(&uri, &options);
        activemq.tell("stop");
        activemq.wait_end();
        assert!(expected.len() >= 10, "{name}: {expected:#?}");
        let broker = Instance::configured("example", &our_file);
        let served = broker.serve();
        let found = seen(&broker.uri(), &options);
        served.stop();
        support::tell(&format!("{name}: {} lines", found.len()));
        assert_same(&found, &expected);
    }
}
