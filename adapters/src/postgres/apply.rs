//! What was planned, as SQL, inside the writer's transaction.

use bytes::Bytes;
use kahawai_store::batch::Operation;
use kahawai_store::codec::decode_batch_whole;
use kahawai_store::names::{DestinationId, MessageId, SubscriptionId, Xid};

use super::connection::{Session, Step, in_order, statements, values};
use super::error::{Error, Result};
use super::value::{encode, signed, unsigned};
use crate::known::Known;
use crate::plan::{Changes, Found, Needs, Place};

statements! {
    /// What the writer says.
    Statements {
        begin = "BEGIN",
        commit = "COMMIT",
        lock = "UPDATE {p}lock SET beats = beats + 1, renewed = clock_timestamp()
            WHERE one = 1 AND epoch = $1 RETURNING one",
        places = "SELECT id, destination, rank, arrival, size, waiting FROM {p}messages
            WHERE id = ANY($1::bigint[])",
        acknowledged = "SELECT a.subscription, a.arrival
            FROM unnest($1::bigint[], $2::bigint[]) AS n (subscription, id)
            JOIN {p}messages m ON m.id = n.id
            JOIN {p}acknowledged a ON a.subscription = n.subscription AND a.arrival = m.arrival",
        insert_destinations = "INSERT INTO {p}destinations (id, kind, name, messages)
            SELECT id, kind, name, 0 FROM unnest($1::bigint[], $2::smallint[], $3::bytea[])
            AS n (id, kind, name)",
        insert_subscriptions = "INSERT INTO {p}subscriptions
            (id, destination, client_id, name, selector, no_local, position, messages)
            SELECT id, destination, client_id, name, selector, no_local, position, 0
            FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::boolean[],
                $7::bigint[])
            AS n (id, destination, client_id, name, selector, no_local, position)",
        insert_bodies = "INSERT INTO {p}bodies (id, crc, bytes)
            SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])",
        insert_messages = "INSERT INTO {p}messages (destination, rank, arrival, id, size, kind, waiting)
            SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[],
                $6::smallint[], $7::bigint[])",
        count_down = "UPDATE {p}messages m SET waiting = n.waiting
            FROM unnest($1::bigint[], $2::bigint[]) AS n (id, waiting) WHERE m.id = n.id",
        place = "UPDATE {p}messages m SET destination = n.destination, rank = n.rank, arrival = n.arrival
            FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[])
            AS n (id, destination, rank, arrival) WHERE m.id = n.id",
        delete_messages = "DELETE FROM {p}messages WHERE id = ANY($1::bigint[])",
        delete_bodies = "DELETE FROM {p}bodies WHERE id = ANY($1::bigint[])",
        insert_acknowledged = "INSERT INTO {p}acknowledged (subscription, arrival)
            SELECT * FROM unnest($1::bigint[], $2::bigint[])",
        put_entries = "INSERT INTO {p}entries (digest, name, key, value)
            SELECT sha256(sha256(name) || key), name, key, value
            FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS n (name, key, value)
            ON CONFLICT (digest) DO UPDATE SET value = EXCLUDED.value",
        delete_entries = "DELETE FROM {p}entries USING unnest($1::bytea[], $2::bytea[]) AS n (name, key)
            WHERE digest = sha256(sha256(n.name) || n.key)",
        insert_prepared = "INSERT INTO {p}prepared (format, global, branch, operations)
            VALUES ($1, $2, $3, $4)",
        chunks = "SELECT chunk FROM {p}prepared WHERE format = $1 AND global = $2 AND branch = $3
            ORDER BY chunk",
        chunk = "SELECT operations FROM {p}prepared WHERE chunk = $1",
        delete_prepared = "DELETE FROM {p}prepared WHERE format = $1 AND global = $2 AND branch = $3",
        forget_acknowledged = "DELETE FROM {p}acknowledged WHERE subscription = ANY($1::bigint[])",
        forget_subscriptions = "DELETE FROM {p}subscriptions WHERE id = ANY($1::bigint[])",
        remove_bodies = "DELETE FROM {p}bodies b USING {p}messages m
            WHERE m.destination = $1 AND b.id = m.id",
        remove_messages = "DELETE FROM {p}messages WHERE destination = $1",
        remove_destination = "DELETE FROM {p}destinations WHERE id = $1",
        wait_no_more = "UPDATE {p}messages m SET waiting = waiting - 1
            WHERE destination = $1 AND kind = 1 AND arrival >= $2 AND NOT EXISTS
                (SELECT 1 FROM {p}acknowledged a WHERE a.subscription = $3 AND a.arrival = m.arrival)",
        sweep = "WITH gone AS
                (DELETE FROM {p}messages WHERE destination = $1 AND kind = 1 AND waiting = 0 RETURNING id),
            bodies AS (DELETE FROM {p}bodies b USING gone WHERE b.id = gone.id)
            SELECT count(*) FROM gone",
        count_destinations = "UPDATE {p}destinations d SET messages = n.messages
            FROM unnest($1::bigint[], $2::bigint[]) AS n (id, messages) WHERE d.id = n.id",
        count_subscriptions = "UPDATE {p}subscriptions s SET messages = n.messages
            FROM unnest($1::bigint[], $2::bigint[]) AS n (id, messages) WHERE s.id = n.id",
        advance = "UPDATE {p}subscriptions s SET position = COALESCE(
                (SELECT m.arrival FROM {p}messages m
                 WHERE m.destination = s.destination AND m.kind = 1 AND m.arrival >= s.position AND NOT EXISTS
                    (SELECT 1 FROM {p}acknowledged a WHERE a.subscription = s.id AND a.arrival = m.arrival)
                 ORDER BY m.arrival LIMIT 1), $2)
            WHERE id = ANY($1::bigint[]) RETURNING id, position",
        forget_behind = "DELETE FROM {p}acknowledged a USING {p}subscriptions s
            WHERE s.id = ANY($1::bigint[]) AND a.subscription = s.id AND a.arrival < s.position",
        numbers = "UPDATE {p}store SET transactions = $1, arrival_next = $2, message_id_next = $3,
            destination_id_next = $4, subscription_id_next = $5 WHERE one = 1",
    }
}

/// Says things within one transaction.
#[derive(Clone, Copy)]
pub(super) struct Apply<'a> {
    pub(super) session: &'a Session,
    pub(super) statements: &'a Statements,
}

impl<'a> Apply<'a> {
    /// The steps that look up what operations need: places, and what was acknowledged.
    pub(super) fn look_up(self, needs: &Needs) -> [Step<'a>; 2] {
        let ids: Vec<i64> = needs.places.iter().map(|id| signed(id.0)).collect();
        let (subscriptions, messages): (Vec<_>, Vec<_>) = needs
            .acknowledged
            .iter()
            .map(|(subscription, id)| (signed(subscription.0), signed(id.0)))
            .unzip();
        [
            self.session.step(&self.statements.places, values![ids]),
            self.session.step(&self.statements.acknowledged, values![subscriptions, messages]),
        ]
    }

    /// What the steps of [`Self::look_up`] found.
    pub(super) fn found(
        places: &[tokio_postgres::Row],
        acknowledged: &[tokio_postgres::Row],
    ) -> Result<Found> {
        let mut found = Found::default();
        for row in places {
            let place = Place {
                destination: DestinationId(unsigned(row, 1)?),
                rank: u8::try_from(row.try_get::<_, i16>(2)?).unwrap_or(u8::MAX),
                arrival: unsigned(row, 3)?,
                size: row.try_get(4)?,
                waiting: unsigned(row, 5)?,
            };
            found.places.insert(MessageId(unsigned(row, 0)?), place);
        }
        for row in acknowledged {
            found.acknowledged.insert((SubscriptionId(unsigned(row, 0)?), unsigned(row, 1)?));
        }
        Ok(found)
    }

    /// The steps that write changes.
    pub(super) fn write(self, known: &Known, changes: Changes) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let Changes {
            destinations,
            subscriptions,
            inserted,
            placed,
            deleted,
            acknowledged,
            entries,
            prepared,
            advanced: _,
        } = changes;
        let Self { session, statements } = self;
        if !destinations.is_empty() {
            let ids: Vec<_> = destinations.iter().map(|it| signed(it.id.0)).collect();
            let kinds: Vec<_> = destinations.iter().map(|it| it.kind as i16).collect();
            let names: Vec<_> = destinations.iter().map(|it| it.name.as_bytes().to_vec()).collect();
            steps.push(session.step(&statements.insert_destinations, values![ids, kinds, names]));
        }
        if !subscriptions.is_empty() {
            let all = || subscriptions.iter().map(|(subscription, _)| subscription);
            let values = values![
                all().map(|it| signed(it.id.0)).collect::<Vec<_>>(),
                all().map(|it| signed(it.destination.0)).collect::<Vec<_>>(),
                all().map(|it| it.client_id.as_bytes().to_vec()).collect::<Vec<_>>(),
                all().map(|it| it.name.as_bytes().to_vec()).collect::<Vec<_>>(),
                all().map(|it| it.selector.as_ref().map(|text| text.as_bytes().to_vec())).collect::<Vec<_>>(),
                all().map(|it| it.no_local).collect::<Vec<_>>(),
                subscriptions.iter().map(|(_, position)| signed(*position)).collect::<Vec<_>>(),
            ];
            steps.push(session.step(&statements.insert_subscriptions, values));
        }
        if !inserted.is_empty() {
            let ids: Vec<_> = inserted.keys().map(|id| signed(id.0)).collect();
            let (crcs, bodies): (Vec<_>, Vec<_>) =
                inserted.values().map(|(_, message)| encode(message)).unzip();
            steps.push(session.step(&statements.insert_bodies, values![ids.clone(), crcs, bodies]));
            let all = || inserted.values().map(|(place, _)| place);
            let kind = |place: &Place| {
                known.destinations.get(&place.destination).map_or(0, |holds| holds.kind as i16)
            };
            let values = values![
                all().map(|it| signed(it.destination.0)).collect::<Vec<_>>(),
                all().map(|it| i16::from(it.rank)).collect::<Vec<_>>(),
                all().map(|it| signed(it.arrival)).collect::<Vec<_>>(),
                ids,
                all().map(|it| it.size).collect::<Vec<_>>(),
                all().map(kind).collect::<Vec<_>>(),
                all().map(|it| signed(it.waiting)).collect::<Vec<_>>(),
            ];
            steps.push(session.step(&statements.insert_messages, values));
        }
        // Only topics' messages are waited for, and only queues' go elsewhere.
        let (down, moved): (Vec<_>, Vec<_>) = placed.iter().partition(|(_, place)| place.waiting > 0);
        if !down.is_empty() {
            let (ids, waiting): (Vec<_>, Vec<_>) =
                down.iter().map(|(id, place)| (signed(id.0), signed(place.waiting))).unzip();
            steps.push(session.step(&statements.count_down, values![ids, waiting]));
        }
        if !moved.is_empty() {
            let values = values![
                moved.iter().map(|(id, _)| signed(id.0)).collect::<Vec<_>>(),
                moved.iter().map(|(_, it)| signed(it.destination.0)).collect::<Vec<_>>(),
                moved.iter().map(|(_, it)| i16::from(it.rank)).collect::<Vec<_>>(),
                moved.iter().map(|(_, it)| signed(it.arrival)).collect::<Vec<_>>(),
            ];
            steps.push(session.step(&statements.place, values));
        }
        if !deleted.is_empty() {
            let ids: Vec<_> = deleted.iter().map(|id| signed(id.0)).collect();
            steps.push(session.step(&statements.delete_messages, values![ids.clone()]));
            steps.push(session.step(&statements.delete_bodies, values![ids]));
        }
        if !acknowledged.is_empty() {
            let (subscriptions, arrivals): (Vec<_>, Vec<_>) =
                acknowledged.iter().map(|(id, arrival)| (signed(id.0), signed(*arrival))).unzip();
            steps.push(session.step(&statements.insert_acknowledged, values![subscriptions, arrivals]));
        }
        let (put, taken): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, value)| value.is_some());
        let names = |entries: &[((bytestring::ByteString, Bytes), Option<Bytes>)]| {
            entries.iter().map(|((name, key), _)| (name.as_bytes().to_vec(), key.to_vec())).unzip()
        };
        if !put.is_empty() {
            let (tables, keys): (Vec<_>, Vec<_>) = names(&put);
            let contents: Vec<_> =
                put.iter().map(|(_, value)| value.as_ref().map(|it| it.to_vec())).collect();
            steps.push(session.step(&statements.put_entries, values![tables, keys, contents]));
        }
        if !taken.is_empty() {
            let (tables, keys): (Vec<_>, Vec<_>) = names(&taken);
            steps.push(session.step(&statements.delete_entries, values![tables, keys]));
        }
        for (xid, operations) in prepared {
            let Xid { format, global, branch } = xid;
            let values = values![format, global.to_vec(), branch.to_vec(), operations];
            steps.push(session.step(&statements.insert_prepared, values));
        }
        steps
    }

    /// The numbers of the chunks of a transaction.
    pub(super) async fn chunks(self, xid: &Xid) -> Result<Vec<i64>> {
        let rows = self.of(&self.statements.chunks, xid).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Forgets the chunks of a transaction.
    pub(super) async fn forget(self, xid: &Xid) -> Result<()> {
        self.of(&self.statements.delete_prepared, xid).await.map(drop)
    }

    /// One chunk's operations. One after the other: together they may be larger than memory.
    pub(super) async fn chunk(self, xid: &Xid, chunk: i64) -> Result<Vec<Operation>> {
        let rows = self.session.step(&self.statements.chunk, values![chunk]).await?;
        let mut operations = Vec::new();
        for row in rows {
            let encoded = super::value::bytes(&row, 0)?;
            let batch = decode_batch_whole(&encoded);
            let batch =
                batch.map_err(|error| Error::failed(format!("prepared transaction {xid}: {error}")))?;
            operations.extend(batch.operations);
        }
        Ok(operations)
    }

    fn of(self, statement: &'a tokio_postgres::Statement, xid: &Xid) -> Step<'a> {
        self.session.step(statement, values![xid.format, xid.global.to_vec(), xid.branch.to_vec()])
    }

    /// Removes a destination with its messages and these subscriptions.
    pub(super) async fn remove(self, id: DestinationId, subscriptions: &[SubscriptionId]) -> Result<()> {
        let Self { session, statements } = self;
        let forgotten: Vec<_> = subscriptions.iter().map(|id| signed(id.0)).collect();
        let mut steps = Vec::new();
        if !forgotten.is_empty() {
            steps.push(session.step(&statements.forget_acknowledged, values![forgotten.clone()]));
            steps.push(session.step(&statements.forget_subscriptions, values![forgotten]));
        }
        let key = signed(id.0);
        steps.push(session.step(&statements.remove_bodies, values![key]));
        steps.push(session.step(&statements.remove_messages, values![key]));
        steps.push(session.step(&statements.remove_destination, values![key]));
        in_order(steps).await.map(drop)
    }

    /// Removes a subscription; gives how many messages are gone with it.
    pub(super) async fn unsubscribe(
        self,
        id: SubscriptionId,
        topic: DestinationId,
        position: u64,
    ) -> Result<u64> {
        let Self { session, statements } = self;
        let (topic, position, key) = (signed(topic.0), signed(position), signed(id.0));
        let answers = in_order(vec![
            session.step(&statements.wait_no_more, values![topic, position, key]),
            session.step(&statements.sweep, values![topic]),
            session.step(&statements.forget_acknowledged, values![vec![key]]),
            session.step(&statements.forget_subscriptions, values![vec![key]]),
        ])
        .await?;
        answers.get(1).and_then(|rows| rows.first()).map_or(Ok(0), |row| unsigned(row, 0))
    }

    /// The steps that write counts, positions and the next numbers; the second is [`Statements::advance`], where there is one,
    /// told by its place.
    pub(super) fn finish(
        self,
        known: &mut Known,
        advanced: impl IntoIterator<Item = SubscriptionId>,
        transaction: u64,
    ) -> (Vec<Step<'a>>, Option<usize>) {
        let Self { session, statements } = self;
        let mut steps = Vec::new();
        let (ids, counts): (Vec<_>, Vec<_>) = std::mem::take(&mut known.destinations_changed)
            .into_iter()
            .filter_map(|id| Some((signed(id.0), signed(known.destinations.get(&id)?.messages))))
            .unzip();
        if !ids.is_empty() {
            steps.push(session.step(&statements.count_destinations, values![ids, counts]));
        }
        let (ids, counts): (Vec<_>, Vec<_>) = std::mem::take(&mut known.subscriptions_changed)
            .into_iter()
            .filter_map(|id| Some((signed(id.0), signed(known.subscriptions.get(&id)?.messages))))
            .unzip();
        if !ids.is_empty() {
            steps.push(session.step(&statements.count_subscriptions, values![ids, counts]));
        }
        let advanced: Vec<_> = advanced.into_iter().map(|id| signed(id.0)).collect();
        let mut advance_at = None;
        let next = known.next;
        if !advanced.is_empty() {
            advance_at = Some(steps.len());
            let values = values![advanced.clone(), signed(next.arrival)];
            steps.push(session.step(&statements.advance, values));
            steps.push(session.step(&statements.forget_behind, values![advanced]));
        }
        let values = values![
            signed(transaction),
            signed(next.arrival),
            signed(next.message_id),
            signed(next.destination_id),
            signed(next.subscription_id),
        ];
        steps.push(session.step(&statements.numbers, values));
        (steps, advance_at)
    }
}
