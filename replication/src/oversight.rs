//! What a master does when a slave is gone that was waited for. It decides; whoever runs it dials and asks the arbiter.
//!
//! A slave that was told that it is in sync may take over, or may have. With an arbiter, that says so, and takes it out of the set otherwise.
//! Without one nobody is answered until the slave says hello, which is a promise, or
//!
//! - **for a lease**: a slave that lives has missed its master by half of one, and dials it in the other half ([`crate::member`]). One that slept
//!   through that does not take over any more when it wakes;
//! - **for the whole wait, where this process itself stood still**: then the slave may have taken over, have served, and be gone since.
//!
//! Meanwhile it is looked for where it would serve.

use std::time::Duration;

use crate::frame::{Frame, Why};
use crate::member::Came;
use crate::standing::Known;

const PAUSE: Duration = Duration::from_millis(50);

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Take the slave out of the set at the arbiter: [`Oversight::cut_off`].
    CutOff,
    /// Connect there; once it is known that a broker is there, say hello as a master, and hear the answer: [`Oversight::dialled`].
    Dial(String),
    /// Nothing, for so long.
    Wait(Duration),
    /// The slave is out: [`crate::master::Replicated::go_on_alone`]. Whether it may have taken over all the same, as far as is known.
    GoOnAlone {
        /// Then the log is to say so.
        at_a_risk: bool,
    },
    /// It has taken over, for this reason: [`crate::master::Replicated::step_down`].
    StepDown(String),
}

/// A slave that is gone.
#[derive(Debug)]
pub struct Oversight {
    has_arbiter: bool,
    addresses: Vec<String>,
    since: Duration,
    lease: Duration,
    /// How long to wait for it.
    wait: Duration,
    /// How long, where this process stood still.
    wait_paused: Duration,
    /// When anything came of anything last.
    last: Duration,
    index: usize,
    /// Whether nobody was silent in this round.
    all_refused: bool,
    next: Do,
}

impl Oversight {
    /// Begins with a slave that is gone now. `was_paused`: whether this process stood still for more than half a lease within the last one; `wait`: how
    /// long is waited where the other may have taken over.
    pub fn new(
        has_arbiter: bool,
        at: &Known,
        was_told: bool,
        was_paused: bool,
        now: Duration,
        lease: Duration,
        wait: Duration,
    ) -> Self {
        let addresses = at.addresses.clone();
        let wait_paused = wait.max(lease);
        let wait = if was_paused { wait_paused } else { lease };
        let next = match addresses.first() {
            _ if has_arbiter => Do::CutOff,
            _ if !was_told => Do::GoOnAlone { at_a_risk: false },
            Some(address) => Do::Dial(address.clone()),
            None => Do::Wait(wait),
        };
        Self {
            has_arbiter,
            addresses,
            since: now,
            lease,
            wait,
            wait_paused,
            last: now,
            index: 0,
            all_refused: true,
            next,
        }
    }

    /// What to do next. After [`Do::Wait`] the step before it comes again.
    pub fn next(&self) -> Do {
        self.next.clone()
    }

    /// The slave is back, and has not taken over nor will: only an arbiter has to be told.
    pub fn is_back(&mut self) {
        if !self.has_arbiter && !matches!(self.next, Do::StepDown(_)) {
            self.next = Do::GoOnAlone { at_a_risk: false };
        }
    }

    /// It was waited.
    pub fn waited(&mut self) {
        self.next = match self.addresses.get(self.index) {
            _ if self.has_arbiter => Do::CutOff,
            Some(address) => Do::Dial(address.clone()),
            None => Do::GoOnAlone { at_a_risk: true },
        };
    }

    /// What the arbiter said: the slave is out; another is master, for this reason; or nothing.
    pub fn cut_off(&mut self, result: Result<(), Option<String>>) {
        self.next = match result {
            Ok(()) => Do::GoOnAlone { at_a_risk: false },
            Err(Some(reason)) => Do::StepDown(reason),
            // Nobody is answered meanwhile.
            Err(None) => Do::Wait(PAUSE * 4),
        };
    }

    /// What came of asking the slave.
    pub fn dialled(&mut self, came: &Came, now: Duration) {
        match came {
            Came::Said(Frame::Refused(refusal)) if refusal.why == Why::Deposed => {
                self.next =
                    Do::StepDown(format!("another is master of term {}: {}", refusal.term, refusal.text));
                return;
            }
            Came::Refused => {}
            _ => self.all_refused = false,
        }
        if now.saturating_sub(self.last) > self.lease / 2 {
            // It stood still just now.
            self.wait = self.wait_paused;
        }
        self.last = now;
        self.index += 1;
        if let Some(address) = self.addresses.get(self.index) {
            self.next = Do::Dial(address.clone());
            return;
        }
        self.index = 0;
        self.next = if now.saturating_sub(self.since) >= self.wait {
            Do::GoOnAlone { at_a_risk: !self.all_refused || self.wait > self.lease }
        } else {
            self.all_refused = true;
            Do::Wait(PAUSE)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Refusal;
    use kahawai_store::names::Term;

    const LEASE: Duration = Duration::from_secs(5);
    const WAIT: Duration = Duration::from_secs(30);

    fn of(was_told: bool, was_paused: bool) -> Oversight {
        let at = Known { name: "b".to_owned(), addresses: vec!["tcp://b:1".to_owned()] };
        Oversight::new(false, &at, was_told, was_paused, Duration::ZERO, LEASE, WAIT)
    }

    /// What it comes to, if asking always comes to this, and takes so long.
    fn after(mut oversight: Oversight, came: &Came) -> (Do, Duration) {
        let mut now = Duration::ZERO;
        loop {
            match oversight.next() {
                Do::Dial(_) => oversight.dialled(came, now),
                Do::Wait(pause) => {
                    now += pause;
                    oversight.waited();
                }
                end => return (end, now),
            }
        }
    }

    #[test]
    fn a_slave_that_could_not_take_over_is_not_asked() {
        assert_eq!(of(false, true).next(), Do::GoOnAlone { at_a_risk: false });
    }

    #[test]
    fn a_slave_that_nobody_finds_is_out_after_a_lease_and_one_that_may_have_served_after_the_wait() {
        let alone = |at_a_risk| Do::GoOnAlone { at_a_risk };
        assert_eq!(after(of(true, false), &Came::Refused), (alone(false), LEASE));
        assert_eq!(after(of(true, true), &Came::Refused), (alone(true), WAIT));
        let mut stood = of(true, false);
        stood.dialled(&Came::Refused, Duration::ZERO);
        stood.dialled(&Came::Refused, LEASE);
        assert_eq!(stood.next(), Do::Wait(PAUSE), "it stood still meanwhile");
        let silent = Came::Silent { said_hello: false };
        assert_eq!(after(of(true, false), &silent), (Do::GoOnAlone { at_a_risk: true }, LEASE));
    }

    #[test]
    fn a_slave_that_has_taken_over_ends_it() {
        let refusal = Refusal { why: Why::Deposed, term: Term(2), text: "b is master".to_owned() };
        let (end, _) = after(of(true, false), &Came::Said(Frame::Refused(refusal)));
        assert!(matches!(end, Do::StepDown(_)));
        let mut asked = of(true, false);
        asked.is_back();
        assert_eq!(asked.next(), Do::GoOnAlone { at_a_risk: false });
    }

    #[test]
    fn an_arbiter_decides_alone_and_is_waited_for() {
        let at = Known { name: "b".to_owned(), addresses: vec!["tcp://b:1".to_owned()] };
        let mut oversight = Oversight::new(true, &at, true, false, Duration::ZERO, LEASE, WAIT);
        assert_eq!(oversight.next(), Do::CutOff);
        for _ in 0..1000 {
            oversight.cut_off(Err(None));
            assert!(matches!(oversight.next(), Do::Wait(_)));
            oversight.waited();
            assert_eq!(oversight.next(), Do::CutOff);
        }
        oversight.is_back();
        assert_eq!(oversight.next(), Do::CutOff);
        oversight.cut_off(Err(Some("deposed".to_owned())));
        assert_eq!(oversight.next(), Do::StepDown("deposed".to_owned()));
    }
}
