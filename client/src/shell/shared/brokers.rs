//! What the task that looks for brokers shares with the rest of a connection by `failover:`.

use std::collections::VecDeque;

use kahawai_openwire::negotiation::Preferences;

use super::Shared;
use crate::error::{BrokerError, Loss, Result};
use crate::failover::Told;
use crate::state::ConnectionState;
use std::task::Waker;

/// What the task that looks for brokers is to know of the link.
pub(crate) enum Notice {
    /// The broker has accepted the connection, and knows all that it must.
    Restored,
    /// The broker refuses the connection.
    Refused(BrokerError),
    /// The broker says something about its cluster.
    Told(Told),
}

impl Shared {
    /// Waits until there may be notices.
    pub(crate) async fn noticed(&self) {
        self.noticed.notified().await;
    }

    /// What came over the link.
    pub(crate) fn take_notices(&self) -> VecDeque<Notice> {
        std::mem::take(&mut self.lock().notices)
    }

    /// Whether the connection is to be closed.
    pub(crate) fn is_finishing(&self) -> bool {
        self.lock().is_finishing
    }

    /// There is a new link to that broker.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub(crate) fn resume(&self, preferences: Preferences, broker: String) -> Result<()> {
        let mut state = self.lock();
        state.notices.clear();
        state.broker = broker;
        state.protocol.resume(preferences)
    }

    /// The link is lost, and another will come.
    pub(crate) fn interrupt(&self, loss: &Loss) {
        let mut state = self.lock();
        let was_up = state.protocol.is_up();
        state.protocol.interrupt(loss);
        state.notices.clear();
        let wakers = state.settle();
        if was_up {
            self.states.send_replace(ConnectionState::Interrupted { loss: loss.clone() });
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.room.notify_waiters();
    }
}
