//! What a master does when a slave is gone that was waited for. It decides; whoever runs it dials and asks the arbiter.
//!
//! A slave that was told that it is in sync may have taken over. With an arbiter, that says so, and takes it out of the set otherwise. Without one it is
//! asked where it would serve: nobody listening there says that it has not, unless this process itself was paused for so long that the
//! slave may be about to.

use std::time::Duration;

use crate::frame::{Frame, Why};
use crate::member::Came;
use crate::standing::Known;

/// How often nobody has to be found listening, so that a slave that was about to open its door is found.
const ASKS: u32 = 3;
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
    /// How long to ask, where somebody may be silent, or about to serve.
    lease: Duration,
    /// Whether this process was paused lately.
    was_paused: bool,
    index: usize,
    rounds: u32,
    /// Whether nobody was silent in this round.
    all_refused: bool,
    next: Do,
}

impl Oversight {
    /// Begins with a slave that is gone now.
    pub fn new(
        has_arbiter: bool,
        at: &Known,
        was_told: bool,
        was_paused: bool,
        now: Duration,
        lease: Duration,
    ) -> Self {
        let addresses = at.addresses.clone();
        let next = match addresses.first() {
            _ if has_arbiter => Do::CutOff,
            Some(address) if was_told => Do::Dial(address.clone()),
            _ => Do::GoOnAlone { at_a_risk: was_told },
        };
        Self {
            has_arbiter,
            addresses,
            since: now,
            lease,
            was_paused,
            index: 0,
            rounds: 0,
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
        self.index += 1;
        if let Some(address) = self.addresses.get(self.index) {
            self.next = Do::Dial(address.clone());
            return;
        }
        (self.index, self.rounds) = (0, self.rounds + 1);
        let is_over = now.saturating_sub(self.since) >= self.lease;
        let is_gone = self.all_refused && !self.was_paused && self.rounds >= ASKS;
        self.next = match () {
            () if is_gone => Do::GoOnAlone { at_a_risk: false },
            () if is_over => Do::GoOnAlone { at_a_risk: !self.all_refused },
            () => Do::Wait(PAUSE),
        };
        if !is_over {
            self.all_refused = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Refusal;
    use kahawai_store::names::Term;

    const LEASE: Duration = Duration::from_secs(5);

    fn of(was_told: bool, was_paused: bool) -> Oversight {
        let at = Known { name: "b".to_owned(), addresses: vec!["tcp://b:1".to_owned()] };
        Oversight::new(false, &at, was_told, was_paused, Duration::ZERO, LEASE)
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
    fn a_slave_that_nobody_finds_is_out_soon_and_one_that_may_be_about_to_serve_after_a_lease() {
        let alone = Do::GoOnAlone { at_a_risk: false };
        assert_eq!(after(of(true, false), &Came::Refused), (alone.clone(), PAUSE * 2));
        assert_eq!(after(of(true, true), &Came::Refused), (alone, LEASE));
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
        let mut oversight = Oversight::new(true, &at, true, false, Duration::ZERO, LEASE);
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
