//! Where a connection stands, for those who want to know.

use tokio::sync::watch;

use crate::error::Loss;

/// Where a connection stands. One that was opened by `failover:` may be interrupted and connected again many times;
/// another is connected, then ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectionState {
    /// No broker has accepted it yet.
    Connecting,
    /// A broker has accepted it, and knows of all its sessions, producers and consumers.
    Connected {
        /// Host and port of the broker.
        broker: String,
        /// How many connections there have been, with this one: what was missed between two looks can be counted.
        connections: u64,
    },
    /// The broker was lost; another one is looked for.
    Interrupted {
        /// Why.
        loss: Loss,
    },
    /// It is over.
    Ended,
}

/// Tells how a connection's state changes. It does not keep the connection open.
#[derive(Debug, Clone)]
pub struct StateWatch(watch::Receiver<ConnectionState>);

impl StateWatch {
    pub(crate) fn new(states: watch::Receiver<ConnectionState>) -> Self {
        Self(states)
    }

    /// The state now.
    pub fn current(&mut self) -> ConnectionState {
        self.0.borrow_and_update().clone()
    }

    /// Waits for a state that [`Self::current`] and this have not told yet, and tells it; none where there will be
    /// none. Of states that follow each other quickly only the last may be told. Giving up waiting loses nothing.
    pub async fn changed(&mut self) -> Option<ConnectionState> {
        self.0.changed().await.ok()?;
        Some(self.current())
    }
}
