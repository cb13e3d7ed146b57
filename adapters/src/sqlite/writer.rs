//! The one thread that writes: many batches, one SQL transaction.
//!
//! While one transaction is synced, the next batches gather; nobody waits for a timer. A transaction is:
//! begin, find the epoch to be ours, apply, write what changed, commit (which syncs the log), prove mastership;
//! only then is anyone answered.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};

use kahawai_store::batch::Batch;
use kahawai_store::contract::{Committed, Limits, StoreError};
use kahawai_store::election::Hold;
use kahawai_store::names::BatchName;
use rusqlite::{Connection, params};

use super::apply::Apply;
use super::error::{Error, Result};
use super::state::{expect_one, load, save};
use super::value::signed;
use crate::known::Known;
use crate::worker::{CommitCall, gather};

/// What a batch came to: applied, or rejected and without a trace.
type Outcome = std::result::Result<Committed, StoreError>;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) known: Known,
    pub(super) hold: Arc<dyn Hold>,
    pub(super) limits: Limits,
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
        for (completion, outcome) in completions.into_iter().zip(outcomes) {
            completion.complete(outcome);
        }
    }

    /// Commits batches in one transaction; where there is no room for all, each in one of its own.
    fn commit(&mut self, batches: &[Batch]) -> Vec<Outcome> {
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

    fn try_commit(&mut self, batches: &[Batch]) -> Result<Vec<Outcome>> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let epoch = self.hold.epoch();
        let sql = "UPDATE store SET epoch = ?1 WHERE one = 1 AND epoch = ?1";
        let updated = self.connection.prepare_cached(sql)?.execute(params![signed(epoch.0)])?;
        expect_one(updated, &self.connection, epoch)?;
        let outcomes = batches.iter().map(|batch| self.apply(batch)).collect::<Result<_>>()?;
        save(&mut self.known, &self.connection, epoch)?;
        self.connection.execute_batch("COMMIT")?;
        self.hold.prove()?;
        Ok(outcomes)
    }

    fn apply(&mut self, batch: &Batch) -> Result<Outcome> {
        let checked = self.limits.check(&batch.operations);
        if let Err(rejection) = checked.and_then(|()| self.known.catalog.admit(&batch.operations)) {
            return Ok(Err(rejection.into()));
        }
        let arrival_first = self.known.next.arrival;
        let mut apply = Apply { connection: &self.connection, known: &mut self.known };
        for operation in &batch.operations {
            apply.apply(operation.clone())?;
        }
        Ok(Ok(Committed { arrival_first, name: BatchName::default() }))
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
