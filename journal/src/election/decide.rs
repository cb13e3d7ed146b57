//! Decides when to try: what was seen goes in, wait or claim comes out.
//!
//! Nothing here makes anyone right. A wrong decision costs a needless take-over, never a message: who is
//! right is settled by the claim and the questions asked after each flush.

use std::time::Duration;

use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;

use crate::format::RandomId;
use crate::format::claim::Beat;

/// One look at the store directory.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// When the look began, by this machine's monotonic clock.
    pub(super) begun: Duration,
    /// When it was done. A candidate may be stopped for long in between.
    pub(super) done: Duration,
    /// The inode of the lock file whose lock we got for this look, if we got it.
    pub(super) lock: Option<u64>,
    /// The highest epoch claimed; zero where none is.
    pub(super) claimed: Epoch,
    /// The beat of that epoch, where there is a whole one.
    pub(super) beat: Option<Beat>,
}

/// What to do after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Look again later. Whom for, where it is known.
    Wait(Option<Holder>),
    /// Claim this epoch.
    Claim(Epoch),
}

/// A candidate's memory between two looks.
#[derive(Debug)]
pub(super) struct Candidate {
    boot: RandomId,
    lease: Duration,
    silent: Option<Silence>,
}

/// A sign that has not changed since.
#[derive(Debug)]
struct Silence {
    since: Duration,
    claimed: Epoch,
    counter: Option<u64>,
}

impl Candidate {
    /// A candidate on the machine with this boot id.
    pub(super) fn new(boot: RandomId, lease: Duration) -> Self {
        Self { boot, lease, silent: None }
    }

    /// Decides after a look.
    pub(super) fn decide(&mut self, seen: Sighting) -> Decision {
        let next = Epoch(seen.claimed.0 + 1);
        let silent_for = self.silent_for(&seen);
        match (seen.lock, &seen.beat) {
            // Nobody has ever claimed, and nobody else is about to.
            (Some(_), None) if seen.claimed == Epoch(0) => Decision::Claim(next),
            // Given up in good order.
            (Some(_), Some(beat)) if beat.released => Decision::Claim(next),
            // The holder had this very lock, on this machine since its last start, and has it no more: it is dead.
            // A lock file that was deleted and made anew has another inode and proves nothing.
            (Some(inode), Some(beat)) if beat.boot == self.boot && beat.lock_inode == inode => {
                Decision::Claim(next)
            }
            _ if silent_for >= self.lease => {
                // One try for each silence: whoever loses the race for the claim has a new holder to watch.
                self.silent = None;
                Decision::Claim(next)
            }
            _ => Decision::Wait(seen.beat.map(|beat| beat.holder)),
        }
    }

    /// For how long nothing has changed. A change is judged by the numbers alone, and the time counted from the end of a look
    /// at which they were already so to the beginning of this one: a candidate that was itself paused, also in the middle of a look,
    /// does not count its own pause.
    fn silent_for(&mut self, seen: &Sighting) -> Duration {
        let counter = seen.beat.as_ref().map(|beat| beat.counter);
        match &self.silent {
            Some(silent) if silent.claimed == seen.claimed && silent.counter == counter => {
                seen.begun.saturating_sub(silent.since)
            }
            _ => {
                self.silent = Some(Silence { since: seen.done, claimed: seen.claimed, counter });
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(2);
    const HERE: RandomId = [1; 16];
    const ELSEWHERE: RandomId = [2; 16];

    fn beat(epoch: u64, counter: u64, boot: RandomId, lock_inode: u64) -> Beat {
        let holder = Holder { epoch: Epoch(epoch), name: "first".into(), ..Holder::default() };
        Beat { counter, released: false, lock_inode, boot, durability: None, holder }
    }

    fn seen(seconds: f64, lock: Option<u64>, beat: Option<Beat>) -> Sighting {
        let claimed = beat.as_ref().map_or(Epoch(0), |beat| beat.holder.epoch);
        let at = Duration::from_secs_f64(seconds);
        Sighting { begun: at, done: at, lock, claimed, beat }
    }

    fn waits(decision: &Decision) -> bool {
        matches!(decision, Decision::Wait(_))
    }

    #[test]
    fn a_fresh_store_is_claimed_by_whoever_has_the_lock() {
        let mut candidate = Candidate::new(HERE, LEASE);
        assert!(waits(&candidate.decide(seen(0.0, None, None))));
        assert_eq!(candidate.decide(seen(0.1, Some(5), None)), Decision::Claim(Epoch(1)));
    }

    #[test]
    fn a_holder_that_died_on_this_machine_is_followed_at_once() {
        let mut candidate = Candidate::new(HERE, LEASE);
        assert!(waits(&candidate.decide(seen(0.0, None, Some(beat(3, 7, HERE, 5))))));
        assert_eq!(
            candidate.decide(seen(0.1, Some(5), Some(beat(3, 7, HERE, 5)))),
            Decision::Claim(Epoch(4))
        );
    }

    #[test]
    fn a_released_store_is_followed_at_once_from_any_machine() {
        let mut candidate = Candidate::new(HERE, LEASE);
        let released = Beat { released: true, ..beat(3, 7, ELSEWHERE, 5) };
        assert_eq!(candidate.decide(seen(0.0, Some(5), Some(released))), Decision::Claim(Epoch(4)));
    }

    #[test]
    fn a_free_lock_of_another_machine_is_not_believed_before_the_lease_is_out() {
        let mut candidate = Candidate::new(HERE, LEASE);
        for step in 0..20 {
            let at = f64::from(step) / 10.0;
            assert!(waits(&candidate.decide(seen(at, Some(5), Some(beat(3, 7, ELSEWHERE, 5))))), "{at}");
        }
        let last = candidate.decide(seen(2.0, Some(5), Some(beat(3, 7, ELSEWHERE, 5))));
        assert_eq!(last, Decision::Claim(Epoch(4)));
    }

    #[test]
    fn a_lock_file_made_anew_while_its_holder_lives_is_not_believed() {
        let mut candidate = Candidate::new(HERE, LEASE);
        for counter in 0..100 {
            let at = counter as f64 / 2.0;
            assert!(waits(&candidate.decide(seen(at, Some(6), Some(beat(3, counter, HERE, 5))))), "{at}");
        }
    }

    #[test]
    fn a_master_without_the_lock_is_left_in_peace_while_it_beats() {
        let mut candidate = Candidate::new(HERE, LEASE);
        for counter in 0..100 {
            let at = counter as f64 / 2.0;
            assert!(waits(&candidate.decide(seen(at, Some(5), Some(beat(3, counter, HERE, 0))))), "{at}");
        }
    }

    #[test]
    fn a_silent_holder_is_followed_after_the_lease_though_it_has_the_lock_and_only_once() {
        let mut candidate = Candidate::new(HERE, LEASE);
        assert!(waits(&candidate.decide(seen(0.0, None, Some(beat(3, 7, HERE, 5))))));
        assert!(waits(&candidate.decide(seen(1.9, None, Some(beat(3, 7, HERE, 5))))));
        assert_eq!(candidate.decide(seen(2.0, None, Some(beat(3, 7, HERE, 5)))), Decision::Claim(Epoch(4)));
        assert!(waits(&candidate.decide(seen(2.1, None, Some(beat(3, 7, HERE, 5))))));
    }

    #[test]
    fn a_candidate_that_was_paused_itself_does_not_take_its_own_silence_for_the_holders() {
        let mut candidate = Candidate::new(HERE, LEASE);
        assert!(waits(&candidate.decide(seen(0.0, None, Some(beat(3, 7, HERE, 5))))));
        assert!(waits(&candidate.decide(seen(100.0, None, Some(beat(3, 207, HERE, 5))))));
    }

    #[test]
    fn a_candidate_that_was_paused_in_the_middle_of_a_look_does_not_either() {
        let mut candidate = Candidate::new(HERE, LEASE);
        let paused = Sighting { begun: Duration::ZERO, ..seen(100.0, None, Some(beat(3, 7, HERE, 5))) };
        assert!(waits(&candidate.decide(paused)));
        assert!(waits(&candidate.decide(seen(100.1, None, Some(beat(3, 7, HERE, 5))))));
        let paused =
            Sighting { done: Duration::from_secs(200), ..seen(101.0, None, Some(beat(3, 7, HERE, 5))) };
        assert!(waits(&candidate.decide(paused)));
    }

    #[test]
    fn a_claim_without_a_beat_is_followed_after_the_lease() {
        let mut candidate = Candidate::new(HERE, LEASE);
        let claimed = |at: f64| Sighting { claimed: Epoch(9), ..seen(at, Some(5), None) };
        assert!(waits(&candidate.decide(claimed(0.0))));
        assert_eq!(candidate.decide(claimed(2.0)), Decision::Claim(Epoch(10)));
    }
}
