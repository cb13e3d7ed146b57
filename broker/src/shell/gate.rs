//! The last look before anything goes out: is this still the master?
//!
//! A process can be stopped between any two instructions for longer than its lease. Answers to persistent sends are safe
//! all the same, as the store proves mastership after each flush; but a message handed to a consumer, or an answer
//! that needed no flush, must not come from a broker that was replaced while it slept. So nothing is written while
//! the youngest proof is older than half the lease; a new proof is asked for, off the executor, and then everything goes on.
//! But that a broker is here, and in which words, is said while a slave is looked for: it could not say otherwise that it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kahawai_store::election::{Hold, Lost};

use super::slaves::Slaves;

/// See the module.
pub(crate) struct Gate {
    hold: Arc<dyn Hold>,
    proof_age_max: Duration,
    slaves: Slaves,
    proving: AtomicBool,
}

impl Gate {
    pub(crate) fn new(hold: Arc<dyn Hold>, lease: Duration, slaves: Slaves) -> Self {
        Self { hold, proof_age_max: lease / 2, slaves, proving: AtomicBool::new(false) }
    }

    /// Whether something may be written now.
    pub(crate) fn is_open(&self) -> bool {
        self.hold.proof_age() <= self.proof_age_max
    }

    /// Whether it may be said unproven that a broker is here, and in which words: a slave that is looked for has to hear it before it can say who it is.
    pub(crate) fn greets(&self) -> bool {
        self.slaves.0.as_ref().is_some_and(|slaves| slaves.looks_for_one())
    }

    /// Whether the caller is the one to ask for a proof: nobody else is at it.
    pub(crate) fn begin_proof(&self) -> bool {
        !self.proving.swap(true, Ordering::AcqRel)
    }

    /// Asks; may block.
    pub(crate) fn prove(&self) -> Result<(), Lost> {
        let result = self.hold.prove();
        self.proving.store(false, Ordering::Release);
        result
    }
}
