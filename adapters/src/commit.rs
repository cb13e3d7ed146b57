//! Committing on a server: many batches, one SQL transaction, whatever becomes of the connection.
//!
//! While one transaction is under way, the next batches gather; nobody waits for a timer. A transaction begins by updating the lock row
//! where the epoch is ours, and looking up what the operations need; then everything is planned in memory, written, and committed. Only
//! then is anyone answered.
//!
//! A connection that breaks answers nobody: another is made, for as long as it takes, and the number of the last
//! transaction tells whether ours was committed. Meanwhile batches wait, and so do their senders.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kahawai_store::batch::{Operation, Outcome as Decision};
use kahawai_store::catalog::Rejection;
use kahawai_store::contract::{Committed, Limits, StoreError};
use kahawai_store::names::{DestinationId, SubscriptionId, Xid};
use tokio::runtime::Runtime;

use crate::copies::{self, Copies, Submitted};
use crate::election::Mastership;
use crate::fault::Fault;
use crate::known::Known;
use crate::pause::Pause;
use crate::plan::{Changes, Found, Needs, Plan, Sweeping};
use crate::worker::{CommitCall, gather};

/// What a batch came to: applied, or rejected and without a trace.
type Outcome = Result<Committed, StoreError>;

/// How often one transaction is tried while the database is there; and how much longer is waited each time before the next.
const ATTEMPTS_MAX: u32 = 50;
const AGAIN: Duration = Duration::from_millis(10);

/// One database's way of writing. After any error but those of [`Backend::restore`] the next call is `restore`.
pub(crate) trait Backend {
    /// Which database, for people; no secrets.
    fn description(&self) -> String;

    /// Gets a connection where there is none, rolls back what is open, and reads what is in the tables. Holding the lock row, so that
    /// a transaction of an earlier connection has been decided. Gives the number of the last transaction too.
    async fn restore(&mut self) -> Result<(Known, u64), Fault>;

    /// Lets go of the connection.
    fn disconnect(&mut self);

    /// Begins a transaction, updates the lock row where the epoch is ours, and looks up what is needed.
    async fn begin(&mut self, needs: &Needs) -> Result<Found, Fault>;

    /// Looks up what is needed, within the transaction.
    async fn look_up(&mut self, needs: &Needs) -> Result<Found, Fault>;

    /// Writes what was planned.
    async fn write(&mut self, known: &Known, changes: Changes) -> Result<(), Fault>;

    /// Removes a destination with its messages and these subscriptions.
    async fn remove(&mut self, id: DestinationId, subscriptions: &[SubscriptionId]) -> Result<(), Fault>;

    /// Removes a subscription that stands at a position of a topic; gives how many messages nobody waits for any more, which are
    /// gone too.
    async fn unsubscribe(
        &mut self,
        id: SubscriptionId,
        topic: DestinationId,
        position: u64,
    ) -> Result<u64, Fault>;

    /// The chunks of a prepared transaction, in their order.
    async fn chunks(&mut self, xid: &Xid) -> Result<Vec<i64>, Fault>;

    /// One chunk's operations. One after the other: together they may be larger than memory.
    async fn chunk(&mut self, xid: &Xid, chunk: i64) -> Result<Vec<Operation>, Fault>;

    /// Forgets the chunks of a transaction.
    async fn forget(&mut self, xid: &Xid) -> Result<(), Fault>;

    /// Writes the last changes, counts, positions of subscriptions that have advanced, and the next numbers with this number of
    /// the transaction; and commits. Gives the new positions.
    async fn finish(
        &mut self,
        known: &mut Known,
        changes: Changes,
        advanced: BTreeSet<SubscriptionId>,
        transaction: u64,
    ) -> Result<Vec<(SubscriptionId, u64)>, Fault>;
}

/// The one thread that writes.
pub(crate) struct Committer<B> {
    pub(crate) backend: B,
    pub(crate) mastership: Mastership,
    pub(crate) limits: Limits,
    pub(crate) copies: Arc<Copies>,
    /// The error that stopped the store.
    pub(crate) stopped: Arc<OnceLock<StoreError>>,
    /// Set when the store is being closed: a database that is away is not waited for any more.
    pub(crate) closing: Arc<AtomicBool>,
    pub(crate) known: Known,
    /// The number of the last transaction.
    pub(crate) transactions: u64,
}

impl<B: Backend> Committer<B> {
    /// Works until the last call has come.
    pub(crate) fn run(mut self, runtime: &Runtime, calls: &Receiver<CommitCall>) {
        while let Some(group) = gather(calls) {
            let (batches, completions): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let outcomes = runtime.block_on(self.commit(&batches));
            self.copies.show(batches, &outcomes);
            for (completion, outcome) in completions.into_iter().zip(outcomes) {
                completion.complete(outcome);
            }
        }
    }

    /// Commits batches, as many as can be in one transaction; where there is no room for those, each in one of its own.
    async fn commit(&mut self, batches: &[Submitted]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batches.len());
        let mut rest = batches;
        while !rest.is_empty() {
            let (group, later) = rest.split_at(foreseeable(rest));
            rest = later;
            if let Some(found) = self.commit_group(group).await {
                outcomes.extend(found);
                continue;
            }
            for batch in group {
                let alone = self.commit_group(std::slice::from_ref(batch)).await;
                outcomes.extend(alone.unwrap_or_default());
            }
        }
        outcomes
    }

    /// Commits a group; `None` where there is no room for it and it is more than one batch.
    async fn commit_group(&mut self, batches: &[Submitted]) -> Option<Vec<Outcome>> {
        if let Some(error) = self.stopped.get() {
            return Some(vec![Err(error.clone()); batches.len()]);
        }
        for attempt in 1_u32.. {
            let begun = Instant::now();
            let mut planned = None;
            let fault = match self.try_commit(batches, &mut planned).await {
                Ok(outcomes) => match self.mastership.committed(begun) {
                    Ok(()) => return Some(outcomes),
                    Err(lost) => lost.into(),
                },
                Err(fault) => fault,
            };
            // What fails again and again with the database there is not the database's going away.
            if matches!(fault, Fault::Final(_)) || attempt > ATTEMPTS_MAX {
                return Some(self.stop(fault, batches.len()));
            }
            // The number that the transaction has if it was committed.
            let attempted = self.transactions + 1;
            tracing::debug!("a transaction came to nothing: {fault}");
            if let Err(fault) = self.restore().await {
                return Some(self.stop(fault, batches.len()));
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
                return Some(self.stop(Fault::failed(reason), batches.len()));
            }
            if let Fault::Full(_) = fault {
                return match batches {
                    [_] => Some(vec![Err(fault.told())]),
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
        batches: &[Submitted],
        planned: &mut Option<Vec<Outcome>>,
    ) -> Result<Vec<Outcome>, Fault> {
        let last = self.known.next.batch_last;
        let mut outcomes = self.admit(batches);
        let Self { backend, known, transactions, .. } = self;
        let mut operations = Vec::new();
        for (at, (submitted, outcome)) in batches.iter().zip(&outcomes).enumerate() {
            if outcome.is_ok() {
                let all = &submitted.batch.operations;
                operations.extend(all.iter().map(|operation| (at, operation.clone())));
            }
        }
        let mut found = backend.begin(&Needs::of(operations.iter().map(|(_, operation)| operation))).await?;

        let mut changes = Changes::default();
        let mut advanced = BTreeSet::new();
        let mut operations = operations.into_iter().peekable();
        for (at, outcome) in outcomes.iter_mut().enumerate() {
            if let Ok(committed) = outcome {
                if batches.get(at).is_some_and(|submitted| submitted.copied.is_some()) {
                    debug_assert!(committed.arrival_first >= known.next.arrival, "arrivals were foreseen");
                    known.next.arrival = committed.arrival_first;
                }
                committed.arrival_first = known.next.arrival;
                known.next.batch_last = committed.name;
            }
            while let Some((_, operation)) = operations.next_if(|(of, _)| *of == at) {
                let mut plan = Plan { known, found: &mut found, changes: &mut changes };
                let Some(sweeping) = plan.apply(operation) else { continue };
                // What was planned so far is written, so that the database sees it.
                advanced.append(&mut changes.advanced);
                backend.write(known, std::mem::take(&mut changes)).await?;
                sweep(backend, known, &sweeping, &mut advanced).await?;
                let rest: Vec<_> = operations.clone().map(|(_, operation)| operation).collect();
                found = look_up(backend, rest.iter()).await?;
            }
        }

        if known.next.batch_last != last {
            changes.entries.extend([copies::entry(known.next.batch_last)]);
        }
        advanced.append(&mut changes.advanced);
        advanced.retain(|id| known.subscriptions.contains_key(id));
        *planned = Some(outcomes.clone());
        let positions = backend.finish(known, changes, advanced, *transactions + 1).await?;
        for (id, position) in positions {
            if let Some(progress) = known.subscriptions.get_mut(&id) {
                progress.position = position;
            }
        }
        *transactions += 1;
        Ok(outcomes)
    }

    /// Checks batches that are [`foreseeable`], and notes in the catalogue what they do. What they get is told but for the arrivals of new ones, which are
    /// known only when those before them are applied.
    fn admit(&mut self, batches: &[Submitted]) -> Vec<Outcome> {
        let Self { known, limits, copies, .. } = self;
        let mut next = known.next;
        let admitted = batches.iter().map(|Submitted { batch, copied }| {
            limits.check(&batch.operations)?;
            let committed = copies.place(*copied, &next)?;
            known.catalog.admit(&batch.operations)?;
            next.batch_last = committed.name;
            next.arrival = committed.arrival_first + arrivals(&batch.operations);
            Ok::<_, Rejection>(committed)
        });
        admitted.map(|admitted| admitted.map_err(StoreError::from)).collect()
    }

    /// Gets a connection again, and what is in the database. Waits for as long as it takes.
    async fn restore(&mut self) -> Result<(), Fault> {
        let mut pause = Pause::new("the database", self.backend.description());
        loop {
            let fault = match self.backend.restore().await {
                Ok((known, transactions)) => {
                    pause.is_over();
                    (self.known, self.transactions) = (known, transactions);
                    return Ok(());
                }
                Err(fault) => fault,
            };
            self.backend.disconnect();
            match fault {
                Fault::Final(_) => return Err(fault),
                _ if self.closing.load(Ordering::Acquire) => {
                    return Err(Fault::failed(format!("closed while the database was away: {fault}")));
                }
                _ => tokio::time::sleep(pause.next(&fault.to_string())).await,
            }
        }
    }

    fn stop(&mut self, fault: Fault, answers: usize) -> Vec<Outcome> {
        // Nothing is written any more; the server rolls back what was open.
        self.backend.disconnect();
        let error = self.stopped.get_or_init(|| fault.told()).clone();
        vec![Err(error); answers]
    }
}

/// How many batches, from the first on, can be checked before any of them is applied. How many arrivals a decided transaction takes only the database
/// knows: a copied batch, whose arrivals are checked, does not come behind one in the same transaction.
fn foreseeable(batches: &[Submitted]) -> usize {
    let decides =
        |operation: &Operation| matches!(operation, Operation::Decide { outcome: Decision::Commit, .. });
    let mut is_decided = false;
    let unforeseen = batches.iter().position(|submitted| {
        let stop = is_decided && submitted.copied.is_some();
        is_decided |= submitted.batch.operations.iter().any(decides);
        stop
    });
    unforeseen.unwrap_or(batches.len())
}

/// How many arrivals operations take by themselves.
fn arrivals(operations: &[Operation]) -> u64 {
    let takes =
        |operation: &&Operation| matches!(operation, Operation::Enqueue { .. } | Operation::Move { .. });
    operations.iter().filter(takes).count() as u64
}

/// Does what no list of rows tells.
async fn sweep(
    backend: &mut impl Backend,
    known: &mut Known,
    sweeping: &Sweeping,
    advanced: &mut BTreeSet<SubscriptionId>,
) -> Result<(), Fault> {
    match sweeping {
        Sweeping::RemoveDestination(id) => {
            let subscriptions = known.subscriptions_of(*id);
            backend.remove(*id, &subscriptions).await?;
            for subscription in subscriptions {
                known.remove_subscription(subscription);
            }
            known.destinations.remove(id);
        }
        Sweeping::Unsubscribe(id) => {
            let Some(progress) = known.subscriptions.get(id).copied() else { return Ok(()) };
            let gone = backend.unsubscribe(*id, progress.topic, progress.position).await?;
            known.count(progress.topic, -gone.cast_signed());
            known.remove_subscription(*id);
        }
        Sweeping::Decide(xid, decision) => {
            if *decision == Decision::Commit {
                for chunk in backend.chunks(xid).await? {
                    let operations = backend.chunk(xid, chunk).await?;
                    let mut found = look_up(backend, operations.iter()).await?;
                    let mut changes = Changes::default();
                    for operation in operations {
                        // None of those that can be prepared sweeps.
                        Plan { known, found: &mut found, changes: &mut changes }.apply(operation);
                    }
                    advanced.append(&mut changes.advanced);
                    backend.write(known, changes).await?;
                }
            }
            backend.forget(xid).await?;
        }
    }
    Ok(())
}

/// Looks up what operations need.
async fn look_up<'a>(
    backend: &mut impl Backend,
    operations: impl Iterator<Item = &'a Operation>,
) -> Result<Found, Fault> {
    let needs = Needs::of(operations);
    if needs.is_empty() {
        return Ok(Found::default());
    }
    backend.look_up(&needs).await
}

#[cfg(test)]
mod tests {
    use kahawai_store::batch::Batch;
    use kahawai_store::names::{BatchName, Term};

    use super::*;

    /// What a decided transaction takes is not known before it is applied: a copied batch behind one waits for the next transaction.
    #[test]
    fn copied_batches_do_not_stand_behind_a_decision() {
        let new = |operations: Vec<Operation>| Submitted::from(Batch::new(operations));
        let copied = |operations| Submitted {
            copied: Some((BatchName { term: Term(1), number: 1 }, 0)),
            ..new(operations)
        };
        let decide = |outcome| {
            let global = bytes::Bytes::new();
            let xid = Xid { format: 1, branch: global.clone(), global };
            vec![Operation::Decide { xid, outcome }]
        };
        let (commit, rollback) = (Decision::Commit, Decision::Rollback);
        assert_eq!(foreseeable(&[copied(vec![]), copied(decide(commit)), copied(vec![])]), 2);
        assert_eq!(foreseeable(&[new(decide(commit)), new(vec![]), copied(vec![])]), 2);
        assert_eq!(foreseeable(&[copied(decide(rollback)), copied(vec![])]), 2);
        assert_eq!(foreseeable(&[copied(decide(commit)), new(vec![]), new(decide(commit))]), 3);
    }
}
