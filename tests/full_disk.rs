//! A full disk holds up senders, with a clear error, and nobody else.
//!
//! The store is on a file system of a few MiB. Senders are refused with JMS's `ResourceAllocationException` when it is full;
//! consumers still consume and acknowledge, which makes room, and sending works again. Then it is full once more, the broker is
//! killed and started again on the full disk: it serves, and the ledgers tell that nothing that was acknowledged is lost.

mod support;

use std::io::Write;
use std::path::Path;

use support::broker::Instance;
use support::command::kahawai;
use support::load::Kind;
use support::mount::Mount;
use support::process::until;
use support::{directory, java, store, tell};

const REFUSAL: &str = "ResourceAllocationException";

fn count(ledger: &str, what: &str) -> usize {
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    text.lines().filter(|line| line.contains(what)).count()
}

#[test]
fn senders_are_refused_and_all_else_goes_on() {
    if java::is_skipped() {
        return;
    }
    let Some(mount) = Mount::small(8 << 10) else { return };
    let folder = directory();
    let ledger = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let path = mount.join("store");
    let instance = Instance::new("full", &path).with(&["--journal-max-file-length", "512kb"]);
    let mut broker = instance.serve();
    let url = format!("failover:({})?initialReconnectDelay=50&maxReconnectDelay=100", instance.uri());
    let (sent, received, rest) = (ledger("sent"), ledger("received"), ledger("rest"));
    let mut produce = java::start(
        "Produce",
        &[
            &url,
            "--queue",
            "full",
            "--ledger",
            &sent,
            "--producers",
            "2",
            "--seconds",
            "600",
            "--progress",
            "0",
        ],
    );
    produce.wait_line(0, "READY");
    until("senders are refused", || count(&sent, REFUSAL) > 0);
    let stored = count(&sent, "ACKED");
    let reason = std::fs::read_to_string(&sent).expect("the ledger");
    let reason = reason.lines().find(|line| line.contains(REFUSAL)).expect("a refusal").to_owned();
    tell(&format!("{stored} messages were stored, then: {reason}"));
    assert!(reason.contains("Store is Full"), "{reason}");

    // Acknowledgements find room where messages do not; they make room, and sending works again.
    let mode = Kind::STRICT.mode;
    let mut consume = java::start(
        "Consume",
        &[
            &url,
            "--queue",
            "full",
            "--ledger",
            &received,
            "--mode",
            mode,
            "--seconds",
            "600",
            "--progress",
            "0",
        ],
    );
    until("what was stored is consumed", || count(&received, "RECEIVED") >= stored);
    until("sending works again", || count(&sent, "ACKED") > stored + 200);

    // Full once more.
    consume.tell("stop");
    assert!(consume.wait_end().success(), "{}", consume.tail());
    let refused = count(&sent, REFUSAL);
    until("senders are refused again", || count(&sent, REFUSAL) > refused);
    produce.tell("stop");
    assert!(produce.wait_end().success(), "{}", produce.tail());
    let warned = broker.0.said_since(0).iter().filter(|line| line.contains("the store is full")).count();
    tell(&format!("{} sends were refused; the log has {warned} lines of it", count(&sent, REFUSAL)));
    assert!(warned > 0, "the log does not say that the store is full");
    assert!(warned < 100 && warned <= count(&sent, REFUSAL), "the log says it {warned} times");
    broker.0.kill();
    broker.assert_sound();

    // It starts on the full disk and gives out what is there.
    let broker = instance.serve();
    java::run("Consume", &[&url, "--queue", "full", "--ledger", &rest, "--mode", mode, "--idle", "1"]);
    let all = format!("{received},{rest}");
    let verdict = java::run("Verify", &["--sent", &sent, "--received", &all, "--mode", mode, "--order"]);
    tell(&verdict.join(" "));
    broker.stop();
    store::assert_drained(&path, "full");
}

/// Something else takes all that is left, to the last byte: what the broker had prepared for later is what it starts with.
#[test]
fn a_disk_that_something_else_filled_does_not_forbid_the_start() {
    let Some(mount) = Mount::small(24 << 10) else { return };
    let path = mount.join("store");
    let instance = Instance::new("filled", &path).with(&["--journal-max-file-length", "2mb"]);
    let mut broker = instance.serve();
    let uri = instance.uri();
    let body = "x".repeat(1000);
    kahawai(&["send", "Q", &body, "--count", "500", "--url", &uri]).ok();
    let spares = || names(&path).iter().filter(|name| name.starts_with("spare-")).count();
    until("spares are prepared", || spares() > 1);
    fill(&mount.join("ballast"));
    broker.0.kill();
    fill(&mount.join("more"));

    let mut broker = instance.serve();
    let received = kahawai(&["receive", "Q", "--count", "500", "--wait", "30s", "--url", &uri]).ok();
    assert_eq!(received.lines().filter(|line| line.contains(&body)).count(), 500);
    // And again, with what that start had prepared.
    until("a spare is prepared", || spares() > 0);
    broker.0.kill();
    fill(&mount.join("yet-more"));
    let broker = instance.serve();
    broker.stop();
    store::assert_drained(&path, "Q");
}

fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Writes a file until nothing more fits.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("a name for the ballast");
    for length in [64 << 10, 4096, 1] {
        while file.write_all(&vec![0; length]).is_ok() {}
    }
}
