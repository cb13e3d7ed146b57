//! What of a log an epoch leaves out when it begins.

/// What of the log before is left out when a store is opened: it is set aside, in files of the store's directory that nothing reads but tools, and
/// nothing removes but an operator.
///
/// The cut is made by one atomic step, as each take-over is: whoever opens the store after a crash finds it made, or nothing changed. What was left out
/// never comes back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Everything, damaged or not: the store is empty then. Its epochs go on counting.
    All,
}
