//! From where messages wait to consumers, and away when they have expired.

pub(crate) mod expiry;
pub(crate) mod filter;
pub(crate) mod source;
pub(crate) mod window;
