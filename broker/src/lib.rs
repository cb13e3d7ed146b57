//! The broker: protocols, routing, dispatch, transactions, on top of the storage contract.

pub mod core;
