//! The network: connections between hosts, links that are cut, slow or one-way.
//!
//! | module | what it holds |
//! |---|---|
//! | [`connection`] | a connection: two ends, and a stream of bytes each way |
//! | [`link`] | what passes from one host to another, and how fast |
//!
//! Nothing here knows processes or time; `kernel` moves the bytes.

pub(crate) mod connection;
pub(crate) mod link;
