//! The arbiter in a directory keeps what arbiters promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::sync::Arc;

use kahawai_replication::arbiter::{Arbiter, ArbiterError, Version};
use kahawai_replication::conformance::{self, Open};
use kahawai_replication::directory::DirectoryArbiter;
use kahawai_replication::record::{Member, Record};

fn each(case: fn(Open<'_>)) {
    let directory = tempfile::tempdir().unwrap();
    case(&|| Arc::new(DirectoryArbiter::new(directory.path())));
}

#[test]
fn a_change_is_made_once_and_seen_by_all() {
    each(conformance::a_change_is_made_once_and_seen_by_all);
}

#[test]
fn a_version_of_long_ago_changes_nothing() {
    each(conformance::a_version_of_long_ago_changes_nothing);
}

#[test]
fn each_term_has_one_master_whoever_tries_at_once() {
    each(conformance::each_term_has_one_master_whoever_tries_at_once);
}

#[test]
fn a_directory_that_is_not_there_is_not_made_and_one_that_is_damaged_gives_nothing_older() {
    let directory = tempfile::tempdir().unwrap();
    let missing = DirectoryArbiter::new(directory.path().join("mount"));
    let record = Record::begin([1; 16], Member([2; 16]));
    for error in [missing.read().unwrap_err(), missing.replace(Version(0), &record).unwrap_err()] {
        assert!(matches!(&error, ArbiterError::Unreachable(why) if why.contains("mount")), "{error}");
    }
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());

    let arbiter = DirectoryArbiter::new(directory.path());
    assert_eq!(arbiter.replace(Version(0), &record), Ok(true));
    assert_eq!(arbiter.replace(Version(1), &record.promote(record.master).unwrap()), Ok(true));
    // What is none of its files is passed over.
    fs::write(directory.path().join("pair-3.record"), "").unwrap();
    fs::write(directory.path().join("lost+found"), "").unwrap();
    assert_eq!(arbiter.read().unwrap().version, Version(2));
    let path = directory.path().join("pair-0000000002.record");
    let mut content = fs::read(&path).unwrap();
    content[30] ^= 1;
    fs::write(&path, &content).unwrap();
    let error = arbiter.read().unwrap_err();
    assert!(
        matches!(&error, ArbiterError::Damaged(why) if why.contains("pair-0000000002.record")),
        "{error}"
    );
    let last = directory.path().join(format!("pair-{}.record", u64::MAX));
    fs::write(&last, record.encode()).unwrap();
    let version = arbiter.read().unwrap().version;
    let error = arbiter.replace(version, &record).unwrap_err();
    assert!(
        matches!(&error, ArbiterError::Damaged(why) if why.contains("no version comes after")),
        "{error}"
    );
    // Nothing is left of what was written beside.
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")));
}
