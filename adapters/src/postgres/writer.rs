//! The one thread that writes: many batches, one SQL transaction.
//!
//! While one transaction is under way, the next batches gather; nobody waits for a timer. A transaction takes two round trips:
//! begin, update the lock row where the epoch is ours, look up what the operations need; then, with everything planned, write it
//! all and commit. Only then is anyone answered.
//!
//! A connection that breaks answers nobody: the writer connects again for as long as it takes, and finds by the number of the
//! last transaction whether its own was committed. Meanwhile batches wait, and so do their senders.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kahawai_store::batch::{Batch, Operation};
use kahawai_store::contract::{Committed, Limits, StoreError};
use kahawai_store::names::Epoch;
use tokio::runtime::Runtime;

use super::apply::{Apply, Statements};
use super::connection::{Database, Session, Step, in_order, values};
use super::error::{Error, Meaning, Result};
use super::state::{self, Loaded, lost};
use super::value::{signed, unsigned};
use crate::election::Mastership;
use crate::known::Known;
use crate::pause::Pause;
use crate::plan::{Changes, Found, Needs, Plan, Sweeping};
use crate::worker::{CommitCall, gather};

/// What a batch came to: applied, or rejected and without a trace.
type Outcome = std::result::Result<Committed, StoreError>;

/// How long a statement may be silent inside a transaction before the server ends it, as a part of the lease.
pub(super) const IDLE_PART_OF_LEASE: u32 = 2;

/// How often one transaction is tried while the database is there; and how much longer is waited each time before the next.
const ATTEMPTS_MAX: u32 = 50;
const AGAIN: Duration = Duration::from_millis(10);

pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) lease: Duration,
    pub(super) epoch: Epoch,
    pub(super) mastership: Mastership,
    pub(super) limits: Limits,
    /// The error that stopped the store.
    pub(super) stopped: Arc<OnceLock<StoreError>>,
    /// Set when the store is being closed: a database that is away is not waited for any more.
    pub(super) closing: Arc<AtomicBool>,
    pub(super) known: Known,
    /// The number of the last transaction.
    pub(super) transactions: u64,
    pub(super) connection: Option<(Session, Statements)>,
}

impl Writer {
    /// Connects and reads what there is.
    pub(super) async fn connect(database: &Database, lease: Duration) -> Result<(Session, Statements)> {
        let session = Session::connect(database, lease / IDLE_PART_OF_LEASE, "writer").await?;
        let statements = Statements::prepare(&session).await?;
        Ok((session, statements))
    }

    /// Works until the last call has come.
    pub(super) fn run(mut self, runtime: &Runtime, calls: &Receiver<CommitCall>) {
        while let Some(group) = gather(calls) {
            let (batches, completions): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let outcomes = runtime.block_on(self.commit(&batches));
            for (completion, outcome) in completions.into_iter().zip(outcomes) {
                completion.complete(outcome);
            }
        }
    }

    /// Commits batches in one transaction; where there is no room for all, each in one of its own.
    async fn commit(&mut self, batches: &[Batch]) -> Vec<Outcome> {
        if let Some(outcomes) = self.commit_group(batches).await {
            return outcomes;
        }
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            let alone = self.commit_group(std::slice::from_ref(batch)).await;
            outcomes.extend(alone.unwrap_or_default());
        }
        outcomes
    }

    /// Commits a group; `None` where there is no room for it and it is more than one batch.
    async fn commit_group(&mut self, batches: &[Batch]) -> Option<Vec<Outcome>> {
        if let Some(error) = self.stopped.get() {
            return Some(vec![Err(error.clone()); batches.len()]);
        }
        for attempt in 1_u32.. {
            let begun = Instant::now();
            let mut planned = None;
            let error = match self.try_commit(batches, &mut planned).await {
                Ok(outcomes) => match self.mastership.committed(begun) {
                    Ok(()) => return Some(outcomes),
                    Err(lost) => lost.into(),
                },
                Err(error) => error,
            };
            let meaning = error.meaning();
            // What fails again and again with the database there is not the database's going away.
            if meaning == Meaning::Final || attempt > ATTEMPTS_MAX {
                return Some(self.stop(error, batches.len()));
            }
            // The number that the transaction has if it was committed.
            let attempted = self.transactions + 1;
            if meaning == Meaning::Passing {
                tracing::debug!("a transaction broke: {}", error.words());
            }
            if let Err(error) = self.restore().await {
                return Some(self.stop(error, batches.len()));
            }
            if self.transactions == attempted
                && let Some(outcomes) = planned
            {
                return match self.mastership.committed(begun) {
                    Ok(()) => Some(outcomes),
                    Err(lost) => Some(self.stop(lost.into(), batches.len())),
                };
            }
            if self.transactions + 1 != attempted {
                let reason = format!(
                    "the database is at transaction {} where {} was the last known: it has lost what was committed, \
                     or something else writes to it",
                    self.transactions,
                    attempted - 1
                );
                return Some(self.stop(Error::failed(reason), batches.len()));
            }
            if meaning == Meaning::Full {
                return match batches {
                    [_] => Some(vec![Err(error.told())]),
                    _ => None,
                };
            }
            tokio::time::sleep(AGAIN * attempt.saturating_sub(1)).await;
        }
        None
    }

    /// One transaction. What it comes to is in `planned` before the commit is sent.
    async fn try_commit(
        &mut self,
        batches: &[Batch],
        planned: &mut Option<Vec<Outcome>>,
    ) -> Result<Vec<Outcome>> {
        // Given back only whole: what broke is read anew.
        let Some((session, statements)) = self.connection.as_ref() else {
            return Err(Error::Unreachable("not connected".to_owned()));
        };
        let apply = Apply { session, statements };
        let known = &mut self.known;
        let mut outcomes = Vec::with_capacity(batches.len());
        let mut operations = Vec::new();
        for (at, batch) in batches.iter().enumerate() {
            let checked = self.limits.check(&batch.operations);
            match checked.and_then(|()| known.catalog.admit(&batch.operations)) {
                Ok(()) => {
                    outcomes.push(Ok(Committed { arrival_first: 0 }));
                    operations.extend(batch.operations.iter().map(|operation| (at, operation.clone())));
                }
                Err(rejection) => outcomes.push(Err(rejection.into())),
            }
        }
        let mut needs = Needs::default();
        for (_, operation) in &operations {
            needs.add(operation);
        }
        let mut steps = vec![
            session.step(&statements.begin, values![]),
            session.step(&statements.lock, values![signed(self.epoch.0)]),
        ];
        if !needs.is_empty() {
            steps.extend(apply.look_up(&needs));
        }
        let answers = in_order(steps).await?;
        if answers[1].len() != 1 {
            let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", &[]).await?;
            let found = rows.first().map(|row| unsigned(row, 0)).transpose()?.unwrap_or_default();
            return Err(lost(self.epoch, found));
        }
        let mut found = match &answers[2..] {
            [places, acknowledged] => Apply::found(places, acknowledged)?,
            _ => Found::default(),
        };

        let mut changes = Changes::default();
        let mut advanced = BTreeSet::new();
        let mut operations = operations.into_iter().peekable();
        for (at, outcome) in outcomes.iter_mut().enumerate() {
            if let Ok(committed) = outcome {
                committed.arrival_first = known.next.arrival;
            }
            while let Some((_, operation)) = operations.next_if(|(of, _)| *of == at) {
                let mut plan = Plan { known, found: &mut found, changes: &mut changes };
                let Some(sweeping) = plan.apply(operation) else { continue };
                // What was planned so far is written, so that the database sees it.
                flush(apply, known, &mut changes, &mut advanced).await?;
                if let Sweeping::Decide(xid, outcome) = &sweeping {
                    for chunk in apply.chunks(xid, *outcome).await? {
                        let chunk = apply.chunk(xid, chunk).await?;
                        found = look_up(apply, chunk.iter()).await?;
                        for operation in chunk {
                            let mut plan = Plan { known, found: &mut found, changes: &mut changes };
                            plan.apply(operation);
                        }
                        flush(apply, known, &mut changes, &mut advanced).await?;
                    }
                }
                apply.sweep(known, &sweeping).await?;
                let rest: Vec<_> = operations.clone().map(|(_, operation)| operation).collect();
                found = look_up(apply, rest.iter()).await?;
            }
        }

        advanced.append(&mut changes.advanced);
        let mut steps = apply.write(known, std::mem::take(&mut changes));
        let (finishing, advance_at) = apply.finish(known, advanced, self.transactions + 1);
        let advance_at = advance_at.map(|at| at + steps.len());
        steps.extend(finishing);
        steps.push(session.step(&statements.commit, values![]));
        *planned = Some(outcomes.clone());
        let answers = in_order(steps).await?;
        for row in advance_at.and_then(|at| answers.get(at)).into_iter().flatten() {
            let (id, position) = (unsigned(row, 0)?, unsigned(row, 1)?);
            if let Some(progress) = known.subscriptions.get_mut(&kahawai_store::names::SubscriptionId(id)) {
                progress.position = position;
            }
        }
        self.transactions += 1;
        Ok(outcomes)
    }

    /// Gets a connection again, and what is in the database. Waits for as long as it takes.
    async fn restore(&mut self) -> Result<()> {
        if let Some((session, statements)) = self.connection.take() {
            // A transaction that found no room, or was asked to be repeated, leaves the connection as it was.
            if !session.is_closed() && session.execute("ROLLBACK").await.is_ok() {
                self.connection = Some((session, statements));
            }
        }
        let mut pause = Pause::new("the database", self.database.to_string());
        loop {
            let error = match self.try_restore().await {
                Ok(()) => {
                    pause.is_over();
                    return Ok(());
                }
                Err(error) => error,
            };
            self.connection = None;
            match error.meaning() {
                Meaning::Final => return Err(error),
                _ if self.closing.load(Ordering::Acquire) => {
                    return Err(Error::failed(format!(
                        "closed while the database was away: {}",
                        error.words()
                    )));
                }
                _ => {}
            }
            tokio::time::sleep(pause.next(&error.words())).await;
        }
    }

    async fn try_restore(&mut self) -> Result<()> {
        if self.connection.is_none() {
            self.connection = Some(Self::connect(&self.database, self.lease).await?);
        }
        let Some((session, _)) = &self.connection else {
            return Err(Error::Unreachable("not connected".to_owned()));
        };
        let Loaded { known, transactions } = state::load(session, self.epoch).await?;
        self.known = known;
        self.transactions = transactions;
        Ok(())
    }

    fn stop(&mut self, error: Error, answers: usize) -> Vec<Outcome> {
        // Nothing is written any more; the server rolls back what was open.
        self.connection = None;
        let error = self.stopped.get_or_init(|| error.told()).clone();
        vec![Err(error); answers]
    }
}

/// Writes what was planned, within the transaction.
async fn flush(
    apply: Apply<'_>,
    known: &Known,
    changes: &mut Changes,
    advanced: &mut BTreeSet<kahawai_store::names::SubscriptionId>,
) -> Result<()> {
    advanced.append(&mut changes.advanced);
    let steps: Vec<Step<'_>> = apply.write(known, std::mem::take(changes));
    in_order(steps).await.map(drop)
}

/// Looks up what operations need.
async fn look_up(apply: Apply<'_>, operations: impl Iterator<Item = &Operation>) -> Result<Found> {
    let mut needs = Needs::default();
    for operation in operations {
        needs.add(operation);
    }
    if needs.is_empty() {
        return Ok(Found::default());
    }
    let answers = in_order(apply.look_up(&needs).into()).await?;
    match &answers[..] {
        [places, acknowledged] => Apply::found(places, acknowledged),
        _ => Ok(Found::default()),
    }
}
