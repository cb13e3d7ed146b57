//! What the task that looks for brokers shares with the rest of a connection by `failover:`.

use std::collections::VecDeque;
use std::task::Waker;

use kahawai_openwire::negotiation::Preferences;

use crate::error::{Loss, Result};
use crate::shell::notice::Notice;
use crate::shell::shared::Shared;
use crate::state::ConnectionState;

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
