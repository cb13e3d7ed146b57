//! Messages that cross, and what becomes of them over there.

use std::sync::Arc;

use kahawai_openwire::connection::RemoveInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{ConsumerId, RemovedId};
use kahawai_openwire::message::{Message, MessageAck, MessageDispatch};
use kahawai_openwire::throwable::Throwable;

use super::demand::Over;
use super::machine::{Bridge, Forwarded, Order, Side, Stage, words};
use super::speech;
use crate::openwire::translate::address;

impl Bridge {
    /// A message of a subscription here.
    pub(super) fn forward(&mut self, dispatch: MessageDispatch) {
        let (Some(message), Some(consumer)) = (dispatch.message, dispatch.consumer_id) else { return };
        let number = consumer.value;
        if self.temporaries.is_listener(number) {
            return self.temporary_here(&message, consumer);
        }
        if self.inbound.listeners.contains_key(&number) {
            return self.tell(
                number,
                MessageDispatch { message: Some(message), consumer_id: Some(consumer), ..dispatch },
            );
        }
        let Some(one) = self.demand.get(number) else { return };
        // What comes once nobody wants it goes back to its queue when the subscription is closed. What comes before the other broker has answered
        // goes: who consumes there may be told of first, and what is passed over here would be in this hand for ever.
        if one.is_closing() || self.stage == Stage::Stopping {
            return;
        }
        let Some(to) = dispatch.destination.clone().or_else(|| message.destination.clone()) else { return };
        let forwarded = Forwarded {
            subscription: number,
            destination: Some(Arc::clone(&to)),
            message_id: message.message_id.clone(),
        };
        let is_topic = to.kind.is_topic();
        if self.is_second(number, message.message_id.as_ref()) {
            return self.acknowledge(&forwarded, MessageAck::INDIVIDUAL);
        }
        if !self.may_cross(&message) || (is_topic && !self.connector.permits(&address(&to))) {
            debug_assert!(
                is_topic,
                "the broker here gives no queue's message to a bridge that it may not cross"
            );
            if is_topic {
                self.acknowledge(&forwarded, MessageAck::INDIVIDUAL);
            }
            return;
        }
        let crossing = self.crossing(Arc::unwrap_or_clone(message), Some(to));
        if let Some(reply_to) = &crossing.reply_to {
            self.introduce_temporary(reply_to);
        }
        self.figures.forwarded += 1;
        if crossing.persistent || self.connector.always_sync_send {
            let asked = self.ask(Side::Remote, crossing.into());
            self.flight.insert(asked, forwarded);
            self.demand.owes(number);
        } else {
            self.say(Side::Remote, crossing.into());
            self.figures.acknowledged += 1;
            self.acknowledge(&forwarded, MessageAck::INDIVIDUAL);
        }
    }

    /// A message as it crosses: what it is, and where it has been.
    pub(super) fn crossing(&self, mut message: Message, to: Option<Arc<Destination>>) -> Message {
        let mut path: Vec<_> = message.broker_path.as_deref().unwrap_or_default().to_vec();
        path.push(Arc::clone(&self.own_id));
        message.broker_path = Some(path.into());
        message.producer_id = Some(Arc::clone(&self.producer));
        message.destination = to;
        let transaction = message.transaction_id.take();
        message.original_transaction_id = message.original_transaction_id.or(transaction);
        message
    }

    /// Whether a message has not been over there yet, nor come too far.
    pub(super) fn may_cross(&self, message: &Message) -> bool {
        let path = message.broker_path.as_deref().unwrap_or_default();
        let was_there = self.peer.as_ref().is_some_and(|peer| path.contains(&peer.id));
        let too_far = usize::try_from(self.connector.message_ttl).is_ok_and(|ttl| path.len() >= ttl);
        !was_there && !too_far
    }

    /// A message is done with here.
    pub(super) fn acknowledge(&mut self, forwarded: &Forwarded, ack_type: u8) {
        let ack = MessageAck {
            destination: forwarded.destination.clone(),
            consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], forwarded.subscription))),
            ack_type,
            last_message_id: forwarded.message_id.clone(),
            message_count: 1,
            ..MessageAck::default()
        };
        self.say(Side::Local, ack.into());
    }

    /// A message was answered over there.
    pub(super) fn crossed(&mut self, correlation: i32, refused: Option<Option<&Throwable>>) {
        let Some(forwarded) = self.flight.remove(&correlation) else { return };
        match refused {
            None => {
                self.figures.acknowledged += 1;
                self.acknowledge(&forwarded, MessageAck::INDIVIDUAL);
            }
            Some(why) if is_gone(&forwarded, why) => {
                // Temporary ones go with their connection, while something is on its way to them.
                let what = forwarded.destination.as_deref().map_or_else(String::new, ToString::to_string);
                self.orders.push_back(Order::Say(format!(
                    "a message came too late for {what} and is a dead letter here: {}",
                    words(why)
                )));
                self.acknowledge(&forwarded, MessageAck::POISON);
            }
            Some(why) => {
                let id = forwarded.message_id.as_ref().map_or_else(String::new, ToString::to_string);
                let to = forwarded.destination.as_deref().map_or_else(String::new, ToString::to_string);
                let why = words(why);
                let text = format!("the broker there refuses message {id} to {to}, which stays here: {why}");
                return self.fail(text, false);
            }
        }
        if let Some(over) = self.demand.answered(forwarded.subscription) {
            self.close_here(over);
        }
        self.end_if_idle();
    }

    /// Consumes no longer. Whatever of it was not forwarded waits in its queue again, and was seen by nobody.
    pub(super) fn close_here(&mut self, over: Over) {
        let Over { number, unsubscribe } = over;
        let id: ConsumerId = speech::consumer_id(&self.names[0], number);
        let info = RemoveInfo {
            object_id: Some(RemovedId::Consumer(Arc::new(id))),
            last_delivered_sequence_id: RemoveInfo::LAST_DELIVERED_UNSET,
            ..RemoveInfo::default()
        };
        self.say(Side::Local, info.into());
        self.overlaps.retain(|overlap| overlap.durable != number);
        if let Some(name) = unsubscribe {
            self.unsubscribe_here(name);
        }
    }
}

/// Whether it was for a temporary destination that is no more.
fn is_gone(forwarded: &Forwarded, why: Option<&Throwable>) -> bool {
    let is_temporary = forwarded.destination.as_deref().is_some_and(|to| to.kind.is_temporary());
    let class = why.and_then(|why| why.class_name.as_deref()).unwrap_or_default();
    is_temporary && class.ends_with("DestinationDoesNotExistException")
}
