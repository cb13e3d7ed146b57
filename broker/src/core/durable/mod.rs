//! What the store keeps for a topic's subscribers.

pub(crate) mod overflow;
pub(crate) mod subscription;
