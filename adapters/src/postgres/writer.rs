//! How PostgreSQL commits: two round trips a transaction. Begin, update the lock row where the epoch is ours, look up; then everything
//! that was planned, and the commit behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use kahawai_store::batch::Operation;
use kahawai_store::names::{DestinationId, Epoch, SubscriptionId, Xid};

use super::apply::{Apply, Statements};
use super::connection::{Database, Session, in_order, values};
use super::error::{Error, Result};
use super::state::{self, Loaded, lost};
use super::value::{signed, unsigned};
use crate::commit::Backend;
use crate::fault::Fault;
use crate::known::Known;
use crate::plan::{Changes, Found, Needs};

/// How long a statement may be silent inside a transaction before the server ends it, as a part of the lease.
pub(super) const IDLE_PART_OF_LEASE: u32 = 2;

/// The session that writes.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) lease: Duration,
    pub(super) epoch: Epoch,
    pub(super) connection: Option<(Session, Statements)>,
}

impl Writer {
    fn apply(&self) -> Result<Apply<'_>> {
        match &self.connection {
            Some((session, statements)) => Ok(Apply { session, statements }),
            None => Err(Error::Unreachable("not connected".to_owned())),
        }
    }

    async fn try_restore(&mut self) -> Result<Loaded> {
        if let Some((session, statements)) = self.connection.take() {
            // A transaction that found no room, or was asked to be repeated, leaves the connection as it was.
            if !session.is_closed() && session.execute("ROLLBACK").await.is_ok() {
                self.connection = Some((session, statements));
            }
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let limit = self.lease / IDLE_PART_OF_LEASE;
                let session = Session::connect(&self.database, limit, "writer").await?;
                let statements = Statements::prepare(&session).await?;
                (session, statements)
            }
        };
        let (session, _) = self.connection.insert(connection);
        state::load(session, self.epoch).await
    }

    async fn try_begin(&self, needs: &Needs) -> Result<Found> {
        let apply = self.apply()?;
        let Apply { session, statements } = apply;
        let mut steps = vec![
            session.step(&statements.begin, values![]),
            session.step(&statements.lock, values![signed(self.epoch.0)]),
        ];
        if !needs.is_empty() {
            steps.extend(apply.look_up(needs));
        }
        let answers = in_order(steps).await?;
        if answers.get(1).is_none_or(|rows| rows.len() != 1) {
            let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", &[]).await?;
            let found = rows.first().map(|row| unsigned(row, 0)).transpose()?.unwrap_or_default();
            return Err(lost(self.epoch, found));
        }
        match &answers[2..] {
            [places, acknowledged] => Apply::found(places, acknowledged),
            _ => Ok(Found::default()),
        }
    }

    async fn try_finish(
        &self,
        known: &mut Known,
        changes: Changes,
        advanced: BTreeSet<SubscriptionId>,
        transaction: u64,
    ) -> Result<Vec<(SubscriptionId, u64)>> {
        let apply = self.apply()?;
        let mut steps = apply.write(known, changes);
        let (finishing, advance_at) = apply.finish(known, advanced, transaction);
        let advance_at = advance_at.map(|at| at + steps.len());
        steps.extend(finishing);
        steps.push(apply.session.step(&apply.statements.commit, values![]));
        let answers = in_order(steps).await?;
        let rows = advance_at.and_then(|at| answers.get(at)).into_iter().flatten();
        rows.map(|row| Ok((SubscriptionId(unsigned(row, 0)?), unsigned(row, 1)?))).collect()
    }
}

impl Backend for Writer {
    fn description(&self) -> String {
        self.database.to_string()
    }

    async fn restore(&mut self) -> std::result::Result<(Known, u64), Fault> {
        let Loaded { known, transactions } = self.try_restore().await?;
        Ok((known, transactions))
    }

    fn disconnect(&mut self) {
        self.connection = None;
    }

    async fn begin(&mut self, needs: &Needs) -> std::result::Result<Found, Fault> {
        Ok(self.try_begin(needs).await?)
    }

    async fn look_up(&mut self, needs: &Needs) -> std::result::Result<Found, Fault> {
        let answers = in_order(self.apply()?.look_up(needs).into()).await?;
        match &answers[..] {
            [places, acknowledged] => Ok(Apply::found(places, acknowledged)?),
            _ => Ok(Found::default()),
        }
    }

    async fn write(&mut self, known: &Known, changes: Changes) -> std::result::Result<(), Fault> {
        in_order(self.apply()?.write(known, changes)).await?;
        Ok(())
    }

    async fn remove(
        &mut self,
        id: DestinationId,
        subscriptions: &[SubscriptionId],
    ) -> std::result::Result<(), Fault> {
        Ok(self.apply()?.remove(id, subscriptions).await?)
    }

    async fn unsubscribe(
        &mut self,
        id: SubscriptionId,
        topic: DestinationId,
        position: u64,
    ) -> std::result::Result<u64, Fault> {
        Ok(self.apply()?.unsubscribe(id, topic, position).await?)
    }

    async fn chunks(&mut self, xid: &Xid) -> std::result::Result<Vec<i64>, Fault> {
        Ok(self.apply()?.chunks(xid).await?)
    }

    async fn chunk(&mut self, xid: &Xid, chunk: i64) -> std::result::Result<Vec<Operation>, Fault> {
        Ok(self.apply()?.chunk(xid, chunk).await?)
    }

    async fn forget(&mut self, xid: &Xid) -> std::result::Result<(), Fault> {
        Ok(self.apply()?.forget(xid).await?)
    }

    async fn finish(
        &mut self,
        known: &mut Known,
        changes: Changes,
        advanced: BTreeSet<SubscriptionId>,
        transaction: u64,
    ) -> std::result::Result<Vec<(SubscriptionId, u64)>, Fault> {
        Ok(self.try_finish(known, changes, advanced, transaction).await?)
    }
}
