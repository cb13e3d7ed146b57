//! How far the search for expired messages has got.

use std::collections::{BTreeMap, VecDeque};

use kahawai_store::names::Cursor;

use crate::core::keys::SourceKey;

/// What is being looked through.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// In turns, a page of each: the subscriptions of a topic see the same messages at about the same time.
    pub(crate) places: VecDeque<Place>,
    /// When the next one is due of each period that a policy asks for.
    due: BTreeMap<i64, i64>,
}

impl Sweep {
    /// Looks for what has expired in these periods from now on; gives when first. One that is there already goes on, however often
    /// this is called.
    pub(crate) fn set_periods(&mut self, periods: impl Iterator<Item = i64>, now: i64) -> Option<i64> {
        let before = std::mem::take(&mut self.due);
        let at = |period| before.get(&period).copied().unwrap_or_else(|| now.saturating_add(period));
        self.due = periods.filter(|period| *period > 0).map(|period| (period, at(period))).collect();
        self.due.values().min().copied()
    }

    /// Takes the periods that are over, each of which begins anew; gives when the next one will be.
    pub(crate) fn take_over(&mut self, now: i64) -> (Vec<i64>, Option<i64>) {
        let mut over = Vec::new();
        for (period, at) in &mut self.due {
            if *at <= now {
                over.push(*period);
                *at = now.saturating_add(*period);
            }
        }
        (over, self.due.values().min().copied())
    }
}

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) source: SourceKey,
    pub(crate) after: Option<Cursor>,
    /// When the first of those seen expires that are left.
    pub(crate) first_left: i64,
}
