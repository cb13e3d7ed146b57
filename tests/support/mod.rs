//! What the tests with real processes share: brokers, Java clients, loads with ledgers, and waiting for what they say.
//!
//! | module | what it does |
//! |---|---|
//! | [`process`] | a child process whose lines can be waited for; ended by its pid when dropped |
//! | [`port`] | a port of one's own |
//! | [`broker`] | `kahawai serve` |
//! | [`activemq`] | a real ActiveMQ |
//! | [`command`] | the command, run to its end |
//! | [`crossing`] | messages that cross a bridge |
//! | [`crossing_load`] | a load over a bridge, and the verdict over it |
//! | [`java`] | the Java programs of `tests/java` |
//! | [`load`] | producers and consumers with ledgers, and the verdict over them |
//! | [`raw`] | a bare OpenWire connection |
//! | [`store`] | a look at a store nobody serves |
//! | [`pairs`] | pairs of master and slave, as members of a network |
//! | [`netns`] | hosts of a test's own, with links that can be cut |
//! | [`mount`] | a small file system of one's own |
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod activemq;
pub mod broker;
pub mod command;
pub mod crossing;
pub mod crossing_load;
pub mod java;
pub mod load;
pub mod mariadb;
pub mod mount;
pub mod netns;
pub mod pairs;
pub mod port;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod sql;
pub mod store;

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

/// The longest that a test waits for anything: generous, as other work may share the machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often the tests that repeat do so: 1, or what `KAHAWAI_TEST_SCALE` says.
pub fn scale() -> u64 {
    std::env::var("KAHAWAI_TEST_SCALE").map_or(1, |text| {
        text.parse().ok().filter(|scale| *scale > 0).expect("KAHAWAI_TEST_SCALE needs a whole number from 1")
    })
}

/// A directory on the disk that holds the build, so that a flush means something.
pub fn directory() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

/// Says something even where the test harness captures what passing tests print: figures, and what was skipped.
pub fn tell(line: &str) {
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    let _ = writeln!(std::io::stderr(), "# {test}: {line}");
}

/// A word that no other test and no other run uses.
pub fn process_unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Every file below a directory with its length and content, to find out whether anything was touched.
pub fn digest(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).expect("the directory can be read") {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("its metadata");
            let content =
                if meta.is_file() { std::fs::read(&path).expect("its content") } else { Vec::new() };
            found.push(format!(
                "{} {:?} {:?} {content:?}",
                path.display(),
                meta.modified(),
                meta.permissions()
            ));
            if meta.is_dir() {
                left.push(path);
            }
        }
    }
    found.sort();
    found
}
