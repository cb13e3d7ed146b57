//! What lets an engine's store be one of several copies: what batches are called, and who is shown them.
//!
//! A store that was told no term and got no batch of another copy names nothing, and keeps nothing for it. Otherwise the name of the last
//! batch lies among the entries of the small tables, in a table of a name that is kept for it, written once in each transaction.
//! Callers may use every name for their tables: theirs that begin like it are kept under a longer one ([`kept_name`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

#[cfg(feature = "server")]
use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::Batch;
use kahawai_store::catalog::Rejection;
use kahawai_store::contract::{Committed, StoreError, TableEntry};
use kahawai_store::names::{BatchName, Term};
use kahawai_store::replica::{Copied, Taken, Tap, check_order};

use crate::known::Next;

/// The table that holds the name of the last batch, and the key under which it does.
pub(crate) const TABLE: &str = "kahawai.batch";
pub(crate) const KEY: &[u8] = b"last";

/// Arrivals of another copy from here on are refused: those of a whole batch must stay numbers that a database can order.
const ARRIVAL_END: u64 = 1 << 62;

/// A batch that is to be applied.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) batch: Batch,
    /// How another copy called it, and its first arrival there; `None` where it is new.
    pub(crate) copied: Option<(BatchName, u64)>,
}

impl From<Batch> for Submitted {
    fn from(batch: Batch) -> Self {
        Self { batch, copied: None }
    }
}

impl From<Copied> for Submitted {
    fn from(copied: Copied) -> Self {
        let Copied { name, arrival_first, batch } = copied;
        Self { batch, copied: Some((name, arrival_first)) }
    }
}

/// What an engine was told about copies, shared with its writer.
#[derive(Default)]
pub(crate) struct Copies {
    /// In which term batches are named; 0 where none was told.
    term: AtomicU64,
    tap: OnceLock<Arc<dyn Tap>>,
}

impl Copies {
    pub(crate) fn begin_term(&self, term: Term) {
        self.term.store(term.0, Ordering::Release);
    }

    pub(crate) fn tap(&self, tap: Arc<dyn Tap>) {
        let is_first = self.tap.set(tap).is_ok();
        debug_assert!(is_first, "a store has one tap");
    }

    /// What a batch gets if it is applied to a store that stands there.
    ///
    /// # Errors
    /// [`Rejection::OutOfOrder`] where it does not follow on the last one, or nothing could follow on it.
    pub(crate) fn place(
        &self,
        copied: Option<(BatchName, u64)>,
        next: &Next,
    ) -> Result<Committed, Rejection> {
        let (last, arrival_next) = (next.batch_last, next.arrival);
        let (name, arrival_first) = match (copied, self.term.load(Ordering::Acquire)) {
            (Some(copied), _) => copied,
            (None, 0) if last == BatchName::default() => {
                return Ok(Committed { arrival_first: arrival_next, name: last });
            }
            (None, 0) => (last.next(last.term), arrival_next),
            (None, term) => (last.next(Term(term)), arrival_next),
        };
        check_order(name, arrival_first, last, arrival_next)?;
        if name.number == u64::MAX || arrival_first >= ARRIVAL_END {
            return Err(Rejection::OutOfOrder { name, arrival_first, last, arrival_next });
        }
        Ok(Committed { arrival_first, name })
    }

    /// Shows batches that are known to be committed, in their order, where somebody wants to see them.
    pub(crate) fn show(&self, batches: Vec<Submitted>, outcomes: &[Result<Committed, StoreError>]) {
        let Some(tap) = self.tap.get() else { return };
        for (submitted, outcome) in batches.into_iter().zip(outcomes) {
            if let Ok(committed) = outcome
                && tap.wants()
            {
                tap.taken(Taken::of(*committed, submitted.batch));
            }
        }
    }
}

impl std::fmt::Debug for Copies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Copies(term {})", self.term.load(Ordering::Relaxed))
    }
}

/// A name as it lies in the tables: term and number, their high bytes first.
pub(crate) fn encode(name: BatchName) -> [u8; 16] {
    (u128::from(name.term.0) << 64 | u128::from(name.number)).to_be_bytes()
}

/// What [`encode`] wrote; no name where nothing lies there.
///
/// # Errors
/// In words, where it is something else.
pub(crate) fn decode(kept: Option<&[u8]>) -> Result<BatchName, &'static str> {
    let Some(kept) = kept else { return Ok(BatchName::default()) };
    let damaged = "the name of the last batch is not what was written";
    let both = u128::from_be_bytes(kept.try_into().map_err(|_| damaged)?);
    let (term, number) = ((both >> 64) as u64, both as u64);
    // Nothing is called by the last number of all: there would be none after it.
    if number == u64::MAX { Err(damaged) } else { Ok(BatchName { term: Term(term), number }) }
}

/// Under which name a caller's table lies: its own, or a longer one where it could be taken for [`TABLE`].
pub(crate) fn kept_name(table: ByteString) -> ByteString {
    if table.starts_with(TABLE) { format!("{table}'").into() } else { table }
}

/// The entries of the callers' tables among all, under their own names.
pub(crate) fn of_callers(entries: impl IntoIterator<Item = TableEntry>) -> Vec<TableEntry> {
    let own = |mut entry: TableEntry| {
        if entry.table == TABLE {
            return None;
        }
        if let Some(own) = entry.table.strip_suffix('\'').filter(|_| entry.table.starts_with(TABLE)) {
            entry.table = own.into();
        }
        Some(entry)
    };
    entries.into_iter().filter_map(own).collect()
}

/// The entry that holds a name.
#[cfg(feature = "server")]
pub(crate) fn entry(name: BatchName) -> ((ByteString, Bytes), Option<Bytes>) {
    ((TABLE.into(), Bytes::from_static(KEY)), Some(Bytes::copy_from_slice(&encode(name))))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn named(term: u64, number: u64) -> BatchName {
        BatchName { term: Term(term), number }
    }

    #[test]
    fn names_come_back() {
        let name = named(3, 1 << 40);
        assert_eq!(decode(Some(&encode(name))), Ok(name));
        assert_eq!(decode(None), Ok(BatchName::default()));
        for damaged in [&[0; 15][..], &[0; 17], &[], &encode(named(1, u64::MAX))] {
            assert!(decode(Some(damaged)).is_err(), "{damaged:?}");
        }
    }

    /// Whatever a caller calls its tables: they stay apart from each other and from ours.
    #[test]
    fn callers_may_use_any_name() {
        let names = ["", "orders", "kahawai.batch", "kahawai.batch'", "kahawai.batches", "kahawai.batches'"];
        let entry = |table: ByteString| TableEntry { table, key: Bytes::new(), value: Bytes::new() };
        let kept: Vec<_> = names.iter().map(|name| kept_name((*name).into())).collect();
        assert!(!kept.contains(&TABLE.into()));
        let all = kept.into_iter().chain([TABLE.into()]).map(entry);
        let shown: Vec<_> = of_callers(all).into_iter().map(|entry| entry.table).collect();
        assert_eq!(shown, names);
    }

    /// A peer's numbers are never believed so far that none could follow.
    #[test]
    fn numbers_without_a_next_are_refused() {
        let copies = Copies::default();
        let next = Next::default();
        for copied in [(named(1, u64::MAX), 0), (named(1, 1), u64::MAX), (named(1, 1), 1 << 62)] {
            assert!(copies.place(Some(copied), &next).is_err(), "{copied:?}");
        }
        assert!(copies.place(Some((named(u64::MAX, 1), (1 << 62) - 1)), &next).is_ok());
    }

    /// Nothing is named before there is a reason to; then names go on, in the last term where no other was told, and never back.
    #[test]
    fn names_begin_with_a_term() {
        let copies = Copies::default();
        let mut next = Next { arrival: 7, ..Next::default() };
        let place = |next: &Next| copies.place(None, next);
        assert_eq!(place(&next), Ok(Committed { arrival_first: 7, name: BatchName::default() }));
        next.batch_last = named(2, 5);
        assert_eq!(place(&next).map(|committed| committed.name), Ok(named(2, 6)));
        copies.begin_term(Term(3));
        assert_eq!(place(&next).map(|committed| committed.name), Ok(named(3, 6)));
        copies.begin_term(Term(1));
        assert!(place(&next).is_err());
    }
}
