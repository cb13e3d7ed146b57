//! How far the search for expired messages has got.

use std::collections::VecDeque;

use kahawai_store::names::Cursor;

use crate::core::keys::SourceKey;

/// What is being looked through.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// In turns, a page of each: the subscriptions of a topic see the same messages at about the same time.
    pub(crate) places: VecDeque<Place>,
}

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) source: SourceKey,
    pub(crate) after: Option<Cursor>,
    /// When the first of those seen expires that are left.
    pub(crate) first_left: i64,
}
