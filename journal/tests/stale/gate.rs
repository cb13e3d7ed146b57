//! A gate that stops a master as SIGSTOP does.

use std::sync::{Arc, Condvar, Mutex};

use kahawai_journal::disk::Disk;
use kahawai_journal::disk::faulty::FaultyDisk;
use kahawai_journal::steps::{Step, Watch};

use crate::masters::*;

/// Stops everything that passes, from a chosen moment on until it is let go: as SIGSTOP and SIGCONT do.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default, PartialEq, Clone, Copy)]
pub(crate) enum GateState {
    #[default]
    Open,
    Closed,
    LetGo,
}

impl Gate {
    /// Stops whoever passes from now on, unless that was done before.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap();
        if *state == GateState::Open {
            *state = GateState::Closed;
            self.changed.notify_all();
        }
    }

    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        while *state == GateState::Closed {
            state = self.changed.wait(state).unwrap();
        }
    }

    /// Waits until it was closed.
    pub(crate) fn wait_closed(&self, at: &str) {
        let state = self.state.lock().unwrap();
        let open = |state: &mut GateState| *state == GateState::Open;
        let (_state, waited) = self.changed.wait_timeout_while(state, PATIENCE, open).unwrap();
        assert!(!waited.timed_out(), "{at}: the moment never came");
    }

    pub(crate) fn let_go(&self) {
        *self.state.lock().unwrap() = GateState::LetGo;
        self.changed.notify_all();
    }

    /// A disk behind the gate.
    pub(crate) fn before(self: &Arc<Self>, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        let gate = Arc::clone(self);
        Arc::new(FaultyDisk::new(disk, move |_| {
            gate.pass();
            Ok(())
        }))
    }
}

/// A watch that closes a gate at one step.
pub(crate) fn gated(step: Step, gate: &Arc<Gate>) -> Watch {
    let gate = Arc::clone(gate);
    Watch::new(move |reached| {
        if reached == step {
            gate.close();
        }
        gate.pass();
    })
}
