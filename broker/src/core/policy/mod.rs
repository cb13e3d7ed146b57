//! What may be said of a destination: its policy, which is an ActiveMQ `policyEntry`; and which policy is whose.

pub mod dead_letters;
pub mod entry;
pub mod pending;
pub mod policies;
pub mod prefetch;

pub use dead_letters::{DeadLetterPlace, DeadLetterStrategy, IndividualDeadLetters};
pub use entry::Policy;
pub use pending::PendingMessageLimit;
pub use policies::Policies;
pub use prefetch::Prefetch;
