//! What may be said of a destination: its policy, which is an ActiveMQ `policyEntry`; and which policy is whose.

pub mod entry;
pub mod policies;

pub use entry::Policy;
pub use policies::Policies;
