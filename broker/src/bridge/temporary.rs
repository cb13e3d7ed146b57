//! Temporary destinations across a bridge, so that requests to consumers over there are answered.
//!
//! One over there is made here too, and what is sent to it here crosses back. One here that a message names as where to reply is told of over there before
//! that message, so that whoever gets it can reply; where messages go both ways that is an advisory as any other.

use std::sync::Arc;

use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::connection::DestinationInfo;
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::ids::{BrokerId, ConnectionId, ConsumerId, MessageId};
use kahawai_openwire::message::{Message, MessageAck, MessageKind};

use super::demand::Reason;
use super::machine::{Bridge, NAME_BYTES_MAX, Side};
use super::speech::{self, TEMPORARIES};
use crate::core::address::{Address, destination_topic};
use crate::openwire::translate::{address, destination};

impl Bridge {
    /// One over there comes or goes.
    pub(super) fn temporary_over_there(&mut self, info: &DestinationInfo) {
        let Some(found) = info.destination.as_deref().filter(|found| found.kind.is_temporary()) else {
            return;
        };
        let found = address(found);
        let path = info.broker_path.as_deref().unwrap_or_default();
        match info.operation {
            DestinationInfo::ADD => self.make_temporary(&found, path),
            DestinationInfo::REMOVE => self.unmake_temporary(&found),
            _ => {}
        }
    }

    fn make_temporary(&mut self, found: &Address, path: &[Arc<BrokerId>]) {
        let too_far = self.is_too_far(path);
        let is_known = self.temporaries.is_made(found);
        if !self.connector.permits(found)
            || too_far
            || path.contains(&self.own_id)
            || is_known
            || !self.temporaries.may_make()
            || found.name.len() > NAME_BYTES_MAX
        {
            return;
        }
        let side = self.temporary_side();
        let mut path = path.to_vec();
        path.extend(self.peer.as_ref().map(|peer| Arc::clone(&peer.id)));
        let info = self.about(side, found, DestinationInfo::ADD, path);
        let asked = self.ask(side, info.into());
        self.temporaries.make(found.clone(), asked);
    }

    fn unmake_temporary(&mut self, found: &Address) {
        let Some(subscription) = self.temporaries.unmake(found) else { return };
        if let Some(over) = subscription.and_then(|number| self.demand.close(number, false)) {
            self.close_here(over);
        }
        let side = self.temporary_side();
        let info = self.about(side, found, DestinationInfo::REMOVE, Vec::new());
        // An answer is asked for so that a refusal, where it was another's, ends nothing.
        self.ask(side, info.into());
    }

    /// The connection that makes them: the one that messages come in by, so that none that names one as where to reply overtakes it.
    fn temporary_side(&self) -> Side {
        if self.connector.duplex { Side::Inbound } else { Side::Local }
    }

    fn about(&self, side: Side, found: &Address, operation: u8, path: Vec<Arc<BrokerId>>) -> DestinationInfo {
        DestinationInfo {
            connection_id: Some(Arc::new(ConnectionId::new(self.names[side as usize].clone()))),
            destination: Some(destination(found)),
            operation,
            broker_path: (!path.is_empty()).then(|| path.into()),
            ..DestinationInfo::default()
        }
    }

    /// The broker here has made one, or has it already.
    pub(super) fn temporary_made(&mut self, side: Side, asked: i32) {
        if side != self.temporary_side() {
            return;
        }
        let Some((found, waiting)) = self.temporaries.answered(asked) else { return };
        for info in waiting {
            self.comes(&info);
        }
        // Of its consumer nothing may be heard, where the advisories that are asked for are of other names.
        if !speech::hears_all(&self.connector) {
            self.consume_temporary(&found);
        }
    }

    /// A consumer of one over there comes: whether it has to wait until that one is there.
    pub(super) fn waits_for_temporary(&mut self, wanted: &Address, info: &ConsumerInfo) -> bool {
        if !wanted.kind.is_temporary() {
            return false;
        }
        // Who consumes from it may be heard of before it is.
        self.make_temporary(wanted, info.broker_path.as_deref().unwrap_or_default());
        self.temporaries.waits(wanted, info)
    }

    /// Whether a request from there has to wait: what is replied to a topic goes nowhere until somebody has subscribed to that, and this bridge has not here yet.
    /// (In a queue it waits.)
    pub(super) fn waits_for_replies(&mut self, request: &Message) -> bool {
        let Some(reply_to) = request.reply_to.as_deref() else { return false };
        if reply_to.kind != DestinationKind::TemporaryTopic || !self.connector.conduit_subscriptions {
            return false;
        }
        let found = address(reply_to);
        if !self.temporaries.is_made(&found) {
            return false;
        }
        match self.demand.takes(&found) {
            Some(has_begun) => !has_begun,
            None if self.temporaries.is_asked(&found) => true,
            None => self.consume_temporary(&found),
        }
    }

    /// Consumes from one here, whether its consumer was heard of or not. Once: false where it was refused.
    fn consume_temporary(&mut self, found: &Address) -> bool {
        if self.temporaries.is_consumed(found) {
            return false;
        }
        let number = self.demand.number();
        let info = ConsumerInfo {
            consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], number))),
            ..ConsumerInfo::default()
        };
        let subscription = self.subscribe(found, &info, Reason::Inclusion, None);
        self.temporaries.subscribed(found, subscription);
        true
    }

    /// Whether one here is news over there.
    pub(super) fn temporary_is_news(&mut self, info: &DestinationInfo) -> bool {
        let Some(found) = info.destination.as_deref().filter(|found| found.kind.is_temporary()) else {
            return false;
        };
        let found = address(found);
        let path = info.broker_path.as_deref().unwrap_or_default();
        let was_there = self.peer.as_ref().is_some_and(|peer| path.contains(&peer.id));
        if was_there || self.is_too_far(path) || !self.connector.permits(&found) {
            return false;
        }
        match info.operation {
            DestinationInfo::ADD => self.temporaries.tell(&found),
            _ => self.temporaries.untell(&found),
        }
    }

    /// A message that crosses names where to reply.
    pub(super) fn introduce_temporary(&mut self, reply_to: &Arc<Destination>) {
        if !reply_to.kind.is_temporary() || reply_to.physical_name.len() > NAME_BYTES_MAX {
            return;
        }
        let found = address(reply_to);
        if !self.connector.permits(&found) || !self.temporaries.tell(&found) {
            return;
        }
        let info = self.about(Side::Remote, &found, DestinationInfo::ADD, vec![Arc::clone(&self.own_id)]);
        if self.connector.duplex {
            // Its own advisory waits behind others.
            let info = DestinationInfo { broker_path: None, connection_id: None, ..info };
            let message_id = MessageId {
                producer_id: Some(Arc::clone(&self.producer)),
                producer_sequence_id: self.demand.number(),
                ..MessageId::default()
            };
            let advisory = Message {
                kind: MessageKind::Plain,
                message_type: Some("Advisory".into()),
                data_structure: Some(DataStructure::Command(info.into())),
                destination: Some(Arc::new(Destination::topic(destination_topic(&found)))),
                message_id: Some(message_id),
                ..Message::default()
            };
            let to = advisory.destination.clone();
            self.say(Side::Remote, self.crossing(advisory, to).into());
            return;
        }
        self.ask(Side::Remote, info.into());
        self.listen_for_temporaries();
    }

    /// Hears from the broker here that they go.
    fn listen_for_temporaries(&mut self) {
        if self.temporaries.listens() {
            return;
        }
        let number = self.demand.number();
        let info = ConsumerInfo {
            consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], number))),
            destination: Some(Arc::new(Destination::topic(TEMPORARIES))),
            prefetch_size: i32::try_from(self.connector.advisories_ahead()).unwrap_or(i32::MAX),
            dispatch_async: true,
            ..ConsumerInfo::default()
        };
        self.temporaries.listen(number);
        self.say(Side::Local, info.into());
    }

    /// One here comes or goes.
    pub(super) fn temporary_here(&mut self, advisory: &Message, consumer: Arc<ConsumerId>) {
        let ack = MessageAck {
            destination: advisory.destination.clone(),
            consumer_id: Some(consumer),
            ack_type: MessageAck::STANDARD,
            last_message_id: advisory.message_id.clone(),
            message_count: 1,
            ..MessageAck::default()
        };
        self.say(Side::Local, ack.into());
        let Some(Command::DestinationInfo(info)) = super::hear::told(advisory) else { return };
        let Some(found) = info.destination.as_deref().map(address) else { return };
        if info.operation == DestinationInfo::REMOVE && self.temporaries.untell(&found) {
            let info = self.about(Side::Remote, &found, DestinationInfo::REMOVE, Vec::new());
            self.ask(Side::Remote, info.into());
        }
    }
}
