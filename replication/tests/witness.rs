//! The arbiter at a witness keeps what arbiters promise; and a witness bears whatever comes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::sync::Arc;

use kahawai_replication::arbiter::{Arbiter, ArbiterError, Held, Version};
use kahawai_replication::conformance::{self, Open};
use kahawai_replication::record::{Member, Record};
use kahawai_replication::witness::message::Answer;
use kahawai_replication::witness::shelf::{PAIRS_MAX, ShelfError};
use kahawai_replication::witness::{Carry, PairName, Records as _, Shelf, WitnessArbiter, answer};

/// A line that gives each byte by itself.
struct Direct(Arc<Shelf>);

impl Carry for Direct {
    fn carry(&self, question: &[u8]) -> Result<Vec<u8>, String> {
        for length in 0..question.len() {
            assert_eq!(answer(&question[..length], &*self.0), None, "{length} bytes are no question");
        }
        Ok(answer(question, &*self.0).unwrap())
    }
}

fn name(text: &str) -> PairName {
    PairName::parse(text).unwrap()
}

fn record() -> Record {
    Record::begin([1; 16], Member([2; 16]))
}

fn each(case: fn(Open<'_>)) {
    let directory = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::open(directory.path()).unwrap());
    // Others at the same witness are of no account.
    shelf.replace(&name("other"), Version(0), &record()).unwrap();
    case(&|| Arc::new(WitnessArbiter::new(Direct(Arc::clone(&shelf)), PairName::default())));
    assert_eq!(shelf.read(&name("other")).unwrap().version, Version(1));
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
fn what_a_witness_holds_outlives_it_and_no_second_one_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("witness");
    assert!(matches!(Shelf::open(&path.join("below")), Err(ShelfError::Io(..))), "a mount may be missing");
    assert!(!path.exists());
    let shelf = Shelf::open(&path).unwrap();
    // Whoever only asks makes nothing; nor does whoever has a version of something else.
    assert_eq!(shelf.read(&name("a")), Ok(Held::default()));
    assert_eq!(shelf.replace(&name("a"), Version(3), &record()), Ok(false));
    assert_eq!(shelf.names(), []);
    assert_eq!(shelf.replace(&name("a"), Version(0), &record()), Ok(true));
    assert!(matches!(Shelf::open(&path), Err(ShelfError::Taken(_))));
    fs::write(path.join("pairs/a/pair-00-0.new"), "half").unwrap();
    drop(shelf);
    let shelf = Shelf::open(&path).unwrap();
    assert!(!path.join("pairs/a/pair-00-0.new").exists(), "of one that was killed");
    assert_eq!(shelf.names(), [name("a")]);
    assert_eq!(shelf.read(&name("a")), Ok(Held { version: Version(1), record: Some(record()) }));
    drop(shelf);
    fs::write(path.join("pairs/.hidden"), "").unwrap();
    assert!(matches!(Shelf::open(&path), Err(ShelfError::Strange(_))));
}

#[test]
fn the_pairs_of_a_witness_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..PAIRS_MAX {
        fs::create_dir_all(directory.path().join(format!("pairs/p{number}"))).unwrap();
    }
    let shelf = Shelf::open(directory.path()).unwrap();
    let refused = shelf.replace(&name("more"), Version(0), &record());
    assert!(
        matches!(&refused, Err(ArbiterError::Unreachable(why)) if why.contains("no more")),
        "{refused:?}"
    );
    assert_eq!(shelf.replace(&name("p7"), Version(0), &record()), Ok(true), "it has those that it has");
}

/// A line at whose end somebody else is.
struct Says(Result<Vec<u8>, String>);

impl Carry for Says {
    fn carry(&self, _question: &[u8]) -> Result<Vec<u8>, String> {
        self.0.clone()
    }
}

#[test]
fn an_answer_that_is_none_is_no_answer() {
    let cut = Answer::Replaced(true).encode();
    let cut = cut[..cut.len() - 1].to_vec();
    for (said, expected) in [
        (Err("nobody is there".to_owned()), "nobody is there"),
        (Ok(Vec::new()), "broke its answer off"),
        (Ok(cut), "broke its answer off"),
        (Ok(b"HTTP/1.1 400".to_vec()), "no witness"),
        (Ok(Answer::Refused("two\nlines".to_owned()).encode()), "two lines"),
        (Ok(Answer::Unreachable("its disk".to_owned()).encode()), "its disk"),
    ] {
        let arbiter = WitnessArbiter::new(Says(said), PairName::default());
        for error in [arbiter.read().unwrap_err(), arbiter.replace(Version(0), &record()).unwrap_err()] {
            assert!(matches!(&error, ArbiterError::Unreachable(why) if why.contains(expected)), "{error}");
        }
    }
    let damaged = Answer::Damaged("a file".to_owned()).encode();
    let arbiter = WitnessArbiter::new(Says(Ok(damaged)), PairName::default());
    assert_eq!(arbiter.read(), Err(ArbiterError::Damaged("a file".to_owned())));
    // An answer to something else is none.
    let arbiter = WitnessArbiter::new(Says(Ok(Answer::Replaced(true).encode())), PairName::default());
    assert!(arbiter.read().is_err());
    let arbiter = WitnessArbiter::new(Says(Ok(Answer::Held(Held::default()).encode())), PairName::default());
    assert!(arbiter.replace(Version(0), &record()).is_err());
}

#[test]
fn a_stranger_is_told_so_at_once_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(directory.path()).unwrap();
    for strange in [&b"G"[..], b"GET / HTTP/1.1\r\n\r\n", b"KAHAWIT\n\x02\x00", b"KAHAWIT\n\x09\x00\x00\x00"]
    {
        let told = answer(strange, &shelf).map(|bytes| Answer::decode(&bytes));
        match strange.len() {
            10 => assert_eq!(told, None, "its version is known with its length"),
            _ => assert!(matches!(told, Some(Ok(Some(Answer::Refused(_))))), "{told:?}"),
        }
    }
    assert_eq!(shelf.names(), []);
}
