//! Which process.

/// A process of a host: which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) host: usize,
    pub(crate) incarnation: u64,
}
