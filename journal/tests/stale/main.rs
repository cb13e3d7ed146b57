//! A stale master is harmless: two masters and more on one store with the real election, the old one stopped at every named
//! step and before every kind of call, under load, twice in a row.
//!
//! What each was answered is remembered; in the end the store is opened once more and compared: whatever any master answered
//! `Ok` is there, and nothing is there that nobody sent.
//!
//! `KAHAWAI_TEST_SCALE` multiplies the number of races (default 1).
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: what goes wrong is to stop the test, and a gap to be told"
)]

mod election;
mod gate;
mod masters;
mod stopped;

/// How many times the default amount of work is asked for.
fn scale() -> u64 {
    std::env::var("KAHAWAI_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
