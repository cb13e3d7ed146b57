//! Which messages an acknowledgement means.
//!
//! A range over what was dispatched to its consumer, from the first message to the last, in that order. After a failover
//! that is not the whole truth: ActiveMQ's client keeps, within a transaction, what it was given over the lost connection,
//! in the old order; when the same message comes again over the new connection it does not deliver it again but says `Delivered`
//! of it alone. The range it then names runs from the first message *it* was given to the last, and only the count tells how
//! many it means. Read as a range over our order it can leave out messages that the client has consumed, and they would
//! come again though their transaction was committed. So the count is believed: what was replayed is all meant, and beside it as
//! many of the others, oldest first, as the count asks for, since those were delivered in our order. What does not
//! fit is refused.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use kahawai_store::names::MessageId;

use crate::core::failure::{Failure, FailureKind};
use crate::core::state::dispatched::Dispatched;

/// Places among what was dispatched to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// All of these.
    Range(RangeInclusive<usize>),
    /// Exactly these, ascending.
    Places(Vec<usize>),
}

impl Meant {
    /// Takes them out, in the order of dispatch.
    pub(crate) fn take(&self, dispatched: &mut VecDeque<Dispatched>) -> Vec<Dispatched> {
        match self {
            Self::Range(range) => dispatched.drain(range.clone()).collect(),
            Self::Places(places) => {
                let mut taken: Vec<_> =
                    places.iter().rev().filter_map(|place| dispatched.remove(*place)).collect();
                taken.reverse();
                taken
            }
        }
    }
}

/// The range from `first` (the oldest where it is `None`) to `last`.
///
/// # Errors
/// Where one of them is not there, or they stand the other way round.
pub(crate) fn range(
    dispatched: &VecDeque<Dispatched>,
    first: Option<MessageId>,
    last: MessageId,
) -> Result<RangeInclusive<usize>, Failure> {
    let end = place(dispatched, last).ok_or_else(|| unmatched(&format!("message {last} (end of ack)")))?;
    let start = match first {
        None => 0,
        Some(first) => place(dispatched, first)
            .filter(|start| *start <= end)
            .ok_or_else(|| unmatched(&format!("message {first} (start of ack)")))?,
    };
    Ok(start..=end)
}

/// What a client means that keeps a transaction over a lost connection.
///
/// # Errors
/// Where the count fits nothing that it can mean.
pub(crate) fn counted(
    dispatched: &VecDeque<Dispatched>,
    first: Option<MessageId>,
    last: MessageId,
    count: usize,
) -> Result<Meant, Failure> {
    let range = range(dispatched, first, last);
    if let Ok(range) = &range
        && range.clone().count() == count
    {
        return Ok(Meant::Range(range.clone()));
    }
    let replayed = dispatched.iter().filter(|entry| entry.replayed).count();
    let mut others = count.saturating_sub(replayed);
    let mut places = Vec::new();
    for (index, entry) in dispatched.iter().enumerate() {
        if entry.replayed || others > 0 {
            others -= usize::from(!entry.replayed);
            places.push(index);
        }
    }
    let has = |id| place(dispatched, id).is_some_and(|place| places.contains(&place));
    if places.len() == count && has(last) && first.is_none_or(has) {
        return Ok(Meant::Places(places));
    }
    let found = range?.count();
    Err(unmatched(&format!("{count} messages up to {last}, only {found},")))
}

fn place(dispatched: &VecDeque<Dispatched>, id: MessageId) -> Option<usize> {
    dispatched.iter().position(|entry| entry.id == id)
}

fn unmatched(what: &str) -> Failure {
    Failure::new(
        FailureKind::General,
        format!("Unmatched acknowledge: could not find {what} in dispatched-list"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was dispatched, by id; those below zero were replayed.
    fn dispatched(ids: &[i64]) -> VecDeque<Dispatched> {
        let entry = |id: &i64| Dispatched {
            stored: true,
            replayed: *id < 0,
            ..Dispatched::passing(MessageId(id.unsigned_abs()))
        };
        ids.iter().map(entry).collect()
    }

    fn meant(ids: &[i64], first: u64, last: u64, count: usize) -> Option<Vec<u64>> {
        let mut dispatched = dispatched(ids);
        let meant = counted(&dispatched, Some(MessageId(first)), MessageId(last), count).ok()?;
        let taken = meant.take(&mut dispatched);
        assert_eq!(dispatched.len() + taken.len(), ids.len());
        Some(taken.iter().map(|entry| entry.id.0).collect())
    }

    #[test]
    fn a_range_of_the_right_count_is_meant_as_it_stands() {
        assert_eq!(meant(&[1, 2, 3, 4, 5], 2, 4, 3), Some(vec![2, 3, 4]));
        assert_eq!(meant(&[1, -2, -3, 4, 5], 2, 4, 3), Some(vec![2, 3, 4]));
    }

    #[test]
    fn what_was_replayed_is_meant_wherever_it_stands() {
        // The client had 5 and 6; then 3 and 4 came before them over the new connection, and 7.
        assert_eq!(meant(&[3, 4, -5, -6, 7, 8], 5, 7, 5), Some(vec![3, 4, 5, 6, 7]));
        // It had 7, and has taken 3 and 4; 5 and 6 wait in its buffer.
        assert_eq!(meant(&[3, 4, 5, 6, -7], 7, 4, 3), Some(vec![3, 4, 7]));
        // It had 6 and then 5, which come the other way round.
        assert_eq!(meant(&[-5, -6, 7], 6, 5, 2), Some(vec![5, 6]));
    }

    #[test]
    fn what_fits_nothing_is_refused() {
        assert_eq!(meant(&[1, 2, 3, 4], 2, 4, 2), None, "fewer than the range holds");
        assert_eq!(meant(&[1, 2, 3, 4], 2, 4, 5), None, "more than there are");
        assert_eq!(meant(&[1, 2, 3, 4], 9, 4, 4), None, "the first is not there");
        assert_eq!(meant(&[1, -2, -3, 4], 2, 4, 1), None, "fewer than were replayed");
        assert_eq!(meant(&[1, 2, 3], 3, 1, 3), Some(vec![1, 2, 3]), "all there are");
    }
}
