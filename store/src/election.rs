//! The `Election` trait: acquire, prove, lost.
//!
//! File, SQL row and replication link are three implementations of one idea: many candidates, one master, and a
//! number for each mastership that is greater than all before it and durable before the store's tail is read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::batch::DurabilityState;
use crate::names::Epoch;

/// A candidate for the mastership of one store.
pub trait Election: Send {
    /// Waits as slave until this candidate is master.
    ///
    /// Blocks the calling thread, which should be its own. `waiting` is called when the candidate first has to
    /// wait and whenever the holder it waits for changes. On return the epoch is claimed and durable; nothing of
    /// the store has been read yet.
    ///
    /// # Errors
    /// [`ElectionError::Cancelled`] soon after `cancel` was set; [`ElectionError::Failed`] where the resource
    /// cannot be used at all.
    fn acquire(
        &mut self,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Arc<dyn Hold>, ElectionError>;
}

/// A mastership that is ours until it is shown not to be.
///
/// All calls may be made from any thread. Once lost, always lost: every later call says so.
pub trait Hold: Send + Sync {
    /// The number of this mastership.
    fn epoch(&self) -> Epoch;

    /// Asks the resource whether this is still the master: one look that no cache can answer.
    ///
    /// What was made durable before the call, and whose call returned `Ok`, is seen by every later master. Asked
    /// after each flush and before anyone is answered; costs a few system calls on a local file system, a round
    /// trip elsewhere.
    ///
    /// # Errors
    /// [`Lost`], finally.
    fn prove(&self) -> Result<(), Lost>;

    /// How long ago the youngest successful proof was begun, by this machine's own monotonic clock. A hint for when to ask again, never a
    /// proof.
    fn proof_age(&self) -> Duration;

    /// Calls `notice` once when the mastership is lost, at once if it already is. Not called after `release`.
    fn on_lost(&self, notice: Box<dyn FnOnce(Lost) + Send>);

    /// Where signs of life are shown, shows with each how durable what the store completed is, for whoever looks from outside. `state` is
    /// called often and must be cheap. By default nothing is shown.
    fn show_durability(&self, state: Box<dyn Fn() -> DurabilityState + Send + Sync>) {
        let _ = state;
    }

    /// Gives the mastership up in good order, so that a slave may follow at once. The store must be closed before.
    /// May be called twice.
    fn release(&self);
}

/// The mastership is gone; nobody may be answered any more.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("mastership of epoch {epoch} lost: {reason}")]
pub struct Lost {
    /// The epoch that was ours.
    pub epoch: Epoch,
    /// What was found.
    pub reason: Arc<str>,
}

/// Who holds the mastership, as told by the resource. For people, never for decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The holder's broker name.
    pub name: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id there.
    pub process: u32,
    /// Its epoch.
    pub epoch: Epoch,
    /// Where its clients connect, if it said.
    pub address: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} (host {}, process {}, epoch {}",
            self.name, self.host, self.process, self.epoch
        )?;
        if !self.address.is_empty() {
            write!(formatter, ", {}", self.address)?;
        }
        formatter.write_str(")")
    }
}

/// Why a candidate did not become master.
#[derive(Clone, Debug, Error)]
pub enum ElectionError {
    /// The caller asked to stop waiting.
    #[error("waiting for mastership was cancelled")]
    Cancelled,
    /// The resource cannot be used; waiting longer would not help.
    #[error("{0}")]
    Failed(Arc<str>),
    /// The resource holds what is another program's, and was left as it is.
    #[error("{0}")]
    Occupied(Arc<str>),
}

/// Asks a waiting candidate to give up. Cheap to clone; set once.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks for it.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
