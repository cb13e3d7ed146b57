//! What clients have: connections, consumers, browsers, and what they acknowledge.

pub(crate) mod acknowledge;
pub(crate) mod browser;
pub(crate) mod connection;
pub(crate) mod consumer;
pub(crate) mod hand;
pub(crate) mod hand_out;
pub(crate) mod meant;
pub(crate) mod pending;
pub(crate) mod slow;
