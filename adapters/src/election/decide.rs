//! Decides when to try: what was seen goes in, wait or claim comes out.
//!
//! Nothing here makes anyone right. A wrong decision costs a needless take-over, never a message.

use std::time::Duration;

use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;

/// One look at the row.
#[derive(Clone, Debug, Default)]
pub struct Sighting {
    /// When the look began, by this machine's monotonic clock.
    pub begun: Duration,
    /// When it was done. A candidate may be stopped for long in between.
    pub done: Duration,
    /// Counts signs of life; with the epoch, whether anything has happened since.
    pub beats: u64,
    /// Whether the holder has gone in good order, or there never was one.
    pub released: bool,
    /// Since when the holder has not renewed, by the database's clock, as of this look.
    pub silent: Duration,
    /// The holder's lease: what it promised to renew in.
    pub lease: Duration,
    /// Whether the holder's own session with the database has ended. Always `false` where the database does not tell.
    pub session_gone: bool,
    /// For how long we ourselves have had a connection again, after one broke; `None` where none did.
    pub reconnected: Option<Duration>,
    /// Whom the row names, with the highest epoch claimed.
    pub holder: Holder,
}

/// What to do after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Look again later.
    Wait,
    /// Claim the next epoch.
    Claim,
}

/// A candidate's memory between two looks.
#[derive(Debug)]
pub(super) struct Candidate {
    lease: Duration,
    /// Epoch and beats that have not changed since.
    unchanged: Option<(Epoch, u64, Duration)>,
}

impl Candidate {
    /// A candidate who would itself renew within this lease.
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, unchanged: None }
    }

    /// Decides after a look.
    pub(super) fn decide(&mut self, seen: &Sighting) -> Decision {
        let watched = self.watched(seen);
        if seen.released {
            return Decision::Claim;
        }
        // The holder's promise counts, and not less than our own: they may be configured differently.
        let lease = seen.lease.max(self.lease);
        // When the database itself was away, its holder could not renew either: it gets a moment to.
        if seen.reconnected.is_some_and(|since| since < lease / 2) {
            return Decision::Wait;
        }
        let is_silent = seen.silent >= lease
            // Its connection is gone, and whatever it may have said on an old proof is over by now.
            || seen.session_gone && seen.silent >= lease / 2
            // The database's clock may stand, or have been set back by hours: our own tells too.
            || watched >= lease;
        if is_silent {
            // One try for each silence: whoever loses the race for the claim has a new holder to watch.
            self.unchanged = None;
            return Decision::Claim;
        }
        Decision::Wait
    }

    /// For how long nothing has changed by our own clock. Counted from the end of a look to the beginning of this one: a
    /// candidate that was itself paused, also in the middle of a look, does not count its own pause.
    fn watched(&mut self, seen: &Sighting) -> Duration {
        let now = (seen.holder.epoch, seen.beats);
        match self.unchanged {
            Some((epoch, beats, since)) if (epoch, beats) == now => seen.begun.saturating_sub(since),
            _ => {
                self.unchanged = Some((now.0, now.1, seen.done));
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(2);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A holder seen at a time, silent for so long by the database's clock.
    fn seen(at: f64, beats: u64, silent: f64) -> Sighting {
        Sighting {
            begun: seconds(at),
            done: seconds(at),
            beats,
            silent: seconds(silent),
            lease: LEASE,
            holder: Holder { epoch: Epoch(3), ..Holder::default() },
            ..Sighting::default()
        }
    }

    fn new() -> Candidate {
        Candidate::new(LEASE)
    }

    #[test]
    fn a_released_row_is_claimed_at_once() {
        let released = Sighting { released: true, ..seen(0.0, 7, 0.0) };
        assert_eq!(new().decide(&released), Decision::Claim);
        // Also where the database was away a moment ago.
        let released = Sighting { reconnected: Some(Duration::ZERO), ..released };
        assert_eq!(new().decide(&released), Decision::Claim);
    }

    #[test]
    fn a_holder_that_renews_is_left_in_peace() {
        let mut candidate = new();
        for beat in 0..100 {
            assert_eq!(candidate.decide(&seen(beat as f64 / 2.0, beat, 0.4)), Decision::Wait, "{beat}");
        }
    }

    #[test]
    fn a_lease_that_has_run_out_is_claimed_at_the_first_look() {
        assert_eq!(new().decide(&seen(0.0, 7, 1.99)), Decision::Wait);
        assert_eq!(new().decide(&seen(0.0, 7, 2.0)), Decision::Claim);
    }

    #[test]
    fn a_holders_longer_lease_is_respected_and_a_shorter_one_is_not_believed() {
        let longer = Sighting { lease: seconds(10.0), ..seen(0.0, 7, 9.0) };
        assert_eq!(new().decide(&longer), Decision::Wait);
        let shorter = Sighting { lease: seconds(0.1), ..seen(0.0, 7, 1.0) };
        assert_eq!(new().decide(&shorter), Decision::Wait);
    }

    #[test]
    fn a_holder_whose_session_has_ended_is_followed_when_its_last_proof_is_too_old() {
        let gone = |silent| Sighting { session_gone: true, ..seen(0.0, 7, silent) };
        assert_eq!(new().decide(&gone(0.9)), Decision::Wait);
        assert_eq!(new().decide(&gone(1.0)), Decision::Claim);
    }

    #[test]
    fn after_the_database_was_away_its_holder_gets_a_moment() {
        let back = |for_seconds| Sighting {
            reconnected: Some(seconds(for_seconds)),
            session_gone: true,
            ..seen(0.0, 7, 60.0)
        };
        assert_eq!(new().decide(&back(0.0)), Decision::Wait);
        assert_eq!(new().decide(&back(0.9)), Decision::Wait);
        assert_eq!(new().decide(&back(1.0)), Decision::Claim);
    }

    #[test]
    fn a_database_whose_clock_was_set_back_does_not_keep_a_dead_holder_alive() {
        let mut candidate = new();
        for step in 0..20 {
            assert_eq!(candidate.decide(&seen(f64::from(step) / 10.0, 7, 0.0)), Decision::Wait, "{step}");
        }
        assert_eq!(candidate.decide(&seen(2.0, 7, 0.0)), Decision::Claim);
        // And only once: then it has a new silence to watch.
        assert_eq!(candidate.decide(&seen(2.1, 7, 0.0)), Decision::Wait);
    }

    #[test]
    fn a_candidate_that_was_paused_itself_does_not_take_its_own_silence_for_the_holders() {
        let mut candidate = new();
        assert_eq!(candidate.decide(&seen(0.0, 7, 0.1)), Decision::Wait);
        assert_eq!(candidate.decide(&seen(100.0, 207, 0.1)), Decision::Wait);
        // In the middle of a look: what it saw was true when the look began.
        let mut candidate = new();
        let paused = Sighting { begun: Duration::ZERO, ..seen(100.0, 7, 0.1) };
        assert_eq!(candidate.decide(&paused), Decision::Wait);
        assert_eq!(candidate.decide(&seen(100.1, 7, 0.2)), Decision::Wait);
    }
}
