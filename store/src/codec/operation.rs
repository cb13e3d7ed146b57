//! Operations, one tag each.
//!
//! | tag | operation | fields |
//! |---|---|---|
//! | 1 | create destination | id:varint, kind:u8, name:text |
//! | 2 | remove destination | id:varint |
//! | 3 | subscribe | id, destination:varint, client id, name:text, flags:u8 (1 no local, 2 selector), selector:text if flagged |
//! | 4 | unsubscribe | id:varint |
//! | 5 | enqueue | id, destination:varint, rank:u8, length of the message:varint, its checksum:u32 (see `message_checksum`), the message |
//! | 6 | acknowledge on a queue | destination, id:varint, cursor |
//! | 7 | acknowledge for a subscription | destination, id:varint, cursor, subscription:varint |
//! | 8 | move | id, from:varint, cursor, to:varint, rank:u8 |
//! | 9 | prepare | xid, count:varint, operations |
//! | 10 | decide | xid, outcome:u8 (0 roll back, 1 commit) |
//! | 11 | put | table:text, key:bytes, value:bytes |
//! | 12 | put nothing | table:text, key:bytes |
//!
//! A cursor is rank:u8, arrival:varint. An xid is format:varint (zigzag), global:bytes, branch:bytes.

use super::error::{DecodeError, Problem};
use super::message::{MESSAGE_CHECKSUM_LENGTH, encode_with_checksum};
use super::primitive::{Reader, put_bytes, put_varint, unzigzag, zigzag};
use super::span::Span;
use crate::batch::{Destination, DestinationKind, Operation, Outcome, Subscription};
use crate::names::{Cursor, DestinationId, MessageId, SubscriptionId, Xid};

const CREATE_DESTINATION: u8 = 1;
const REMOVE_DESTINATION: u8 = 2;
const SUBSCRIBE: u8 = 3;
const UNSUBSCRIBE: u8 = 4;
const ENQUEUE: u8 = 5;
const ACKNOWLEDGE_QUEUE: u8 = 6;
const ACKNOWLEDGE_SUBSCRIPTION: u8 = 7;
const MOVE: u8 = 8;
const PREPARE: u8 = 9;
const DECIDE: u8 = 10;
const PUT: u8 = 11;
const PUT_NOTHING: u8 = 12;

const NO_LOCAL: u8 = 1;
const HAS_SELECTOR: u8 = 2;

/// Appends one operation; spans count from `start`.
pub(super) fn encode(operation: Operation, start: usize, out: &mut Vec<u8>) -> Operation<Span> {
    match operation {
        Operation::CreateDestination(destination) => {
            out.push(CREATE_DESTINATION);
            put_varint(out, destination.id.0);
            out.push(destination.kind as u8);
            put_bytes(out, destination.name.as_bytes());
            Operation::CreateDestination(destination)
        }
        Operation::RemoveDestination(id) => {
            out.push(REMOVE_DESTINATION);
            put_varint(out, id.0);
            Operation::RemoveDestination(id)
        }
        Operation::Subscribe(subscription) => {
            out.push(SUBSCRIBE);
            encode_subscription(&subscription, out);
            Operation::Subscribe(subscription)
        }
        Operation::Unsubscribe(id) => {
            out.push(UNSUBSCRIBE);
            put_varint(out, id.0);
            Operation::Unsubscribe(id)
        }
        Operation::Enqueue { id, destination, rank, message } => {
            out.push(ENQUEUE);
            put_varint(out, id.0);
            put_varint(out, destination.0);
            out.push(rank);
            // Room for the length as a varint of five bytes: enough for 32 bits, and fixed, so that nothing moves.
            let length_at = out.len();
            out.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0]);
            let checksum_at = out.len();
            out.extend_from_slice(&[0; MESSAGE_CHECKSUM_LENGTH]);
            let message_at = out.len();
            let checksum = encode_with_checksum(&message, id, out);
            let length = out.len() - message_at;
            out[checksum_at..message_at].copy_from_slice(&checksum.to_le_bytes());
            for (index, byte) in out[length_at..length_at + 5].iter_mut().enumerate() {
                *byte |= (length >> (7 * index)) as u8 & 0x7f;
            }
            let message = Span { start: (message_at - start) as u32, length: length as u32 };
            Operation::Enqueue { id, destination, rank, message }
        }
        Operation::Acknowledge { destination, id, cursor, subscription } => {
            out.push(if subscription.is_some() { ACKNOWLEDGE_SUBSCRIPTION } else { ACKNOWLEDGE_QUEUE });
            put_varint(out, destination.0);
            put_varint(out, id.0);
            encode_cursor(cursor, out);
            if let Some(subscription) = subscription {
                put_varint(out, subscription.0);
            }
            Operation::Acknowledge { destination, id, cursor, subscription }
        }
        Operation::Move { id, from, cursor, to, rank } => {
            out.push(MOVE);
            put_varint(out, id.0);
            put_varint(out, from.0);
            encode_cursor(cursor, out);
            put_varint(out, to.0);
            out.push(rank);
            Operation::Move { id, from, cursor, to, rank }
        }
        Operation::Prepare { xid, operations } => {
            out.push(PREPARE);
            encode_xid(&xid, out);
            put_varint(out, operations.len() as u64);
            let operations = operations.into_iter().map(|operation| encode(operation, start, out)).collect();
            Operation::Prepare { xid, operations }
        }
        Operation::Decide { xid, outcome } => {
            out.push(DECIDE);
            encode_xid(&xid, out);
            out.push(u8::from(outcome == Outcome::Commit));
            Operation::Decide { xid, outcome }
        }
        Operation::Put { table, key, value } => {
            out.push(if value.is_some() { PUT } else { PUT_NOTHING });
            put_bytes(out, table.as_bytes());
            put_bytes(out, &key);
            if let Some(value) = &value {
                put_bytes(out, value);
            }
            Operation::Put { table, key, value }
        }
    }
}

fn encode_subscription(subscription: &Subscription, out: &mut Vec<u8>) {
    put_varint(out, subscription.id.0);
    put_varint(out, subscription.destination.0);
    put_bytes(out, subscription.client_id.as_bytes());
    put_bytes(out, subscription.name.as_bytes());
    let selector_flag = if subscription.selector.is_some() { HAS_SELECTOR } else { 0 };
    let no_local_flag = if subscription.no_local { NO_LOCAL } else { 0 };
    out.push(no_local_flag | selector_flag);
    if let Some(selector) = &subscription.selector {
        put_bytes(out, selector.as_bytes());
    }
}

fn encode_cursor(cursor: Cursor, out: &mut Vec<u8>) {
    out.push(cursor.rank);
    put_varint(out, cursor.arrival);
}

fn encode_xid(xid: &Xid, out: &mut Vec<u8>) {
    put_varint(out, zigzag(i64::from(xid.format)));
    put_bytes(out, &xid.global);
    put_bytes(out, &xid.branch);
}

/// How many operations to make room for before any was read: a decoded operation is some fifty times larger than the
/// smallest encoded one, so what a count promises is not believed.
const RESERVE_MAX: usize = 64;

/// Reads a count and that many operations. Each operation takes at least two bytes.
pub(super) fn decode_list(
    reader: &mut Reader<'_>,
    nested: bool,
) -> Result<Vec<Operation<Span>>, DecodeError> {
    let count = reader.varint()?;
    let mut operations = Vec::with_capacity((count as usize).min(reader.left() / 2).min(RESERVE_MAX));
    for _ in 0..count {
        operations.push(decode(reader, nested)?);
    }
    Ok(operations)
}

fn decode(reader: &mut Reader<'_>, nested: bool) -> Result<Operation<Span>, DecodeError> {
    let at = reader.at();
    let tag = reader.u8()?;
    Ok(match tag {
        CREATE_DESTINATION => {
            let id = DestinationId(reader.varint()?);
            let kind = match reader.u8()? {
                0 => DestinationKind::Queue,
                1 => DestinationKind::Topic,
                found => {
                    return Err(
                        reader.fail(Problem::Unknown { what: "destination kind", found: found.into() })
                    );
                }
            };
            Operation::CreateDestination(Destination { id, kind, name: reader.text_copied()? })
        }
        REMOVE_DESTINATION => Operation::RemoveDestination(DestinationId(reader.varint()?)),
        SUBSCRIBE => Operation::Subscribe(decode_subscription(reader)?),
        UNSUBSCRIBE => Operation::Unsubscribe(SubscriptionId(reader.varint()?)),
        ENQUEUE => {
            let id = MessageId(reader.varint()?);
            let destination = DestinationId(reader.varint()?);
            let rank = reader.u8()?;
            let range = reader.bytes_behind(MESSAGE_CHECKSUM_LENGTH)?;
            let start = u32::try_from(range.start).map_err(|_| reader.fail(Problem::Number))?;
            let length = u32::try_from(range.len()).map_err(|_| reader.fail(Problem::Number))?;
            Operation::Enqueue { id, destination, rank, message: Span { start, length } }
        }
        ACKNOWLEDGE_QUEUE | ACKNOWLEDGE_SUBSCRIPTION => {
            let destination = DestinationId(reader.varint()?);
            let id = MessageId(reader.varint()?);
            let cursor = decode_cursor(reader)?;
            let subscription = match tag {
                ACKNOWLEDGE_SUBSCRIPTION => Some(SubscriptionId(reader.varint()?)),
                _ => None,
            };
            Operation::Acknowledge { destination, id, cursor, subscription }
        }
        MOVE => Operation::Move {
            id: MessageId(reader.varint()?),
            from: DestinationId(reader.varint()?),
            cursor: decode_cursor(reader)?,
            to: DestinationId(reader.varint()?),
            rank: reader.u8()?,
        },
        PREPARE if nested => return Err(DecodeError { problem: Problem::Nested, at }),
        PREPARE => Operation::Prepare { xid: decode_xid(reader)?, operations: decode_list(reader, true)? },
        DECIDE => {
            let xid = decode_xid(reader)?;
            let outcome = match reader.u8()? {
                0 => Outcome::Rollback,
                1 => Outcome::Commit,
                found => return Err(reader.fail(Problem::Unknown { what: "outcome", found: found.into() })),
            };
            Operation::Decide { xid, outcome }
        }
        PUT => Operation::Put {
            table: reader.text_copied()?,
            key: reader.bytes_copied()?,
            value: Some(reader.bytes_copied()?),
        },
        PUT_NOTHING => {
            Operation::Put { table: reader.text_copied()?, key: reader.bytes_copied()?, value: None }
        }
        found => {
            return Err(DecodeError {
                problem: Problem::Unknown { what: "operation", found: found.into() },
                at,
            });
        }
    })
}

fn decode_subscription(reader: &mut Reader<'_>) -> Result<Subscription, DecodeError> {
    let id = SubscriptionId(reader.varint()?);
    let destination = DestinationId(reader.varint()?);
    let client_id = reader.text_copied()?;
    let name = reader.text_copied()?;
    let flags = reader.u8()?;
    if flags & !(NO_LOCAL | HAS_SELECTOR) != 0 {
        return Err(reader.fail(Problem::Unknown { what: "subscription flags", found: flags.into() }));
    }
    let selector = if flags & HAS_SELECTOR != 0 { Some(reader.text_copied()?) } else { None };
    Ok(Subscription { id, destination, client_id, name, selector, no_local: flags & NO_LOCAL != 0 })
}

fn decode_cursor(reader: &mut Reader<'_>) -> Result<Cursor, DecodeError> {
    Ok(Cursor { rank: reader.u8()?, arrival: reader.varint()? })
}

fn decode_xid(reader: &mut Reader<'_>) -> Result<Xid, DecodeError> {
    let format = unzigzag(reader.varint()?);
    let format = i32::try_from(format).map_err(|_| reader.fail(Problem::Number))?;
    Ok(Xid { format, global: reader.bytes_copied()?, branch: reader.bytes_copied()? })
}
