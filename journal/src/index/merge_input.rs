//! What a merge of runs begins from.

use std::sync::Arc;

use super::run::Run;

/// A run to be merged, and what was gone from it when the merge began.
#[derive(Clone, Debug)]
pub(crate) struct MergeInput {
    pub(crate) run: Arc<Run>,
    pub(crate) gone: Vec<u64>,
}

impl MergeInput {
    /// Whether an entry was gone then.
    pub(super) fn is_gone(&self, entry: u32) -> bool {
        self.gone[entry as usize / 64] & 1 << (entry % 64) != 0
    }
}
