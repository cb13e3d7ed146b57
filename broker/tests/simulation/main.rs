//! Networks of brokers in a simulated world: the core, its sessions and its bridges as they are, with everything that can go wrong.
//!
//! `KAHAWAI_TEST_SCALE` multiplies the number of seeds (default 1), `KAHAWAI_TEST_SEEDS` says it; the first is `KAHAWAI_TEST_SEED` (default 0).

#![allow(missing_docs, reason = "a test")]
#![allow(clippy::print_stdout, reason = "tells how often each fault had an effect")]

mod book;
mod bug;
mod carried;
mod client;
mod disk;
mod judge;
mod network;
mod play;
mod process;
mod scenarios;
mod served;
mod wire;

use bug::Bug;
use kahawai_simulation::fault::Counts;
use play::{FAULTS, play};

/// How many seeds are played.
fn seeds(by_default: u64) -> u64 {
    let scale = number("KAHAWAI_TEST_SCALE").unwrap_or(1);
    number("KAHAWAI_TEST_SEEDS").unwrap_or(by_default * scale)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

fn every_law_is_kept(faulty: bool, seeds: u64) {
    let mut counts = Counts::default();
    let (mut sent, mut crossed, mut twice, mut flagged, mut stuck, mut loops) = (0, 0, 0, 0, 0, 0);
    let first = number("KAHAWAI_TEST_SEED").unwrap_or_default();
    let mut failed = Vec::new();
    for seed in first..first + seeds {
        let played = play(seed, faulty, Bug::None, false);
        counts.add(&played.counts);
        sent += played.sent;
        crossed += played.crossed;
        twice += played.twice.0;
        flagged += played.twice.1;
        stuck += played.stuck;
        loops += played.loops;
        if !played.wrong.is_empty() {
            failed.push((seed, played.wrong.join("\n  ")));
        }
    }
    if let Some((seed, _)) = failed.first() {
        let lines = play(*seed, faulty, Bug::None, true).lines;
        let wrong: Vec<_> = failed.iter().map(|(seed, wrong)| format!("seed {seed}:\n  {wrong}")).collect();
        panic!("faulty {faulty}, the story of seed {seed}:\n{}\n{}", lines.join("\n"), wrong.join("\n"));
    }
    println!(
        "{seeds} seeds: {sent} messages were sent, {crossed} crossed a bridge, {twice} came twice ({flagged} flagged so), {stuck} were stuck, {loops} subscriptions of \
         brokers kept each other"
    );
    assert!(crossed >= sent / 4, "few crossed");
    if faulty {
        for fault in FAULTS {
            println!("{fault:?}: {}", counts.of(fault));
            assert!(
                counts.of(fault) >= seeds / 20,
                "{fault:?} had an effect {} times only",
                counts.of(fault)
            );
        }
    }
}

#[test]
fn seeds_without_faults_all_comes_once_and_in_order() {
    every_law_is_kept(false, seeds(15));
}

#[test]
fn seeds_whatever_goes_wrong_every_law_is_kept() {
    every_law_is_kept(true, seeds(80));
}

#[test]
fn one_seed_is_one_story() {
    let (first, second) = (play(5, true, Bug::None, true), play(5, true, Bug::None, true));
    assert_eq!(first.lines, second.lines);
    assert_eq!(first.digest, play(5, true, Bug::None, false).digest);
    assert_ne!(first.digest, play(6, true, Bug::None, false).digest);
}

#[test]
fn every_mistake_is_found() {
    for (bug, by) in [
        (Bug::AcknowledgesEarly, "is lost"),
        (Bug::ForgetsPath, "comes to"),
        (Bug::IgnoresRemoval, "nobody wants"),
        (Bug::IgnoresUnsubscribe, "nobody wants"),
        (Bug::ForgetsKept, "wait at"),
        (Bug::SubscribesTwice, "while a consumer waits"),
        (Bug::LosesAcknowledgements, "while a consumer waits"),
        (Bug::NeverTriesAgain, "a bridge is down"),
    ] {
        let found = (0..100).find(|seed| {
            let played = play(*seed, true, bug, false);
            played.wrong.iter().any(|wrong| wrong.contains(by))
        });
        println!("{bug:?} is found by seed {found:?}");
        assert!(found.is_some(), "nobody found {bug:?} by {by}");
    }
}
