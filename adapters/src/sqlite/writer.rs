//! The one thread that writes: many batches, one SQL transaction.
//!
//! While one transaction is synced, the next batches gather; nobody waits for a timer. A transaction is:
//! begin, find the epoch to be ours, apply, write what changed, commit (which syncs the log), prove mastership;
//! only then is anyone answered.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};

use kahawai_store::batch::Operation;
use kahawai_store::catalog::Rejection;
use kahawai_store::contract::{Committed, Limits, StoreError};
use kahawai_store::election::Hold;
use kahawai_store::names::BatchName;
use rusqlite::{Connection, params};

use super::apply::Apply;
use super::error::{Error, Result};
use super::state::{expect_one, load, save, save_name};
use super::value::signed;
use crate::copies::{Copies, Submitted};
use crate::known::Known;
use crate::worker::{CommitCall, gather};

/// What a batch came to: applied, or rejected and without a trace.
type Outcome = std::result::Result<Committed, StoreError>;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) known: Known,
    pub(super) hold: Arc<dyn Hold>,
    pub(super) limits: Limits,
    pub(super) copies: Arc<Copies>,
    /// The error that stopped the store.
    pub(super) stopped: Arc<OnceLock<StoreError>>,
}

impl Writer {
    /// Works until the last call has come.
    pub(super) fn run(mut self, calls: &Receiver<CommitCall>) {
        while let Some(group) = gather(calls) {
            self.answer(group);
        }
        // Leaves one file where nothing else has the database open. A failure costs the next opening a moment.
        let _ = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
    }

    fn answer(&mut self, group: Vec<CommitCall>) {
        let (batches, completions): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let outcomes = self.commit(&batches);
        self.copies.show(batches, &outcomes);
        for (completion, outcome) in completions.into_iter().zip(outcomes) {
            completion.complete(outcome);
        }
    }

    /// Commits batches in one transaction; where there is no room for all, each in one of its own.
    fn commit(&mut self, batches: &[Submitted]) -> Vec<Outcome> {
        if let Some(error) = self.stopped.get() {
            return batches.iter().map(|_| Err(error.clone())).collect();
        }
        let error = match self.try_commit(batches) {
            Ok(outcomes) => return outcomes,
            Err(error) => error,
        };
        if !error.is_full() {
            return self.stop(error, batches.len());
        }
        if let Err(error) = self.take_back() {
            return self.stop(error, batches.len());
        }
        match batches {
            [_] => vec![Err(error.told())],
            _ => batches.iter().flat_map(|batch| self.commit(std::slice::from_ref(batch))).collect(),
        }
    }

    fn try_commit(&mut self, batches: &[Submitted]) -> Result<Vec<Outcome>> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let epoch = self.hold.epoch();
        let sql = "UPDATE store SET epoch = ?1 WHERE one = 1 AND epoch = ?1";
        let updated = self.connection.prepare_cached(sql)?.execute(params![signed(epoch.0)])?;
        expect_one(updated, &self.connection, epoch)?;
        let last = self.known.next.batch_last;
        let outcomes = batches.iter().map(|batch| self.apply(batch)).collect::<Result<_>>()?;
        if self.known.next.batch_last != last {
            save_name(&self.known, &self.connection)?;
        }
        save(&mut self.known, &self.connection, epoch)?;
        self.connection.execute_batch("COMMIT")?;
        self.hold.prove()?;
        Ok(outcomes)
    }

    fn apply(&mut self, submitted: &Submitted) -> Result<Outcome> {
        let Submitted { batch, copied } = submitted;
        let committed = match self.admit(&batch.operations, *copied) {
            Ok(committed) => committed,
            Err(rejection) => return Ok(Err(rejection.into())),
        };
        (self.known.next.arrival, self.known.next.batch_last) = (committed.arrival_first, committed.name);
        let mut apply = Apply { connection: &self.connection, known: &mut self.known };
        for operation in &batch.operations {
            apply.apply(operation.clone())?;
        }
        Ok(Ok(committed))
    }

    /// Checks a batch, and notes in the catalogue what it does; one that is rejected leaves nothing.
    fn admit(
        &mut self,
        operations: &[Operation],
        copied: Option<(BatchName, u64)>,
    ) -> std::result::Result<Committed, Rejection> {
        self.limits.check(operations)?;
        let committed = self.copies.place(copied, &self.known.next)?;
        self.known.catalog.admit(operations)?;
        Ok(committed)
    }

    /// Undoes a transaction that found no room.
    fn take_back(&mut self) -> Result<()> {
        // The database may have rolled back by itself.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.known = load(&self.connection)?;
        Ok(())
    }

    fn stop(&mut self, error: Error, answers: usize) -> Vec<Outcome> {
        if !self.connection.is_autocommit() {
            // Nothing is written any more either way; the database forgets an open transaction by itself.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        let error = self.stopped.get_or_init(|| error.told()).clone();
        vec![Err(error); answers]
    }
}
