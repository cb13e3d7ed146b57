//! A mastership without an election, for tests of engines.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::election::{Hold, Lost};
use crate::names::Epoch;

/// A hold that is never lost, until a test says so.
#[derive(Default)]
pub struct FixedHold {
    epoch: Epoch,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lost: Option<Lost>,
    released: bool,
    notices: Vec<Box<dyn FnOnce(Lost) + Send>>,
}

impl FixedHold {
    /// Holds this epoch.
    pub fn new(epoch: Epoch) -> Self {
        Self { epoch, state: Mutex::default() }
    }

    /// From now on no proof succeeds.
    pub fn lose(&self, reason: &str) {
        let lost = Lost { epoch: self.epoch, reason: reason.into() };
        let notices = {
            let mut state = self.lock();
            state.lost.get_or_insert_with(|| lost.clone());
            std::mem::take(&mut state.notices)
        };
        for notice in notices {
            notice(lost.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold for FixedHold {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn prove(&self) -> Result<(), Lost> {
        self.lock().lost.clone().map_or(Ok(()), Err)
    }

    fn proof_age(&self) -> Duration {
        Duration::ZERO
    }

    fn on_lost(&self, notice: Box<dyn FnOnce(Lost) + Send>) {
        let mut state = self.lock();
        match state.lost.clone() {
            _ if state.released => {}
            None => state.notices.push(notice),
            Some(lost) => {
                drop(state);
                notice(lost);
            }
        }
    }

    fn release(&self) {
        let mut state = self.lock();
        state.released = true;
        state.notices.clear();
    }
}
