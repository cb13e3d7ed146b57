//! The cases, by what they are about. Each takes a new engine and panics where it breaks the contract.

pub mod catalogue;
pub mod committing;
pub mod durability;
pub mod paging;
pub mod queues;
pub mod random;
pub mod topics;
pub mod transactions;
