//! What the task that looks for brokers is told.

use crate::error::BrokerError;
use crate::failover::Told;

/// What the task that looks for brokers is to know of the link.
pub(crate) enum Notice {
    /// The broker has accepted the connection, and knows all that it must.
    Restored,
    /// The broker refuses the connection.
    Refused(BrokerError),
    /// The broker says something about its cluster.
    Told(Told),
}
