//! What is said over there of who consumes, and what is consumed here for it.

use std::sync::Arc;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::consumer::{ConsumerInfo, NetworkBridgeFilter};
use kahawai_openwire::ids::{BrokerId, ConsumerId, RemovedId};
use kahawai_openwire::message::{Message, MessageAck, MessageDispatch};
use kahawai_openwire::text::Text;

use super::demand::{Comes, New, Reason};
use super::durable::{subscriber, unsubscribed};
use super::machine::{Bridge, CONSUMERS_MAX, NAME_BYTES_MAX, Order, Side, Stage};
use super::speech;
use crate::core::address::Address;
use crate::openwire::translate::{address, destination};

/// How many brokers demand passes at most, whatever `consumerTTL` says.
const HOPS_MAX: usize = 64;

impl Bridge {
    /// An advisory came from over there.
    pub(super) fn hear(&mut self, dispatch: MessageDispatch) {
        let Some(message) = dispatch.message else { return };
        self.acknowledge_there(&message, dispatch.consumer_id);
        self.learn(&message);
    }

    /// The same as a message, where messages go both ways.
    pub(super) fn hear_message(&mut self, message: Message) {
        let consumer = speech::demand_consumer_id(&self.names[Side::Remote as usize]);
        self.acknowledge_there(&message, Some(Arc::new(consumer)));
        self.learn(&message);
    }

    /// Advisories are acknowledged many at a time.
    fn acknowledge_there(&mut self, message: &Message, consumer_id: Option<Arc<ConsumerId>>) {
        self.advisories += 1;
        // As ActiveMQ counts.
        let ahead =
            u64::from(self.connector.advisories_ahead()) * u64::from(self.connector.advisory_ack_percentage);
        if u64::from(self.advisories) * 100 > ahead {
            let count = std::mem::take(&mut self.advisories);
            let ack = MessageAck {
                destination: message.destination.clone(),
                consumer_id,
                ack_type: MessageAck::STANDARD,
                last_message_id: message.message_id.clone(),
                message_count: i32::try_from(count).unwrap_or(i32::MAX),
                ..MessageAck::default()
            };
            self.say(Side::Remote, ack.into());
        }
    }

    fn learn(&mut self, message: &Message) {
        if self.stage == Stage::Stopping {
            return;
        }
        match told(message) {
            Some(Command::ConsumerInfo(info)) => self.comes(info),
            Some(Command::RemoveInfo(info)) => {
                if let Some(RemovedId::Consumer(id)) = &info.object_id {
                    self.goes(id);
                }
            }
            Some(Command::DestinationInfo(info)) => self.temporary_over_there(info),
            Some(Command::RemoveSubscriptionInfo(info)) => {
                if let Some(subscriber) = unsubscribed(info) {
                    self.unsubscribes(&subscriber);
                }
            }
            _ => {}
        }
    }

    /// A consumer over there, as it is told of.
    pub(super) fn comes(&mut self, info: &ConsumerInfo) {
        let (Some(id), Some(wanted)) = (&info.consumer_id, &info.destination) else { return };
        let too_long = wanted.physical_name.len() > NAME_BYTES_MAX || id.connection_id.len() > NAME_BYTES_MAX;
        if too_long || info.browser {
            return;
        }
        let way = info.broker_path.clone().unwrap_or_default();
        if self.is_too_far(&way) || way.contains(&self.own_id) {
            return self.is_reached_no_more(id, info);
        }
        if self.demand.moves(id, &way) {
            self.serves_by(id, info);
        }
        for wanted in address(wanted).parts() {
            // Advisories are each broker's own.
            if wanted.is_advisory()
                || !self.connector.permits(&wanted)
                || self.waits_for_temporary(&wanted, info)
            {
                continue;
            }
            if let Some(excluded) = self.excluded_of_queue(&wanted) {
                self.tell_excluded(&wanted, &excluded);
                continue;
            }
            if !wanted.kind.is_queue() && info.subscription_name.is_some() {
                self.subscribes(&wanted, info);
                continue;
            }
            if self.is_served_elsewhere(&wanted, id, info) {
                continue;
            }
            // Whoever stands for others behind it is one of its own, so that what goes there is not what is wanted here.
            let may_join = self.connector.conduit_subscriptions
                && (!info.network_subscription
                    || !wanted.kind.is_queue()
                    || self.connector.conduit_network_queue_subscriptions);
            match self.demand.comes(id, &wanted, &way, may_join) {
                Comes::Known => {}
                Comes::Joined => self.serves(&wanted, info),
                Comes::Wanted => {
                    if let Some(number) = self.subscribe(&wanted, info, Reason::Demand, None) {
                        self.will_serve(number, &wanted, info);
                    }
                }
                Comes::TooMany => self.tell_full(),
            }
        }
    }

    /// Whether what has passed these brokers was told far enough.
    pub(super) fn is_too_far(&self, way: &[Arc<BrokerId>]) -> bool {
        let ttl = usize::try_from(self.connector.consumer_ttl).unwrap_or(HOPS_MAX);
        !way.is_empty() && way.len() >= ttl.min(HOPS_MAX)
    }

    /// A consumer over there is gone.
    pub(super) fn goes(&mut self, id: &ConsumerId) {
        self.serves_no_more(id);
        for over in self.demand.goes(id) {
            self.close_here(over);
        }
    }

    /// One over there came by a way that is too long or leads through here. If it is known it came by another one, which is no more.
    fn is_reached_no_more(&mut self, id: &ConsumerId, info: &ConsumerInfo) {
        self.goes(id);
        let (Some(subscriber), Some(wanted)) = (subscriber(info), &info.destination) else { return };
        let is_far = !info.broker_path.iter().any(|way| way.contains(&self.own_id));
        let mut topics = address(wanted).parts();
        topics.retain(|part| !part.kind.is_queue());
        self.demand.strays(&subscriber, &topics, is_far);
    }

    /// Tells the broker here of subscriptions whose consumers over there are reached by another way than was said.
    pub(super) fn tell_changes(&mut self) {
        while self.stage == Stage::Stands && self.demand.has_changed() {
            let Some(peer) = &self.peer else { return };
            if let Some(asked) = self.demand.next_change(&peer.id) {
                self.say(Side::Local, asked.into());
            }
        }
    }

    pub(super) fn tell_full(&mut self) {
        if !std::mem::replace(&mut self.is_full_said, true) {
            self.orders.push_back(Order::Say(format!(
                "the broker there has more than {CONSUMERS_MAX} consumers: what the others want does not cross"
            )));
        }
    }

    /// A queue's message that may not cross cannot be handed back, so none of such a pattern is taken.
    pub(super) fn excluded_of_queue(&self, wanted: &Address) -> Option<Address> {
        self.connector.excluded_of(wanted).filter(|_| wanted.kind.is_queue()).cloned()
    }

    pub(super) fn tell_excluded(&mut self, wanted: &Address, excluded: &Address) {
        self.orders.push_back(Order::Say(format!(
            "consumers of {wanted} get nothing by the bridge, as {excluded} of it is excluded: consume from each queue by its name there"
        )));
    }

    /// The priority of a subscription here for this consumer: those over there come after those here, and those further away after these.
    pub(super) fn priority_of(&self, info: &ConsumerInfo) -> i8 {
        if !self.connector.decrease_network_consumer_priority {
            return info.priority as i8;
        }
        // With the broker there.
        let hops = info.broker_path.as_deref().unwrap_or_default().len() + 1;
        let further = if hops > 1 { hops + 1 } else { 0 };
        let further = i32::try_from(further).unwrap_or(i32::MAX);
        let priority = i32::from(self.connector.consumer_priority_base).saturating_sub(further);
        i8::try_from(priority).unwrap_or(i8::MIN)
    }

    /// Consumes here for somebody over there; durably where there is a name for that. Gives the number.
    pub(super) fn subscribe(
        &mut self,
        wanted: &Address,
        info: &ConsumerInfo,
        reason: Reason,
        durable: Option<Text>,
    ) -> Option<i64> {
        let peer = self.peer.as_ref()?;
        let mut path: Vec<_> = info.broker_path.as_deref().unwrap_or_default().to_vec();
        path.push(Arc::clone(&peer.id));
        let mut stands_for: Vec<_> = info.network_consumer_path.as_deref().unwrap_or_default().to_vec();
        stands_for.extend(info.consumer_id.clone());
        let priority = self.priority_of(info);
        let filter = NetworkBridgeFilter {
            network_broker_id: Some(Arc::clone(&peer.id)),
            message_ttl: self.connector.message_ttl,
            consumer_ttl: self.connector.consumer_ttl,
        };
        let number = self.demand.number();
        let is_durable = durable.is_some();
        let subscription = ConsumerInfo {
            consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], number))),
            destination: Some(destination(wanted)),
            prefetch_size: i32::try_from(self.connector.prefetch_size).unwrap_or(i32::MAX),
            maximum_pending_message_limit: info.maximum_pending_message_limit,
            dispatch_async: self.connector.dispatch_async,
            exclusive: info.exclusive,
            // A byte on the wire, signed in Java.
            priority: priority as u8,
            broker_path: Some(path.into()),
            subscription_name: durable,
            // What a durable one leaves out is acknowledged by this bridge, or it would be kept for ever.
            additional_predicate: (!is_durable).then_some(filter),
            network_subscription: true,
            network_consumer_path: Some(stands_for.into()),
            ..ConsumerInfo::default()
        };
        // Of those that stand for others behind that broker, each is by itself unless the connector says otherwise.
        let takes_others = is_durable
            || self.connector.conduit_subscriptions
                && (reason == Reason::Inclusion
                    || !info.network_subscription
                    || !wanted.kind.is_queue()
                    || self.connector.conduit_network_queue_subscriptions);
        // A durable one does not go with its client.
        let is_its_own = reason == Reason::Demand && !is_durable;
        let remote = info.consumer_id.as_deref().filter(|_| is_its_own).cloned();
        let address = wanted.clone();
        let asked = Arc::new(subscription.clone());
        self.demand.begin(number, New { address, asked, remote, reason, takes_others });
        let asked = self.ask(Side::Local, subscription.into());
        self.opening.insert(asked, number);
        Some(number)
    }
}

/// What an advisory tells.
pub(super) fn told(advisory: &Message) -> Option<&Command> {
    match &advisory.data_structure {
        Some(DataStructure::Command(command)) => Some(command),
        _ => None,
    }
}
