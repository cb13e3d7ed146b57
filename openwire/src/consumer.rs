//! Commands about consumers and subscriptions.

use std::sync::Arc;

use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter, Structure, unexpected_type};
use crate::ids::{BrokerId, ConnectionId, ConsumerId, MessageId};
use crate::table::structure;

structure! {
    /// Opens a consumer.
    ConsumerInfo = 5, command {
        /// Name of the consumer.
        consumer_id: cached(Arc<ConsumerId>),
        /// Whether it only looks at a queue.
        browser: bool,
        /// What it consumes from.
        destination: cached(Arc<Destination>),
        /// How many messages may be dispatched without acknowledgement; 0 makes it pull.
        prefetch_size: int,
        /// How many messages wait for a slow topic consumer before the oldest is discarded; 0 is no limit.
        maximum_pending_message_limit: int,
        /// Whether the broker dispatches to it from another thread than the producer's.
        dispatch_async: bool,
        /// Selector in JMS syntax.
        selector: text,
        /// Client id of a durable subscription, where it differs from the connection's.
        client_id: text since 10,
        /// Name of a durable subscription.
        subscription_name: text,
        /// Whether messages of the same connection are left out.
        no_local: bool,
        /// Whether it wants to be the queue's only consumer.
        exclusive: bool,
        /// Whether it wants messages from before it came.
        retroactive: bool,
        /// Consumers of higher priority are served first.
        priority: byte,
        /// Brokers passed so far.
        broker_path: list(Arc<BrokerId>),
        /// A network connector's filter.
        additional_predicate: nested(NetworkBridgeFilter),
        /// Whether it is a network connector's consumer.
        network_subscription: bool,
        /// Whether the client acknowledges in batches and late.
        optimized_acknowledge: bool,
        /// Whether acknowledgements never cover a range.
        no_range_acks: bool,
        /// Consumers of other brokers that this one stands for.
        network_consumer_path: list(Arc<ConsumerId>) since 4,
    }
}

structure! {
    /// Changes or controls a consumer, from the client or from the broker.
    ConsumerControl = 17, command {
        /// Destination, to name all of its consumers.
        destination: nested(Destination) since 6,
        /// Close the consumer.
        close: bool,
        /// The consumer.
        consumer_id: nested(Arc<ConsumerId>),
        /// New prefetch.
        prefetch: int,
        /// Drop the messages that the consumer holds back.
        flush: bool since 2,
        /// Start dispatching.
        start: bool since 2,
        /// Stop dispatching.
        stop: bool since 2,
    }
}

structure! {
    /// Deletes a durable subscription.
    RemoveSubscriptionInfo = 9, command {
        /// The connection that asks.
        connection_id: cached(Arc<ConnectionId>),
        /// Name of the subscription.
        subscription_name: text,
        /// Client id of the subscription.
        client_id: text,
    }
}

structure! {
    /// A durable subscription.
    SubscriptionInfo = 55 {
        /// Client id of the subscription.
        client_id: text,
        /// The topic that it is stored with.
        destination: cached(Arc<Destination>),
        /// Selector in JMS syntax.
        selector: text,
        /// Name of the subscription.
        subscription_name: text,
        /// What was subscribed to, perhaps with wildcards.
        subscribed_destination: nested(Destination) since 3,
        /// Whether messages of the same connection are left out.
        no_local: bool since 11,
    }
}

structure! {
    /// A consumer with prefetch 0 asks for a message.
    MessagePull = 20 since 2, command {
        /// The consumer.
        consumer_id: cached(Arc<ConsumerId>),
        /// What it consumes from.
        destination: cached(Arc<Destination>),
        /// How long to wait, in milliseconds: 0 for ever, -1 not at all.
        timeout: long,
        /// Asks for the message with this correlation id only.
        correlation_id: text since 3,
        /// Asks for this message only.
        message_id: nested(MessageId) since 3,
    }
}

structure! {
    /// A broker tells a peer broker about its durable subscriptions.
    BrokerSubscriptionInfo = 92 since 12, command {
        /// The broker.
        broker_id: nested(Arc<BrokerId>),
        /// Its configured name.
        broker_name: text,
        /// The subscriptions.
        subscription_infos: list(ConsumerInfo),
    }
}

/// A network connector's filter: lets a message pass that has not yet been at the broker and not passed too many.
///
/// Up to version 9 one `networkTTL` stands first on the wire for both limits; the message limit is written there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkBridgeFilter {
    /// The broker behind the network connector.
    pub network_broker_id: Option<Arc<BrokerId>>,
    /// How many brokers a message may pass; -1 is no limit.
    pub message_ttl: i32,
    /// How many brokers a consumer's interest may pass; -1 is no limit.
    pub consumer_ttl: i32,
}

impl NetworkBridgeFilter {
    /// First version with two limits.
    pub(crate) const TWO_LIMITS_SINCE: u8 = 10;
}

impl Structure for NetworkBridgeFilter {
    const NAME: &'static str = "NetworkBridgeFilter";

    fn type_id(&self) -> u8 {
        91
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        if writer.version() < Self::TWO_LIMITS_SINCE {
            writer.int(self.message_ttl);
            return writer.cached(self.network_broker_id.as_ref());
        }
        writer.cached(self.network_broker_id.as_ref())?;
        writer.int(self.message_ttl);
        writer.int(self.consumer_ttl);
        Ok(())
    }

    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
        if type_id != 91 {
            return Err(unexpected_type(type_id, Self::NAME));
        }
        if reader.version() < Self::TWO_LIMITS_SINCE {
            let network_ttl = reader.int()?;
            let network_broker_id = reader.cached()?;
            return Ok(Self { network_broker_id, message_ttl: network_ttl, consumer_ttl: network_ttl });
        }
        Ok(Self {
            network_broker_id: reader.cached()?,
            message_ttl: reader.int()?,
            consumer_ttl: reader.int()?,
        })
    }
}
