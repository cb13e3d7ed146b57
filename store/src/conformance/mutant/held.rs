//! What a mutant holds back.

use std::sync::mpsc::Sender;

use crate::batch::Batch;
use crate::names::Xid;

/// What a mutant keeps back.
#[derive(Default)]
pub(crate) struct Held {
    /// A batch that was answered and is not applied yet.
    pub(crate) batch: Option<Batch>,
    /// Whom to tell of the next answer.
    pub(crate) next: Option<Sender<()>>,
    /// The transactions that were prepared since opening.
    pub(crate) prepared: Vec<Xid>,
}
