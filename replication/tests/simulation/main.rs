//! A pair in a simulated world, with everything that can go wrong: the deciding code, run as a process would, over the real journal.
//!
//! `KAHAWAI_TEST_SCALE` multiplies the number of seeds (default 1), `KAHAWAI_TEST_SEEDS` says it; the first is `KAHAWAI_TEST_SEED` (default 0).

#![allow(clippy::print_stdout, reason = "tells how often each fault had an effect")]

mod arbiter;
mod broker;
mod bug;
mod client;
mod dial;
mod frames;
mod line;
mod member;
mod play;
mod scenarios;
mod serve;
mod setup;
mod wish;

use bug::Bug;
use kahawai_simulation::fault::Counts;
use play::{Family, play};

/// Where members listen.
const PORT: u16 = 61616;
/// What whoever listens says first.
const GREETING: u8 = b'K';
/// What a member says first, and a client.
const PAIR: u8 = b'P';
const CLIENT: u8 = b'C';

/// How many seeds of each family are played.
fn seeds() -> u64 {
    let scale = number("KAHAWAI_TEST_SCALE").unwrap_or(1);
    number("KAHAWAI_TEST_SEEDS").unwrap_or(600 * scale)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

fn every_law_is_kept(family: Family) {
    let mut counts = Counts::default();
    let (mut cut, mut not_cut) = (0, 0);
    let first = number("KAHAWAI_TEST_SEED").unwrap_or_default();
    for seed in first..first + seeds() {
        let played = play(family, seed, Bug::None, false);
        counts.add(&played.counts);
        (cut, not_cut) = (cut + played.cuts.0, not_cut + played.cuts.1);
        if !played.wrong.is_empty() {
            let lines = play(family, seed, Bug::None, true).lines;
            panic!("{family:?}, seed {seed}:\n{}\n{}", lines.join("\n"), played.wrong.join("\n"));
        }
    }
    println!("{family:?}: {} seeds; {cut} stores cut, {not_cut} that could not be", seeds());
    assert!(cut >= seeds() / 50, "{cut} stores were cut only");
    for fault in family.faults() {
        println!("{fault:?}: {}", counts.of(fault));
        assert!(counts.of(fault) >= seeds() / 50, "{fault:?} had an effect {} times only", counts.of(fault));
    }
}

#[test]
fn with_an_arbiter_every_law_is_kept_whatever_goes_wrong() {
    every_law_is_kept(Family::Arbiter);
}

#[test]
fn without_one_every_law_is_kept_while_the_network_is_whole() {
    every_law_is_kept(Family::Alone);
}

#[test]
fn one_seed_is_one_story() {
    for family in [Family::Arbiter, Family::Alone] {
        let (first, second) = (play(family, 5, Bug::None, true), play(family, 5, Bug::None, true));
        assert_eq!(first.lines, second.lines);
        assert_eq!(first.digest, play(family, 5, Bug::None, false).digest);
        assert_ne!(first.digest, play(family, 6, Bug::None, false).digest);
    }
}

#[test]
fn every_mistake_is_found() {
    for (bug, family, by) in [
        (Bug::AnswersEarly, Family::Alone, "KeptIsThere"),
        (Bug::NeverInSync, Family::Alone, "KeptIsThere"),
        (Bug::GoesOnUnasked, Family::Alone, "KeptIsThere"),
        (Bug::HelloIsNoPromise, Family::Alone, "KeptIsThere"),
        (Bug::SharesTerm, Family::Alone, "OneMasterATerm"),
        (Bug::ForgetsPair, Family::Alone, ""),
        (Bug::LeavesTail, Family::Arbiter, "was to be cut to"),
        (Bug::CutsTooLittle, Family::Arbiter, "was to be cut to"),
        (Bug::CutsTooMuch, Family::Arbiter, "was to be cut to"),
        (Bug::CopyForgetsDone, Family::Alone, "the two differ"),
        (Bug::CopyForgetsPrepared, Family::Alone, ""),
        (Bug::LeavesEarly, Family::Alone, "KeptIsThere"),
        (Bug::SkipsRecord, Family::Arbiter, "KeptIsThere"),
        (Bug::PromotesItself, Family::Arbiter, "KeptIsThere"),
    ] {
        let found = (0..400).find(|seed| {
            let played = play(family, *seed, bug, false);
            played.wrong.iter().any(|wrong| wrong.contains(by))
        });
        println!("{bug:?} is found by seed {found:?}");
        assert!(found.is_some(), "nobody found {bug:?} by {by}");
    }
}
