//! Segments that hold nothing live, by what another copy has not confirmed yet.
//!
//! The log says that they are released, as of a batch; were it cut before that, it would not say so any more, and they would be needed. So their files
//! stay until that batch is confirmed, which is to be cut never more.

use std::collections::VecDeque;
use std::sync::Arc;

use kahawai_store::names::BatchName;

use crate::log::segment::Segment;

/// Released segments whose files stay, lowest first, each with the batch as of which it was released.
#[derive(Debug, Default)]
pub(super) struct Held(VecDeque<(BatchName, Arc<Segment>)>);

impl Held {
    /// Those of masters before, of which it is not known as of when they were released: as of the last batch, at most.
    pub(super) fn of(segments: Vec<Arc<Segment>>, last: BatchName) -> Self {
        Self(segments.into_iter().map(|segment| (last, segment)).collect())
    }

    pub(super) fn push(&mut self, as_of: BatchName, segment: Arc<Segment>) {
        debug_assert!(self.0.back().is_none_or(|(before, _)| *before <= as_of), "batches rise");
        self.0.push_back((as_of, segment));
    }

    /// As of which batch the first of them was released.
    pub(super) fn first(&self) -> Option<BatchName> {
        self.0.front().map(|(as_of, _)| *as_of)
    }

    pub(super) fn pop(&mut self) -> Option<Arc<Segment>> {
        self.0.pop_front().map(|(_, segment)| segment)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.0.iter().map(|(_, segment)| segment)
    }
}
