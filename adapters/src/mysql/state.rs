//! What the small tables say.

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::{Destination, DestinationKind, Operation, Subscription};
use kahawai_store::codec::{Span, decode_batch, decode_batch_whole};
use kahawai_store::names::{DestinationId, Epoch, SubscriptionId, Xid};
use mysql_async::{Params, Row};

use super::connection::{Session, column};
use super::error::Result;
use crate::copies;
use crate::fault::Fault;
use crate::known::{Known, Next, Tables, named};

/// Reads everything, in a transaction that has the lock row: so that it is read after any transaction of an earlier connection has
/// been decided, and none comes between. Gives the number of the last transaction too.
pub(super) async fn load(session: &mut Session, epoch: Epoch) -> Result<(Known, u64)> {
    session.execute("START TRANSACTION").await?;
    let sql = "SELECT epoch FROM {p}lock WHERE one = 1 FOR UPDATE";
    let found = column(one(&session.rows(sql, Params::Empty).await?, "lock")?, 0)?;
    if found != epoch.0 {
        return Err(Fault::lost(epoch, found));
    }
    let rows = session.rows("SELECT transactions FROM {p}store WHERE one = 1", Params::Empty).await?;
    let transactions = column(one(&rows, "store")?, 0)?;
    let mut prepared = Vec::new();
    each_prepared(session, &mut |xid, chunk| prepared.push((xid, named(&chunk)))).await?;
    let tables = Tables {
        next: next(session).await?,
        destinations: destinations(session).await?,
        subscriptions: subscriptions(session).await?,
        prepared,
    };
    let known = Known::of(tables)
        .map_err(|rejection| Fault::failed(format!("the tables contradict each other: {rejection}")))?;
    session.execute("COMMIT").await?;
    Ok((known, transactions))
}

/// Makes the database this epoch's, unless it is a later one's.
pub(super) async fn claim(session: &mut Session, epoch: Epoch) -> Result<()> {
    let sql = "UPDATE {p}lock SET epoch = ?, beats = beats + 1, renewed = SYSDATE(6), released = 0
        WHERE one = 1 AND epoch <= ?";
    if session.change(sql, (epoch.0, epoch.0)).await? == 1 {
        return Ok(());
    }
    let rows = session.rows("SELECT epoch FROM {p}lock WHERE one = 1", Params::Empty).await?;
    Err(Fault::lost(epoch, column(one(&rows, "lock")?, 0)?))
}

/// The one row of a table that has one.
pub(super) fn one<'a>(rows: &'a [Row], table: &str) -> Result<&'a Row> {
    rows.first().ok_or_else(|| Fault::failed(format!("the one row of the table '{table}' is missing")))
}

pub(super) fn bytes(row: &Row, at: usize) -> Result<Bytes> {
    Ok(column::<Vec<u8>>(row, at)?.into())
}

pub(super) fn text(row: &Row, at: usize) -> Result<ByteString> {
    ByteString::try_from(bytes(row, at)?)
        .map_err(|_| Fault::failed("a name in the tables is not UTF-8: something else has written to them"))
}

pub(super) fn kind(number: u8) -> Result<DestinationKind> {
    match number {
        0 => Ok(DestinationKind::Queue),
        1 => Ok(DestinationKind::Topic),
        other => Err(Fault::failed(format!("a destination has unknown kind {other}"))),
    }
}

pub(super) async fn next(session: &mut Session) -> Result<Next> {
    let sql = "SELECT arrival_next, message_id_next, destination_id_next, subscription_id_next
        FROM {p}store WHERE one = 1";
    let rows = session.rows(sql, Params::Empty).await?;
    let row = one(&rows, "store")?;
    let sql = "SELECT content FROM {p}entries WHERE digest = SHA2(CONCAT(SHA2(?, 256), ?), 256)";
    let kept = session.rows(sql, (copies::TABLE.as_bytes(), copies::KEY)).await?;
    let kept = kept.first().map(|row| bytes(row, 0)).transpose()?;
    Ok(Next {
        batch_last: copies::decode(kept.as_deref()).map_err(Fault::failed)?,
        arrival: column(row, 0)?,
        message_id: column(row, 1)?,
        destination_id: column(row, 2)?,
        subscription_id: column(row, 3)?,
    })
}

pub(super) async fn destinations(session: &mut Session) -> Result<Vec<(Destination, u64)>> {
    let sql = "SELECT id, kind, name, messages FROM {p}destinations ORDER BY id";
    let rows = session.rows(sql, Params::Empty).await?;
    let destination = |row| {
        let id = DestinationId(column(row, 0)?);
        Ok((Destination { id, kind: kind(column(row, 1)?)?, name: text(row, 2)? }, column(row, 3)?))
    };
    rows.iter().map(destination).collect()
}

pub(super) async fn subscriptions(session: &mut Session) -> Result<Vec<(Subscription, u64, u64)>> {
    let sql = "SELECT id, destination, client_id, name, selector, no_local, place, messages
        FROM {p}subscriptions ORDER BY id";
    let rows = session.rows(sql, Params::Empty).await?;
    let subscription = |row| {
        let selector = column::<Option<Vec<u8>>>(row, 4)?.is_some();
        let subscription = Subscription {
            id: SubscriptionId(column(row, 0)?),
            destination: DestinationId(column(row, 1)?),
            client_id: text(row, 2)?,
            name: text(row, 3)?,
            selector: selector.then(|| text(row, 4)).transpose()?,
            no_local: column(row, 5)?,
        };
        Ok((subscription, column(row, 6)?, column(row, 7)?))
    };
    rows.iter().map(subscription).collect()
}

/// The chunks of a prepared transaction in their order, with the messages; none where it is not prepared.
pub(super) async fn prepared(session: &mut Session, xid: &Xid) -> Result<Vec<Vec<Operation>>> {
    let sql = "SELECT operations FROM {p}prepared WHERE xa_format = ? AND xa_global = ? AND xa_branch = ?
        ORDER BY chunk";
    let rows = session.rows(sql, (xid.format, &xid.global[..], &xid.branch[..])).await?;
    let chunk = |row| {
        let batch = decode_batch_whole(&bytes(row, 0)?);
        let batch = batch.map_err(|error| Fault::failed(format!("prepared transaction {xid}: {error}")));
        Ok(batch?.operations)
    };
    rows.iter().map(chunk).collect()
}

/// Shows every chunk of every prepared transaction, in their order, one at a time: together they may be larger than memory.
pub(super) async fn each_prepared(
    session: &mut Session,
    show: &mut dyn FnMut(Xid, Vec<Operation<Span>>),
) -> Result<()> {
    let chunks = session.rows("SELECT chunk FROM {p}prepared ORDER BY chunk", Params::Empty).await?;
    for chunk in chunks {
        let sql = "SELECT xa_format, xa_global, xa_branch, operations FROM {p}prepared WHERE chunk = ?";
        for row in session.rows(sql, (column::<i64>(&chunk, 0)?,)).await? {
            let xid = Xid { format: column(&row, 0)?, global: bytes(&row, 1)?, branch: bytes(&row, 2)? };
            let chunk = decode_batch(&bytes(&row, 3)?)
                .map_err(|error| Fault::failed(format!("prepared transaction {xid}: {error}")))?;
            show(xid, chunk);
        }
    }
    Ok(())
}
