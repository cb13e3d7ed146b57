//! What the writer knows, read from the tables.

use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::codec::{Span, decode_batch, decode_batch_whole};
use kahawai_store::names::{DestinationId, Epoch, SubscriptionId, Xid};
use tokio_postgres::Row;

use super::connection::Session;
use super::error::{Error, Result};
use super::value::{bytes, signed, text, unsigned};
use crate::copies;
use crate::known::{Known, Next, Tables, named};

/// What the tables say, and the number of the last transaction.
pub(super) struct Loaded {
    pub(super) known: Known,
    pub(super) transactions: u64,
}

/// Reads everything, in a transaction that has the lock row: so that it is read after any transaction of an earlier connection has
/// been decided, and none comes between.
///
/// # Errors
/// [`kahawai_store::contract::StoreError::Lost`] where the row is a later epoch's.
pub(super) async fn load(session: &Session, epoch: Epoch) -> Result<Loaded> {
    session.execute("BEGIN").await?;
    let loaded = load_locked(session, epoch).await;
    let ended = session.execute(if loaded.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    let loaded = loaded?;
    ended?;
    Ok(loaded)
}

async fn load_locked(session: &Session, epoch: Epoch) -> Result<Loaded> {
    let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1 FOR UPDATE", &[]).await?;
    let found = unsigned(one(&rows, "lock")?, 0)?;
    if found != epoch.0 {
        return Err(lost(epoch, found));
    }
    let rows = session.rows("SELECT transactions FROM {p}store WHERE one = 1", &[]).await?;
    let transactions = unsigned(one(&rows, "store")?, 0)?;
    let mut prepared = Vec::new();
    each_prepared(session, |xid, chunk| prepared.push((xid, named(&chunk)))).await?;
    let tables = Tables {
        next: next(session).await?,
        destinations: destinations(session).await?,
        subscriptions: subscriptions(session).await?,
        prepared,
    };
    let known = Known::of(tables);
    let known =
        known.map_err(|rejection| Error::failed(format!("the tables contradict each other: {rejection}")))?;
    Ok(Loaded { known, transactions })
}

/// Makes the database this epoch's, unless it is a later one's.
pub(super) async fn claim(session: &Session, epoch: Epoch) -> Result<()> {
    let wanted = signed(epoch.0);
    let sql =
        "UPDATE {p}lock SET epoch = $1, beats = beats + 1, renewed = clock_timestamp(), released = false
        WHERE one = 1 AND epoch <= $1 RETURNING epoch";
    if session.rows(sql, &[&wanted]).await?.len() == 1 {
        return Ok(());
    }
    let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", &[]).await?;
    let found = unsigned(one(&rows, "lock")?, 0)?;
    Err(lost(epoch, found))
}

/// The one row of a table that has one.
pub(super) fn one<'a>(rows: &'a [Row], table: &str) -> Result<&'a Row> {
    rows.first().ok_or_else(|| Error::failed(format!("the one row of the table '{table}' is missing")))
}

/// The epoch in the database is another's.
pub(super) fn lost(epoch: Epoch, found: u64) -> Error {
    let reason = format!("the database is held by epoch {found}").into();
    Error::Store(kahawai_store::contract::StoreError::Lost { epoch, reason })
}

pub(super) async fn next(session: &Session) -> Result<Next> {
    let sql = "SELECT arrival_next, message_id_next, destination_id_next, subscription_id_next
        FROM {p}store WHERE one = 1";
    let rows = session.rows(sql, &[]).await?;
    let row = one(&rows, "store")?;
    let name = copies::TABLE.as_bytes();
    let sql = "SELECT value FROM {p}entries WHERE digest = sha256(sha256($1::bytea) || $2::bytea)";
    let kept = session.rows(sql, &[&name, &copies::KEY]).await?;
    let kept = kept.first().map(|row| row.try_get::<_, &[u8]>(0)).transpose()?;
    Ok(Next {
        batch_last: copies::decode(kept).map_err(Error::failed)?,
        arrival: unsigned(row, 0)?,
        message_id: unsigned(row, 1)?,
        destination_id: unsigned(row, 2)?,
        subscription_id: unsigned(row, 3)?,
    })
}

/// The destinations with their counts, in the order of their ids.
pub(super) async fn destinations(session: &Session) -> Result<Vec<(Destination, u64)>> {
    let mut found = Vec::new();
    for row in session.rows("SELECT id, kind, name, messages FROM {p}destinations", &[]).await? {
        let id = DestinationId(unsigned(&row, 0)?);
        let kind = match row.try_get::<_, i16>(1)? {
            0 => DestinationKind::Queue,
            1 => DestinationKind::Topic,
            other => return Err(Error::failed(format!("destination {id} has unknown kind {other}"))),
        };
        found.push((Destination { id, kind, name: text(&row, 2)? }, unsigned(&row, 3)?));
    }
    found.sort_unstable_by_key(|(destination, _)| destination.id);
    Ok(found)
}

/// The subscriptions with their positions and counts, in the order of their ids.
pub(super) async fn subscriptions(session: &Session) -> Result<Vec<(Subscription, u64, u64)>> {
    let sql = "SELECT id, destination, client_id, name, selector, no_local, position, messages
        FROM {p}subscriptions";
    let mut found = Vec::new();
    for row in session.rows(sql, &[]).await? {
        let selector = row.try_get::<_, Option<&[u8]>>(4)?.is_some();
        let subscription = Subscription {
            id: SubscriptionId(unsigned(&row, 0)?),
            destination: DestinationId(unsigned(&row, 1)?),
            client_id: text(&row, 2)?,
            name: text(&row, 3)?,
            selector: selector.then(|| text(&row, 4)).transpose()?,
            no_local: row.try_get(5)?,
        };
        found.push((subscription, unsigned(&row, 6)?, unsigned(&row, 7)?));
    }
    found.sort_unstable_by_key(|(subscription, _, _)| subscription.id);
    Ok(found)
}

/// The chunks of a prepared transaction in their order, with the messages; none where it is not prepared.
pub(super) async fn prepared(session: &Session, xid: &Xid) -> Result<Vec<Vec<Operation>>> {
    let sql = "SELECT operations FROM {p}prepared WHERE format = $1 AND global = $2 AND branch = $3
        ORDER BY chunk";
    let rows = session.rows(sql, &[&xid.format, &&xid.global[..], &&xid.branch[..]]).await?;
    let chunk = |row: &Row| {
        let batch = decode_batch_whole(&bytes(row, 0)?);
        Ok(batch.map_err(|error| Error::failed(format!("prepared transaction {xid}: {error}")))?.operations)
    };
    rows.iter().map(chunk).collect()
}

/// Shows every chunk of every prepared transaction, in their order, one at a time: together they may be larger than memory.
pub(super) async fn each_prepared(
    session: &Session,
    mut show: impl FnMut(Xid, Vec<Operation<Span>>),
) -> Result<()> {
    let chunks = session.rows("SELECT chunk FROM {p}prepared ORDER BY chunk", &[]).await?;
    for chunk in chunks {
        let chunk = chunk.try_get::<_, i64>(0)?;
        let sql = "SELECT format, global, branch, operations FROM {p}prepared WHERE chunk = $1";
        for row in session.rows(sql, &[&chunk]).await? {
            let xid = Xid { format: row.try_get(0)?, global: bytes(&row, 1)?, branch: bytes(&row, 2)? };
            let chunk = decode_batch(row.try_get::<_, &[u8]>(3)?);
            let chunk =
                chunk.map_err(|error| Error::failed(format!("prepared transaction {xid}: {error}")))?;
            show(xid, chunk);
        }
    }
    Ok(())
}
