//! The `Replica` trait: what a store must be able to do to be one of several copies of the same messages.
//!
//! Batches are the same in each copy, in the same order, under the same [names](BatchName) and with the same arrival numbers: so a
//! [`crate::names::Cursor`] that one copy gave is good in each. One copy is written to by [`Store::commit`], and shows what it took by its
//! [`Tap`]; the others are written to by [`Replica::append`] alone. Epochs, segments, rows and files are each copy's own.
//!
//! **A whole copy** needs no operation of its own: it is a history that leads to the same contents, appended to an empty store as
//! batches, in the order of arrivals, each saying where it stands ([`Copied::arrival_first`]); see the crate `kahawai-replication`.

use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{Batch, Durability, Operation, Urgency};
use crate::catalog::Rejection;
use crate::codec::{DecodeError, decode_batch_whole, encode_batch};
use crate::contract::{Committed, Completion, Store, StoreError, wait};
use crate::names::{BatchName, Term, Xid};

/// The table in which a store says of which pair it is. It belongs to the names and arrivals of the store's batches: whoever makes another store of what one
/// holds, with names of its own, leaves it out.
pub const PAIR_TABLE: &str = "kahawai.pair";

/// A store that can be one of several copies.
pub trait Replica: Store {
    /// Names what is committed from now on in this term: the next batch is the one after the last, whatever its term was. To be called while
    /// no batch is in flight. Not kept: a store that is opened anew goes on in the term of its last batch until it is told another.
    ///
    /// An engine need not name batches before it was told a term: it gives them no name then.
    fn begin_term(&self, term: Term);

    /// Shows every batch that is taken from now on by `commit` (and by `append`) to `tap`. At most once; while no batch is in flight.
    fn tap(&self, tap: Arc<dyn Tap>);

    /// Says up to which batch another copy has confirmed what it got: no batch up to this one will ever be cut from this store. `None`: there is no other copy to
    /// wait for, nothing will be cut. May be said at any time, and from within [`Tap::taken`] and completions.
    ///
    /// An engine that can be cut destroys nothing meanwhile that lived as of a batch that may be the last one kept, though it was acknowledged or written again
    /// since: its bound on the disk is as of what is confirmed. Where this is never called, nothing is held back, unless the engine was opened so.
    fn confirmed_through(&self, through: Option<BatchName>) {
        let _ = through;
    }

    /// Applies a batch that another copy took, under its name: all of its operations or none. Otherwise as [`Store::commit`], and in one
    /// order with it.
    ///
    /// # Errors
    /// As [`Store::commit`]. [`Rejection::OutOfOrder`] where the name is not that of the batch after the last (or beyond it, where the last is of term 0:
    /// a part of a copy) or its arrivals are behind
    /// what was given already; that, and every other rejection, says that the copies are no copies of each other.
    fn append(&self, copied: Copied, done: Completion<Committed>);

    /// All that a prepared transaction will do if it commits, in the chunks in which it was prepared, with the messages. As of every batch
    /// completed before this call.
    ///
    /// # Errors
    /// [`Rejection::NotPrepared`]; otherwise as [`Store::read`], and [`StoreError::Failed`] where a message cannot be read.
    fn prepared(&self, xid: Xid, done: Completion<Vec<Vec<Operation>>>);
}

/// Conveniences over [`Replica`] for callers that may block, as [`crate::contract::StoreWait`].
pub trait ReplicaWait: Replica {
    /// Appends and waits.
    ///
    /// # Errors
    /// As [`Replica::append`].
    fn append_wait(&self, copied: Copied) -> Result<Committed, StoreError> {
        wait(|done| self.append(copied, done))
    }

    /// Reads what is prepared, and waits.
    ///
    /// # Errors
    /// As [`Replica::prepared`].
    fn prepared_wait(&self, xid: Xid) -> Result<Vec<Vec<Operation>>, StoreError> {
        wait(|done| self.prepared(xid, done))
    }
}

impl<R: Replica + ?Sized> ReplicaWait for R {}

/// A batch that another copy took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// What it is called.
    pub name: BatchName,
    /// The arrival number of its first `Enqueue` or `Move`, as [`Committed::arrival_first`].
    pub arrival_first: u64,
    /// What it does, and how durable it is to be.
    pub batch: Batch,
}

/// Whether a copied batch follows on the last one: one rule for all engines. None is left out: behind one that found no room, or failed, a smaller
/// one would find some, and what was lost between them would never be missed. But for a whole copy, whose last part has the name of what it is as of.
///
/// # Errors
/// [`Rejection::OutOfOrder`] where it does not.
pub fn check_order(
    name: BatchName,
    arrival_first: u64,
    last: BatchName,
    arrival_next: u64,
) -> Result<(), Rejection> {
    let is_next = last.term == Term(0) || name.number == last.number + 1;
    if name <= last || !is_next || arrival_first < arrival_next {
        return Err(Rejection::OutOfOrder { name, arrival_first, last, arrival_next });
    }
    Ok(())
}

/// A batch that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What it is called.
    pub name: BatchName,
    /// The arrival number of its first `Enqueue` or `Move`.
    pub arrival_first: u64,
    /// The operations, as [`crate::codec::encode_batch`] writes them.
    pub encoded: Bytes,
    /// Whether somebody waits for it.
    pub urgency: Urgency,
    /// How durable it is to be.
    pub durability: Option<Durability>,
}

impl Taken {
    /// A batch that was committed so.
    pub fn of(committed: Committed, batch: Batch) -> Self {
        let (urgency, durability) = (batch.urgency, batch.durability);
        let mut encoded = Vec::new();
        encode_batch(batch, &mut encoded);
        let Committed { arrival_first, name } = committed;
        Self { name, arrival_first, encoded: encoded.into(), urgency, durability }
    }

    /// The same as another copy is to append it.
    ///
    /// # Errors
    /// Where the bytes are no batch, or a message is not what was written.
    pub fn copied(&self) -> Result<Copied, DecodeError> {
        let mut batch = decode_batch_whole(&self.encoded)?;
        (batch.urgency, batch.durability) = (self.urgency, self.durability);
        Ok(Copied { name: self.name, arrival_first: self.arrival_first, batch })
    }
}

/// What is shown each batch that a store takes.
pub trait Tap: Send + Sync {
    /// Whether batches are to be shown now: an engine may spare itself the copy otherwise. Asked before each.
    fn wants(&self) -> bool;

    /// A batch was taken: nothing but the store's failure keeps it from being completed. Called in the order of batches, before the
    /// completion of each, on the engine's thread, which flushes only after it returned: it must not wait for anything.
    fn taken(&self, taken: Taken);
}
