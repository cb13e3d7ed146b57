//! A mastership in a pair: the store's own, and not ended by a slave that took over.
//!
//! While a slave is waited for, that it speaks on this line says that it has not taken over: it would have to be without a sign of this master for a
//! lease before. So a process that was paused finds its proof old, and says nothing to anybody until the slave has spoken again or is known to be out.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kahawai_replication::master::Replicated;
use kahawai_store::batch::DurabilityState;
use kahawai_store::election::{Hold, Lost};
use kahawai_store::names::Epoch;

const LOOK: Duration = Duration::from_millis(5);

pub(super) struct PairHold {
    pub(super) own: Arc<dyn Hold>,
    pub(super) replicated: Arc<Replicated>,
    pub(super) began: Instant,
    pub(super) lease: Duration,
}

impl PairHold {
    /// How long ago the slave was heard, where that matters.
    fn slave_age(&self) -> Option<Duration> {
        let heard = self.replicated.heard_of_slave()?;
        Some(heard.map_or(Duration::MAX, |heard| self.began.elapsed().saturating_sub(heard)))
    }

    fn lost(&self) -> Result<(), Lost> {
        match self.replicated.ended() {
            Some(error) => Err(Lost { epoch: self.own.epoch(), reason: error.to_string().into() }),
            None => Ok(()),
        }
    }
}

impl Hold for PairHold {
    fn epoch(&self) -> Epoch {
        self.own.epoch()
    }

    fn prove(&self) -> Result<(), Lost> {
        self.own.prove()?;
        let since = Instant::now();
        // Until the slave has spoken since, or is out: by then the one or the other is known.
        while since.elapsed() < self.lease {
            self.lost()?;
            match self.slave_age() {
                Some(age) if age > since.elapsed() => thread::sleep(LOOK),
                _ => break,
            }
        }
        self.lost()
    }

    fn proof_age(&self) -> Duration {
        self.own.proof_age().max(self.slave_age().unwrap_or_default())
    }

    fn on_lost(&self, notice: Box<dyn FnOnce(Lost) + Send>) {
        self.own.on_lost(notice);
    }

    fn show_durability(&self, state: Box<dyn Fn() -> DurabilityState + Send + Sync>) {
        self.own.show_durability(state);
    }

    fn release(&self) {
        self.own.release();
    }
}
