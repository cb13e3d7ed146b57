//! Producers and consumers with ledgers, and the verdict over them.

use std::path::{Path, PathBuf};

use super::java;
use super::process::Process;

/// What kind of load.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub producers: u32,
    /// Messages in a producer's transaction; 0 for plain sends.
    pub sends_per_commit: u32,
    pub consumers: u32,
    /// `transacted`, `client` or `auto`.
    pub mode: &'static str,
    /// Every so many transactions one is rolled back by its consumer; 0 for none.
    pub rollback_every: u32,
}

impl Kind {
    /// Plain sends, and transacted consumers: what can be judged most strictly.
    pub const STRICT: Self =
        Self { producers: 2, sends_per_commit: 0, consumers: 2, mode: "transacted", rollback_every: 0 };
}

/// A running load.
pub struct Load {
    kind: Kind,
    queue: String,
    folder: PathBuf,
    url: String,
    produce: Process,
    consume: Process,
    bury: Option<Process>,
}

impl Load {
    /// Starts it and waits until both ends are connected. Ledgers go into `folder`.
    pub fn start(folder: &Path, url: &str, queue: &str, kind: Kind) -> Self {
        let path = |name: &str| folder.join(format!("{queue}.{name}")).to_str().expect("UTF-8").to_owned();
        let number = |number: u32| number.to_string();
        let (producers, per_commit) = (number(kind.producers), number(kind.sends_per_commit));
        let produce = java::start(
            "Produce",
            &[
                url,
                "--queue",
                queue,
                "--ledger",
                &path("sent"),
                "--producers",
                &producers,
                "--per-commit",
                &per_commit,
                "--progress",
                "10",
                "--seconds",
                "600",
            ],
        );
        let (consumers, rollback) = (number(kind.consumers), number(kind.rollback_every));
        let consume = java::start(
            "Consume",
            &[
                url,
                "--queue",
                queue,
                "--ledger",
                &path("received"),
                "--consumers",
                &consumers,
                "--mode",
                kind.mode,
                "--rollback-every",
                &rollback,
                "--progress",
                "10",
                "--seconds",
                "600",
            ],
        );
        produce.wait_line(0, "READY");
        consume.wait_line(0, "READY");
        let (queue, folder, url) = (queue.to_owned(), folder.to_owned(), url.to_owned());
        Self { kind, queue, folder, url, produce, consume, bury: None }
    }

    /// Consumes dead letters as well from now on. A message that stays there keeps its segment, and all after it, from being
    /// released.
    pub fn bury_the_dead(mut self) -> Self {
        let dead = self.ledger("dead");
        let arguments =
            [&self.url, "--queue", "ActiveMQ.DLQ", "--ledger", &dead, "--mode", "auto", "--seconds", "600"];
        let bury = java::start("Consume", &arguments);
        bury.wait_line(0, "READY");
        self.bury = Some(bury);
        self
    }

    fn ledger(&self, name: &str) -> String {
        self.folder.join(format!("{}.{name}", self.queue)).to_str().expect("UTF-8").to_owned()
    }

    /// Waits until so many more sends and so many more receipts are settled than now.
    pub fn wait_progress(&self, more: u64) {
        for end in [&self.produce, &self.consume] {
            let here = end.here();
            let before = progress(&end.said_since(0));
            end.wait_since(here, "PROGRESS", |line| (progress_of(line)? >= before + more).then_some(()));
        }
    }

    /// Stops the load, drains the queue and judges the ledgers: nothing lost, torn or made up, and to transacted
    /// consumers nothing twice. Gives the verdict's figures.
    pub fn finish(mut self) -> String {
        self.produce.tell("stop");
        let status = self.produce.wait_end();
        assert!(status.success(), "Produce ended with {status}\n{}", self.produce.tail());
        self.consume.tell("stop");
        let status = self.consume.wait_end();
        assert!(status.success(), "Consume ended with {status}\n{}", self.consume.tail());
        if let Some(mut bury) = self.bury.take() {
            bury.tell("stop");
            assert!(bury.wait_end().success(), "Consume ended badly\n{}", bury.tail());
        }
        // The client itself buries what it takes for a duplicate after a failover.
        let (rest, dead) = (self.ledger("rest"), self.ledger("dead"));
        let drain = |queue: &str, ledger: &str| {
            let mode = self.kind.mode;
            java::start(
                "Consume",
                &[&self.url, "--queue", queue, "--ledger", ledger, "--mode", mode, "--idle", "1"],
            )
        };
        for mut draining in [drain(&self.queue, &rest), drain("ActiveMQ.DLQ", &dead)] {
            let status = draining.wait_end();
            assert!(status.success(), "Consume ended with {status}\n{}", draining.tail());
        }
        let received = format!("{},{rest}", self.ledger("received"));
        let sent = self.ledger("sent");
        let mut arguments =
            vec!["--sent", &sent, "--received", &received, "--mode", self.kind.mode, "--dead", &dead];
        if self.kind.consumers == 1 && self.kind.mode == "transacted" {
            arguments.push("--order");
        }
        let mut verify = java::start("Verify", &arguments);
        let status = verify.wait_end();
        let verdict = verify.said_since(0);
        assert!(status.success(), "{:?}: the verdict:\n{}", self.kind, verdict.join("\n"));
        let figures =
            verdict.into_iter().find(|line| line.starts_with("sent=")).expect("the verdict's figures");
        let sure =
            figures.split(' ').find_map(|word| word.strip_prefix("sure=")).and_then(|sure| sure.parse().ok());
        assert!(sure.is_some_and(|sure: u64| sure > 0), "nothing was sent: {figures}");
        figures
    }

    /// Keeps the ledgers and the store of a failure where they can be looked at afterwards.
    fn keep_ledgers(&self) {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("failed-{}", std::process::id()));
        let _ = std::fs::create_dir_all(&kept);
        for name in ["sent", "received", "rest", "dead"] {
            let ledger = self.ledger(name);
            let _ = std::fs::copy(&ledger, kept.join(format!("{}.{name}", self.queue)));
        }
        let store = kept.join(format!("{}.store", self.queue));
        let _ = std::fs::create_dir_all(&store);
        for entry in std::fs::read_dir(self.folder.join("store")).into_iter().flatten().flatten() {
            let _ = std::fs::copy(entry.path(), store.join(entry.file_name()));
        }
        super::tell(&format!("ledgers and store are kept in {}", kept.display()));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_ledgers();
            for end in [&self.produce, &self.consume] {
                super::tell(&format!("{} had come to PROGRESS {}", end.name(), progress(&end.said_since(0))));
            }
        }
    }
}

fn progress_of(line: &str) -> Option<u64> {
    line.strip_prefix("PROGRESS ")?.parse().ok()
}

fn progress(lines: &[String]) -> u64 {
    lines.iter().rev().find_map(|line| progress_of(line)).unwrap_or(0)
}
