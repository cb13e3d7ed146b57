//! A load over a bridge: sent at one broker, taken at another, with ledgers and a verdict: nothing is lost, and what comes twice is counted.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::process::Process;
use super::{PATIENCE, java};

/// So many messages are a line of progress.
const STEP: usize = 10;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// So many by each of so many producers, who wait for each answer.
    Each { producers: usize, messages: usize },
    /// One after the other, for as long as the load runs.
    Ever,
    /// A thousand at once, again and again: when the first of them come, a bridge has as much on its way as it may.
    Heaps,
    /// The same, with a second between: no more than several bridges on one machine carry, so that nothing piles up in a long run.
    SparseHeaps,
}

/// A running load.
pub struct CrossingLoad {
    queue: String,
    folder: PathBuf,
    there: String,
    is_endless: bool,
    produce: Process,
    consume: Process,
    seen: usize,
}

impl CrossingLoad {
    /// Sends here and takes there.
    pub fn start(folder: &Path, here: &str, there: &str, queue: &str, sends: Sent) -> Self {
        Self::begin(folder, here, there, (queue, &["--queue", queue]), sends, || {})
    }

    /// Publishes here, once `is_wanted` has returned: for a durable subscription there.
    pub fn start_durable(
        folder: &Path,
        here: &str,
        there: &str,
        topic: &str,
        sends: Sent,
        is_wanted: impl FnOnce(),
    ) -> Self {
        Self::begin(folder, here, there, (topic, &["--topic", topic]), sends, is_wanted)
    }

    fn begin(
        folder: &Path,
        here: &str,
        there: &str,
        (name, destination): (&str, &[&str]),
        sends: Sent,
        is_wanted: impl FnOnce(),
    ) -> Self {
        let (sent, received) = (ledger(folder, name, "sent"), ledger(folder, name, "received"));
        let (producers, messages, more) = match sends {
            Sent::Each { producers, messages } => (producers, messages, &[][..]),
            Sent::Ever => (1, 0, &[][..]),
            Sent::Heaps => (1, 0, &["--per-commit", "1000", "--pause", "200"][..]),
            Sent::SparseHeaps => (1, 0, &["--per-commit", "1000", "--pause", "1000"][..]),
        };
        let (expected, step) = ((producers * messages).to_string(), STEP.to_string());
        let seconds = (600 * super::scale()).to_string();
        let consume = ["--ledger", &received, "--mode", "auto", "--seconds", &seconds, "--client-id", name];
        let progress = ["--progress", &step, "--expect", &expected];
        let consume = java::start("Consume", &[&[there], destination, &consume, &progress].concat());
        consume.wait_line(0, "READY");
        is_wanted();
        let (producers, messages) = (producers.to_string(), messages.to_string());
        // Whose a dead letter is must be seen in it.
        let prefix = format!("{name}.");
        let produce = ["--ledger", &sent, "--producers", &producers, "--prefix", &prefix];
        let until = ["--messages", &messages, "--seconds", &seconds];
        let produce = java::start("Produce", &[&[here], destination, &produce, &until, more].concat());
        let is_endless = messages == "0";
        let (queue, folder, there) = (name.to_owned(), folder.to_owned(), there.to_owned());
        Self { queue, folder, there, is_endless, produce, consume, seen: 0 }
    }

    /// Its queue, or topic.
    pub fn name(&self) -> &str {
        &self.queue
    }

    /// Waits until so many more have come.
    pub fn wait_come(&mut self, messages: usize) {
        for _ in 0..messages.div_ceil(STEP) {
            self.seen = self.consume.wait_line(self.seen, "PROGRESS").1;
        }
    }

    /// As [`Self::wait_come`], of those that come from now on.
    pub fn wait_come_from_now(&mut self, messages: usize) {
        self.seen = self.consume.here();
        self.wait_come(messages);
    }

    /// Sends no more, where it would for ever: for loads that are to end together.
    pub fn stop_sending(&mut self) {
        self.produce.tell("stop");
    }

    /// Waits until all have come, and gives the verdict's figures.
    pub fn finish(self) -> String {
        self.judge(&[])
    }

    /// The same where nothing was cut: each came once and in order.
    pub fn finish_whole(self) -> String {
        let figures = self.judge(&["--order"]);
        assert!(came_twice(&figures) == 0 && figures.contains(" disordered=0 "), "{figures}");
        figures
    }

    fn judge(mut self, order: &[&str]) -> String {
        let path = |name: &str| ledger(&self.folder, &self.queue, name);
        let (sent, received, dead) = (path("sent"), path("received"), path("dead"));
        if self.is_endless {
            self.stop_sending();
        }
        assert!(self.produce.wait_end().success(), "{}", self.produce.tail());
        if self.is_endless {
            let sent = &facts(&sent, "ACKED ") | &facts(&sent, "COMMITTED ");
            wait_all(&self.queue, sent, &received);
            self.consume.tell("stop");
        }
        let status = self.consume.wait_end();
        assert!(status.success(), "not all came: {status}\n{}", self.consume.tail());
        // The client itself buries what it takes for a duplicate after a failover.
        let bury = ["--queue", "ActiveMQ.DLQ", "--ledger", &dead, "--mode", "auto", "--idle", "1"];
        java::run("Consume", &[&[&*self.there], &bury[..]].concat());
        let buried = buried(&self.folder);
        let verify = ["--sent", &sent, "--received", &received, "--mode", "auto", "--dead", &buried];
        let verdict = java::run("Verify", &[&verify[..], order].concat());
        let figures = verdict.iter().find(|line| line.starts_with("sent=")).expect("figures");
        assert!(figures.contains(" lost=0 ") && !figures.contains(" sure=0 "), "{figures}");
        figures.clone()
    }
}

/// Waits until all of these have been received, for as long as any are. What the ledger holds is read once: long runs have long ones.
fn wait_all(queue: &str, sent: HashSet<String>, received: &str) {
    let (count, mut left) = (sent.len(), sent);
    let mut ledger = BufReader::new(File::open(received).expect("the ledger"));
    let mut line = String::new();
    let mut deadline = Instant::now() + PATIENCE;
    while !left.is_empty() {
        // One that is just being written lacks its end, and goes on with the next that is read.
        if ledger.read_line(&mut line).expect("the ledger is read") > 0 {
            if line.ends_with('\n') {
                let id = line.strip_prefix("RECEIVED ").and_then(|rest| rest.split(' ').next());
                left.remove(id.unwrap_or_default());
                line.clear();
                deadline = Instant::now() + PATIENCE;
            }
            continue;
        }
        assert!(Instant::now() < deadline, "of {count} that were sent to {queue} {} never came", left.len());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The ledgers of dead letters in a folder: whoever looked first took those of all loads.
fn buried(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let dead = entries.filter(|path| path.extension().is_some_and(|extension| extension == "dead"));
    dead.map(|path| path.display().to_string()).collect::<Vec<_>>().join(",")
}

/// So many a bridge, or a client, has in its hand at most: its prefetch.
pub const PREFETCH: usize = 1000;
/// At a cut nobody knows of so many messages at most whether they have crossed a bridge, or were taken by a client, who waits for no answer to its
/// acknowledgements.
pub const UNDER_WAY: usize = 2 * PREFETCH;

/// How many came twice, by a verdict's figures: those that a client took, and those that it buried since it had taken them before.
pub fn came_twice(figures: &str) -> usize {
    let figure = |name: &str| {
        let word = figures.split(' ').find_map(|word| word.strip_prefix(name));
        word.expect("a figure").parse::<usize>().expect("a number")
    };
    figure("duplicated=") + figure("dead=")
}

fn ledger(folder: &Path, queue: &str, name: &str) -> String {
    folder.join(format!("{queue}.{name}")).to_str().expect("UTF-8").to_owned()
}

/// The messages of a ledger's lines that begin so. One that is just being written may lack its end.
fn facts(path: &str, fact: &str) -> HashSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let each = whole.lines().filter_map(|line| line.strip_prefix(fact));
    // Behind the name of a transaction stand all that it holds.
    let (name, most) = if fact == "COMMITTED " { (1, usize::MAX) } else { (0, 1) };
    each.flat_map(|rest| rest.split(' ').skip(name).take(most)).map(str::to_owned).collect()
}
