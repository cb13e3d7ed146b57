//! What of a log an epoch leaves out when it begins.

use kahawai_store::names::BatchName;

/// What of the log before is left out when a store is opened: it is set aside, in files of the store's directory that nothing reads but tools, and
/// nothing removes but an operator.
///
/// The cut is made by one atomic step, as each take-over is: whoever opens the store after a crash finds it made, or nothing changed. What was left out
/// never comes back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What was written behind the last batch whose name is not greater than this one: the store holds what that batch left. Where there is no batch behind
    /// it, nothing is left out.
    ///
    /// It cannot be had where something is gone from the disk that lived then, as it was acknowledged or written again behind that batch and its segment was given up
    /// for it: see [`kahawai_store::replica::Replica::confirmed_through`]; or where it is damaged.
    Behind(BatchName),
    /// Everything, damaged or not: the store is empty then. Its epochs go on counting.
    All,
}
