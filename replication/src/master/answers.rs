//! Answers in the order of their calls, some of which wait for the slave.
//!
//! Whoever makes some of them due gives them; whoever comes meanwhile leaves his to that one, so that they are given in order though several
//! threads make them due.

use std::collections::VecDeque;

use kahawai_store::contract::StoreError;
use kahawai_store::names::BatchName;

/// Gives one answer, or this error in its stead.
pub(super) type Give = Box<dyn FnOnce(Option<StoreError>) + Send>;

/// Answers that are to be given.
#[derive(Default)]
pub(super) struct Answers {
    /// In the order of their calls; each with the batch that must be confirmed before, or the default name.
    waiting: VecDeque<(BatchName, Give)>,
    /// Whether somebody is giving answers now.
    is_giving: bool,
}

impl Answers {
    pub(super) fn push(&mut self, name: BatchName, give: Give) {
        self.waiting.push_back((name, give));
    }

    /// Those due now, if all up to this batch are; nothing while somebody else gives some. Whoever gets some gives them and then calls
    /// [`Answers::given`].
    pub(super) fn due(&mut self, through: BatchName) -> Vec<Give> {
        if self.is_giving {
            return Vec::new();
        }
        let count = self.waiting.iter().take_while(|(name, _)| *name <= through).count();
        let due: Vec<_> = self.waiting.drain(..count).map(|(_, give)| give).collect();
        self.is_giving = !due.is_empty();
        due
    }

    pub(super) fn given(&mut self) {
        self.is_giving = false;
    }
}
