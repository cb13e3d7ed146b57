//! What clients ask for, in words of no protocol.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_store::message::Message;
use kahawai_store::names::MessageId;

use super::address::Address;
use super::keys::ConsumerKey;

/// What a client says of itself when it connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSpec {
    /// The name it gave its connection, unique in the world.
    pub name: ByteString,
    /// Its JMS client id.
    pub client_id: ByteString,
    /// The user it says it is.
    pub user: Option<ByteString>,
    /// Where it comes from.
    pub remote: ByteString,
    /// Whether it has been connected before, to us or to the master before us.
    pub reconnect: bool,
    /// Which network connector of which broker it is of, if it is one's.
    pub bridge: Option<BridgeKey>,
}

/// What tells one broker's network connector from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BridgeKey {
    /// The connector's name there.
    pub connector: ByteString,
    /// The broker's id.
    pub broker: ByteString,
}

/// How far a consumer had got when it was closed, as its client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastDelivered {
    /// Nobody knows: everything that was sent to it may have been seen.
    Unknown,
    /// Nothing was seen.
    Nothing,
    /// Everything up to this message was seen.
    Message(MessageId),
}

/// What a client wants to consume, and how.
#[derive(Clone, Debug)]
pub struct ConsumerSpec {
    /// The consumer's name, unique in the world.
    pub name: ByteString,
    /// Where from; may be a composite or a pattern.
    pub address: Address,
    /// How many messages it takes before it acknowledges some; 0 asks for each.
    pub prefetch: u32,
    /// Higher ones are served first.
    pub priority: i8,
    /// Whether it wants to be the only one served.
    pub exclusive: bool,
    /// Whether it wants nothing that its own connection sent.
    pub no_local: bool,
    /// Whether it only looks.
    pub browser: bool,
    /// How many messages it wants to wait for it at most, where it is a topic's subscriber whose messages may be dropped; 0 where it does not
    /// say (`maximumPendingMessageLimit`).
    pub pending_messages_max: u32,
    /// The selector, if any.
    pub selector: Option<ByteString>,
    /// The name of its durable subscription, if it is one.
    pub subscription: Option<ByteString>,
    /// What it stands for, where it is another broker's.
    pub network: Option<Arc<NetworkDemand>>,
    /// Which messages may not go there, where it is a bridge's.
    pub leaves_out: Option<LeavesOut>,
}

/// Says of a message whether a consumer leaves it out, by what the consumer's own protocol knows of it.
#[derive(Clone)]
pub struct LeavesOut(pub Arc<dyn Fn(&Message) -> bool + Send + Sync>);

impl std::fmt::Debug for LeavesOut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

impl ConsumerSpec {
    /// Of a bridge's consumer: the brokers that the demand has passed that it is for.
    pub(crate) fn passed(&self) -> Option<Vec<ByteString>> {
        self.network.as_ref().filter(|network| network.subscription)?.path.clone()
    }
}

/// What a broker's consumer tells of those it stands for. It is told again in advisories, and by it loops are found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkDemand {
    /// Whether it is a network connector's (`networkSubscription`).
    pub subscription: bool,
    /// The brokers that the demand has passed (`brokerPath`).
    pub path: Option<Vec<ByteString>>,
    /// The consumers elsewhere that it is for (`networkConsumerIds`).
    pub consumers: Option<Vec<ByteString>>,
}

impl NetworkDemand {
    /// All names in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ByteString> {
        self.path.iter().chain(&self.consumers).flatten()
    }
}

/// A message that a client sends.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Where to; may be a composite or a pattern.
    pub address: Address,
    /// What.
    pub message: Arc<Message>,
    /// Who sends it.
    pub producer: Option<ByteString>,
    /// The producer's number for it, by which one that is sent again is known.
    pub sequence: Option<i64>,
    /// The transaction it is part of.
    pub transaction: Option<TransactionId>,
    /// How many bytes it takes by the producer's reckoning, for its window.
    pub window_bytes: u32,
}

/// What is said of the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcknowledgementKind {
    /// The client has them in hand: more may be sent.
    Delivered,
    /// They are consumed.
    Standard,
    /// The last one named is consumed, and no other.
    Individual,
    /// They cannot be consumed, for this reason.
    Poison(Option<String>),
    /// The client will deliver them again by itself.
    Redelivered,
    /// They expired before they were consumed.
    Expired,
}

/// An acknowledgement.
#[derive(Clone, Debug)]
pub struct Acknowledgement {
    /// Whose.
    pub consumer: ConsumerKey,
    /// What is said.
    pub kind: AcknowledgementKind,
    /// The first message it is said of; `None` for the first that is not acknowledged.
    pub first: Option<MessageId>,
    /// The last one.
    pub last: MessageId,
    /// How many, as the client counts.
    pub count: usize,
    /// The transaction that it is part of.
    pub transaction: Option<TransactionId>,
}

/// A client's name for a local transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    /// The connection that began it, by its name.
    pub client: ByteString,
    /// Its number there; each is greater than those before it.
    pub number: i64,
}

/// What clients may ask for and this broker does not do yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotYet {
    VirtualTopics,
    Retroactive,
    MessageGroups,
}
