//! What the state machine is asked and what it answers, by names that no wire format knows.

use std::sync::Arc;

use kahawai_openwire::message::Message;

use crate::error::{BrokerError, Error};
use crate::failover::Told;

/// A request that the broker will answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(pub(super) i32);

/// A session of this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(super) i64);

/// A consumer of this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConsumerKey {
    pub(super) session: SessionKey,
    pub(super) value: i64,
}

/// A producer of this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProducerKey {
    pub(super) session: SessionKey,
    pub(super) value: i64,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The wire format is agreed on: the connection can be opened.
    Negotiated,
    /// A request was answered.
    Answered {
        /// The request.
        request: RequestId,
        /// Whether it was carried out.
        outcome: Result<(), Error>,
    },
    /// A broker has accepted the connection, and knows all that it must. (Of a connection that recovers.)
    Restored,
    /// A broker refuses the connection. (Of a connection that recovers.)
    Refused {
        /// Why.
        error: BrokerError,
        /// It was the first broker: there is no connection to recover.
        is_final: bool,
    },
    /// The broker says something about its cluster. (Of a connection that recovers.)
    Told(Told),
    /// A consumer that had nothing has something now: a message, or its end.
    Deliverable(ConsumerKey),
}

/// What a consumer that is asked for its next message has.
#[derive(Debug)]
pub(crate) enum Next {
    /// A message.
    Message(Handed),
    /// Nothing now: an [`Event::Deliverable`] will come.
    Nothing,
    /// The broker closed the consumer: nothing will come.
    Ended,
    /// A browser has seen all there was.
    Finished,
}

/// A message, handed out to the application.
#[derive(Debug, Clone)]
pub(crate) struct Handed {
    /// The message.
    pub(crate) message: Arc<Message>,
    /// How often it was delivered before.
    pub(crate) redeliveries: u32,
    /// Its place in the order in which the consumer's messages came; names it in acknowledgements.
    pub(crate) arrival: u64,
}

/// Which messages an acknowledgement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// This one.
    One,
    /// This one and all that came before it and were handed out.
    UpToHere,
}
