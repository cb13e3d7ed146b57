//! The other way of a duplex bridge: what the broker there sends is sent here, and what it asks of advisories is told to it.
//!
//! Both ends say the same over the one line, and number what they say by themselves; whoever asked knows the answer by its own number. Advisories
//! come and go as messages.

use std::sync::Arc;

use kahawai_openwire::command::Command;
use kahawai_openwire::consumer::ConsumerInfo;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::RemovedId;
use kahawai_openwire::message::{Message, MessageAck, MessageDispatch};
use kahawai_openwire::response::{ExceptionResponse, Response};
use kahawai_openwire::throwable::Throwable;

use super::demand::Over;
use super::machine::{Bridge, Listener, NAME_BYTES_MAX, Order, Side, Stage};
use super::speech;
use crate::openwire::translate::address;

/// How many consumers of advisories the broker there may have; it needs one.
const LISTENERS_MAX: usize = 16;

impl Bridge {
    /// Something that the broker there says as one that has a bridge too.
    pub(super) fn received_by_duplex(&mut self, command: Command) {
        if self.responds && matches!(self.stage, Stage::OpeningHere(_) | Stage::OpeningInbound(_)) {
            return self.inbound.early.push(command);
        }
        let (asked, wants_answer) = (command.command_id(), command.response_required());
        match command {
            Command::ConnectionInfo(_) => self.joins(),
            Command::Message(message) => return self.takes_in(Arc::unwrap_or_clone(message)),
            Command::ConsumerInfo(info) if self.inbound.has_joined => self.listens(&info),
            Command::RemoveInfo(info) => {
                if let Some(RemovedId::Consumer(id)) = &info.object_id {
                    let listeners = &self.inbound.listeners;
                    let found = listeners.iter().find(|(_, listener)| listener.remote == *id);
                    if let Some(number) = found.map(|(number, _)| *number) {
                        self.inbound.listeners.remove(&number);
                        self.close_here(Over { number, unsubscribe: None });
                    }
                }
            }
            // What it acknowledges of advisories was acknowledged here when it was sent.
            _ => {}
        }
        if wants_answer {
            self.answer(asked, Ok(()));
        }
    }

    /// The broker there opens a connection: it lets messages go both ways.
    fn joins(&mut self) {
        if std::mem::replace(&mut self.inbound.has_joined, true) {
            return;
        }
        if self.responds {
            self.open_there();
        }
        if self.stage == Stage::Joining {
            self.begin();
        }
    }

    /// It wants to hear of who consumes here.
    fn listens(&mut self, info: &ConsumerInfo) {
        let (Some(id), Some(wanted)) = (&info.consumer_id, &info.destination) else { return };
        let are_advisories = address(wanted).parts().iter().all(crate::core::address::Address::is_advisory);
        let is_bounded =
            wanted.physical_name.len() <= NAME_BYTES_MAX && id.connection_id.len() <= NAME_BYTES_MAX;
        let is_known = self.inbound.listeners.values().any(|listener| listener.remote == *id);
        if is_known || self.stage == Stage::Stopping {
            return;
        }
        if !are_advisories || !is_bounded || self.inbound.listeners.len() >= LISTENERS_MAX {
            if std::mem::replace(&mut self.inbound.is_refusal_said, true) {
                return;
            }
            let name = &wanted.physical_name[..wanted.physical_name.floor_char_boundary(256)];
            return self.orders.push_back(Order::Say(format!(
                "the broker there consumes from {} over the bridge, by which it is told of consumers and of nothing else: it gets nothing of it",
                name.escape_debug()
            )));
        }
        let number = self.demand.number();
        let subscription = ConsumerInfo {
            consumer_id: Some(Arc::new(speech::consumer_id(&self.names[0], number))),
            destination: Some(Arc::clone(wanted)),
            prefetch_size: i32::try_from(self.connector.advisories_ahead()).unwrap_or(i32::MAX),
            dispatch_async: true,
            ..ConsumerInfo::default()
        };
        self.inbound.listeners.insert(number, Listener { remote: Arc::clone(id), sent: 0 });
        self.say(Side::Local, subscription.into());
    }

    /// An advisory for a listener of theirs.
    pub(super) fn tell(&mut self, number: i64, dispatch: MessageDispatch) {
        let Some(message) = dispatch.message else { return };
        let Some(listener) = self.inbound.listeners.get_mut(&number) else { return };
        listener.sent += 1;
        let ahead = self.connector.advisories_ahead().max(1);
        if listener.sent.saturating_mul(2) >= ahead {
            let ack = MessageAck {
                destination: message.destination.clone(),
                consumer_id: dispatch.consumer_id,
                ack_type: MessageAck::STANDARD,
                last_message_id: message.message_id.clone(),
                message_count: i32::try_from(std::mem::take(&mut listener.sent)).unwrap_or(i32::MAX),
                ..MessageAck::default()
            };
            self.say(Side::Local, ack.into());
        }
        if !self.is_news_there(&message) {
            return;
        }
        let to = dispatch.destination.or_else(|| message.destination.clone());
        self.say(Side::Remote, self.crossing(Arc::unwrap_or_clone(message), to).into());
    }

    /// Whether an advisory means something to the broker there.
    fn is_news_there(&mut self, message: &Message) -> bool {
        let Some(told) = super::hear::told(message) else { return false };
        let info = match told {
            Command::ConsumerInfo(info) => info,
            Command::DestinationInfo(info) => return self.temporary_is_news(info),
            Command::RemoveInfo(info) => {
                if let Some(RemovedId::Consumer(id)) = &info.object_id {
                    self.inbound.told.remove(&**id);
                }
                return true;
            }
            _ => return true,
        };
        let path = info.broker_path.as_deref().unwrap_or_default();
        let was_there = self.peer.as_ref().is_some_and(|peer| path.contains(&peer.id));
        let too_far = usize::try_from(self.connector.consumer_ttl).is_ok_and(|ttl| path.len() >= ttl);
        // It knows of no exclusions: nothing of these must come from there.
        let is_excluded = info.destination.as_deref().is_some_and(|wanted| {
            address(wanted).parts().iter().any(|part| {
                let excluded = &self.connector.excluded_destinations;
                let touches = |one| match part.kind.is_queue() {
                    true => super::pattern::overlap(one, part),
                    false => super::pattern::contains(one, part),
                };
                excluded.iter().any(touches)
            })
        });
        let is_news = !was_there && !too_far && !is_excluded;
        let Some(id) = info.consumer_id.as_deref().filter(|_| info.network_subscription) else {
            return is_news;
        };
        // One that was told of by another way, which is no more, is told of again, so that it is taken back there.
        match is_news {
            true => {
                self.inbound.told.insert(id.clone());
                true
            }
            false => self.inbound.told.remove(id),
        }
    }

    /// A message from there.
    fn takes_in(&mut self, mut message: Message) {
        // Nothing is taken of whom nobody let in, and nothing is consumed for it.
        if !self.inbound.has_joined {
            return;
        }
        if super::hear::told(&message).is_some() && message.destination.as_deref().is_some_and(is_advisory) {
            return self.hear_message(message);
        }
        // Whoever stops takes no more; what is not answered stays there.
        if self.stage == Stage::Stopping {
            return;
        }
        let excluded = &self.connector.excluded_destinations;
        let is_excluded = |to: &Destination| {
            let to = address(to);
            !to.kind.is_queue() && excluded.iter().any(|one| super::pattern::contains(one, &to))
        };
        if !excluded.is_empty() && message.destination.as_deref().is_some_and(is_excluded) {
            // Its pattern was consumed here; this of it is not wanted.
            if message.response_required {
                self.answer(message.command_id, Ok(()));
            }
            return;
        }
        message.producer_id = Some(Arc::clone(&self.inbound.producer));
        message.transaction_id = None;
        self.inbound.held.push_back(message);
        self.let_in();
    }

    /// Sends on here what came from there, in order, as far as nothing has to be waited for.
    pub(super) fn let_in(&mut self) {
        while self.stage != Stage::Stopping
            && let Some(message) = self.inbound.held.pop_front()
        {
            if self.waits_for_replies(&message) {
                return self.inbound.held.push_front(message);
            }
            if message.response_required {
                let asked = message.command_id;
                let here = self.ask(Side::Inbound, message.into());
                self.inbound.asked.insert(here, asked);
            } else {
                self.say(Side::Inbound, message.into());
            }
        }
    }

    /// The broker here has taken a message from there, or refused it.
    pub(super) fn taken(&mut self, here: i32, result: Result<(), Option<Box<Throwable>>>) {
        let Some(asked) = self.inbound.asked.remove(&here) else {
            return self.temporary_made(Side::Inbound, here);
        };
        self.answer(asked, result);
        self.end_if_idle();
    }

    fn answer(&mut self, asked: i32, result: Result<(), Option<Box<Throwable>>>) {
        let answer: Command = match result {
            Ok(()) => Response { correlation_id: asked, ..Response::default() }.into(),
            Err(exception) => {
                ExceptionResponse { correlation_id: asked, exception, ..ExceptionResponse::default() }.into()
            }
        };
        self.say(Side::Remote, answer);
    }
}

fn is_advisory(destination: &Destination) -> bool {
    address(destination).is_advisory()
}
