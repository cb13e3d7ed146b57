//! What a client wants to be kept, each under a number of its own: so that one that is asked for again is not done twice.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kahawai_store::names::{DestinationId, MessageId, SubscriptionId, Xid};

/// Each client has a queue and a topic of its own, which go by its number.
pub(crate) const CLIENTS: u32 = 2;
const TOPICS: u64 = 100;

pub(crate) fn queue_of(client: u32) -> DestinationId {
    DestinationId(u64::from(client))
}

pub(crate) fn topic_of(client: u32) -> DestinationId {
    DestinationId(TOPICS + u64::from(client))
}

/// Where a client takes messages from: its queue, or one of its subscriptions.
pub(crate) type Origin = Option<SubscriptionId>;

/// As a number: 0 is the queue.
pub(crate) fn number_of(from: Origin) -> u64 {
    from.map_or(0, |id| id.0)
}

pub(crate) fn from_of(number: u64) -> Origin {
    (number > 0).then_some(SubscriptionId(number))
}

/// The group of the ledger that takes from there.
pub(crate) fn group_of(client: u32, from: Origin) -> u32 {
    from.map_or(client, |id| id.0 as u32)
}

/// What is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A message in the queue.
    Send(Bytes),
    /// A message to the topic.
    Publish(Bytes),
    Subscribe(SubscriptionId),
    Unsubscribe(SubscriptionId),
    /// These messages in the queue, and that message done with; once the transaction of this number is decided so.
    Prepare {
        sends: Vec<Bytes>,
        done: (Origin, MessageId),
    },
    /// The transaction that was prepared under this number ends.
    Decide {
        prepared: u64,
        commits: bool,
    },
}

/// The transaction that a client prepared under a number.
pub(crate) fn xid_of(client: u32, number: u64) -> Xid {
    let global = Bytes::copy_from_slice(&number.to_be_bytes());
    Xid { format: client as i32, global, branch: Bytes::new() }
}

impl Wish {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Send(body) => {
                out.put_u8(0);
                out.put_slice(body);
            }
            Self::Publish(body) => {
                out.put_u8(1);
                out.put_slice(body);
            }
            Self::Subscribe(id) => {
                out.put_u8(2);
                out.put_u64(id.0);
            }
            Self::Unsubscribe(id) => {
                out.put_u8(3);
                out.put_u64(id.0);
            }
            Self::Prepare { sends, done: (from, id) } => {
                out.put_u8(4);
                out.put_u64(number_of(*from));
                out.put_u64(id.0);
                for body in sends {
                    out.put_u32(body.len() as u32);
                    out.put_slice(body);
                }
            }
            Self::Decide { prepared, commits } => {
                out.put_u8(5);
                out.put_u64(*prepared);
                out.put_u8(u8::from(*commits));
            }
        }
        out.freeze()
    }

    pub(crate) fn decode(mut bytes: Bytes) -> Self {
        match bytes.get_u8() {
            0 => Self::Send(bytes),
            1 => Self::Publish(bytes),
            2 => Self::Subscribe(SubscriptionId(bytes.get_u64())),
            3 => Self::Unsubscribe(SubscriptionId(bytes.get_u64())),
            4 => {
                let done = (from_of(bytes.get_u64()), MessageId(bytes.get_u64()));
                let mut sends = Vec::new();
                while bytes.has_remaining() {
                    let length = bytes.get_u32() as usize;
                    sends.push(bytes.split_to(length));
                }
                Self::Prepare { sends, done }
            }
            _ => Self::Decide { prepared: bytes.get_u64(), commits: bytes.get_u8() == 1 },
        }
    }
}
