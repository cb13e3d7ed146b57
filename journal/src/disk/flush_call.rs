//! How a mapping is flushed.

/// Which system call flushes a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushCall {
    /// `msync` of the pages written.
    Msync,
    /// `fdatasync` of the file, which writes pages dirtied through a mapping too.
    Fdatasync,
}
