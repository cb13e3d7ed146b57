//! Where the taking out of what is gone stands: see `sweep`.

/// Where the sweeping stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweeping {
    /// How many bytes were used up when it began.
    pub(super) since: Option<u64>,
    /// How many were appended when it last went on.
    pub(super) appended: u64,
    /// Whether it goes on as soon as there is time: it does not wait for what is being written.
    pub(super) has_more: bool,
}
