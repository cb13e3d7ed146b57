//! The writing half of a connection: from the core's events to bytes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;
use kahawai_openwire::command::Command;
use kahawai_openwire::consumer::ConsumerControl;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::error::EncodeError;
use kahawai_openwire::ids::{ConsumerId, ProducerId};
use kahawai_openwire::message::MessageDispatch;
use kahawai_openwire::producer::ProducerAck;
use kahawai_openwire::response::Response;
use kahawai_openwire::wire_format::{Encoder, WireFormat};

use super::advisory::{self, Origin};
use super::failure;
use super::message::{Restorer, redelivered};
use super::translate::{destination, numbered};
use crate::core::address::Address;
use crate::core::effects::{Delivery, Event, Payload};
use crate::core::keys::ConsumerKey;

/// Something to be written, in order.
#[derive(Debug)]
pub enum Outgoing {
    /// A command of the session's own.
    Command(Command),
    /// What the core tells.
    Event(Event),
    /// A consumer is about to begin: this is its name.
    Consumer(ConsumerKey, Arc<ConsumerId>),
    /// From here on the negotiated encoding is used.
    Encoder(Box<Encoder>),
}

impl Outgoing {
    /// How many bytes of the core's deliveries this is, by the core's reckoning.
    pub fn delivered_bytes(&self) -> usize {
        match self {
            Self::Event(Event::Deliver(delivery)) => delivery.payload.size(),
            _ => 0,
        }
    }
}

/// Turns what is outgoing into bytes, for one connection.
#[derive(Debug)]
pub struct OutgoingEncoder {
    encoder: Box<Encoder>,
    origin: Arc<Origin>,
    consumers: HashMap<ConsumerKey, Arc<ConsumerId>>,
    restorer: Restorer,
    /// The last destination: messages mostly come in runs.
    destination: Option<(Arc<Address>, Arc<Destination>)>,
}

impl OutgoingEncoder {
    /// One that begins with this encoding.
    pub fn new(encoder: Encoder, origin: Arc<Origin>) -> Self {
        Self {
            encoder: Box::new(encoder),
            origin,
            consumers: HashMap::new(),
            restorer: Restorer::default(),
            destination: None,
        }
    }

    /// The encoding as it is now, for whoever goes on with the connection. This one is not to be used any more.
    pub fn take_encoder(&mut self) -> Encoder {
        let (_, unused) = WireFormat::initial().split();
        std::mem::replace(&mut *self.encoder, unused)
    }

    /// Appends the bytes of one thing; `now` is the time in milliseconds since 1970.
    ///
    /// # Errors
    /// Where it cannot be said in this encoding; nothing was appended then.
    pub fn write(&mut self, outgoing: Outgoing, now: i64, out: &mut BytesMut) -> Result<(), EncodeError> {
        match outgoing {
            Outgoing::Command(command) => self.encoder.encode(&command, out),
            Outgoing::Consumer(key, id) => {
                self.consumers.insert(key, id);
                Ok(())
            }
            Outgoing::Encoder(encoder) => {
                self.encoder = encoder;
                Ok(())
            }
            Outgoing::Event(event) => self.write_event(event, now, out),
        }
    }

    fn write_event(&mut self, event: Event, now: i64, out: &mut BytesMut) -> Result<(), EncodeError> {
        match event {
            Event::Answer { request, result: Ok(()) } => {
                let response = Response { correlation_id: request.0, ..Response::default() };
                self.encoder.encode(&response.into(), out)
            }
            Event::Answer { request, result: Err(failure) } => {
                self.encoder.encode(&failure::response(request, &failure).into(), out)
            }
            Event::Trouble(failure) => self.encoder.encode(&failure::connection_error(&failure).into(), out),
            Event::ProducerTaken { producer, bytes } => {
                let Some((connection, [session_id, value])) = numbered::<2>(&producer) else { return Ok(()) };
                let id = ProducerId { connection_id: connection.into(), value, session_id };
                let size = i32::try_from(bytes).unwrap_or(i32::MAX);
                let ack = ProducerAck { producer_id: Some(Arc::new(id)), size, ..ProducerAck::default() };
                self.encoder.encode(&ack.into(), out)
            }
            Event::Prefetch { consumer, prefetch } => {
                // One that closed in the meantime wants nothing any more.
                let Some(id) = self.consumers.get(&consumer).cloned() else { return Ok(()) };
                let prefetch = i32::try_from(prefetch).unwrap_or(i32::MAX);
                let control =
                    ConsumerControl { consumer_id: Some(id), prefetch, ..ConsumerControl::default() };
                self.encoder.encode(&control.into(), out)
            }
            Event::ConsumerGone(key) => {
                self.consumers.remove(&key);
                Ok(())
            }
            // For the connection's task.
            Event::Close { .. } | Event::Cut { .. } | Event::Resume => Ok(()),
            Event::Deliver(delivery) => self.write_delivery(&delivery, now, out),
        }
    }

    fn write_delivery(
        &mut self,
        delivery: &Delivery,
        now: i64,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        // A consumer that closed in the meantime wants nothing any more.
        let Some(consumer_id) = self.consumers.get(&delivery.consumer).cloned() else { return Ok(()) };
        let destination = self.destination(&delivery.destination);
        let sequence = delivery.id.0 as i64;
        let message = match &delivery.payload {
            Payload::Message(message) => {
                Some(self.restorer.restore(message, sequence, delivery.redeliveries))
            }
            Payload::Advisory(advisory) => Some(advisory::message(advisory, &self.origin, sequence)),
            Payload::Nothing => None,
        };
        let message = message.map(|mut message| {
            message.destination = Some(Arc::clone(&destination));
            message.broker_out_time = now;
            Arc::new(message)
        });
        let redelivery_counter = match &delivery.payload {
            Payload::Message(message) => redelivered(message, delivery.redeliveries),
            Payload::Advisory(_) | Payload::Nothing => 0,
        };
        let dispatch = MessageDispatch {
            consumer_id: Some(consumer_id),
            destination: Some(destination),
            message,
            redelivery_counter,
            ..MessageDispatch::default()
        };
        self.encoder.encode_dispatch(&dispatch, out)
    }

    fn destination(&mut self, address: &Arc<Address>) -> Arc<Destination> {
        if let Some((known, destination)) = &self.destination
            && Arc::ptr_eq(known, address)
        {
            return Arc::clone(destination);
        }
        let made = destination(address);
        self.destination = Some((Arc::clone(address), Arc::clone(&made)));
        made
    }
}
