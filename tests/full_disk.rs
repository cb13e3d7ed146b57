//! A full disk holds up senders, with a clear error, and nobody else.
//!
//! The store is on a file system of a few MiB. Senders are refused with JMS's `ResourceAllocationException` when it is full;
//! consumers still consume and acknowledge, which makes room, and sending works again. Then it is full once more, the broker is
//! killed and started again on the full disk: it serves, and the ledgers tell that nothing that was acknowledged is lost.

mod support;

use support::broker::Instance;
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
