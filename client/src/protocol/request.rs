//! What an answer is about.

use std::sync::Arc;

use kahawai_openwire::destination::Destination;
use kahawai_openwire::message::Message;

use crate::protocol::consumer::Settling;
use crate::protocol::event::{ConsumerKey, ProducerKey, SessionKey};

/// What an answer is about.
#[derive(Debug)]
pub(crate) enum Request {
    /// Nothing lasts of it if it fails.
    Setup,
    /// A session, forgotten if the broker refuses it.
    OpenSession(SessionKey),
    /// A producer, forgotten if the broker refuses it.
    OpenProducer(ProducerKey),
    /// A consumer, forgotten if the broker refuses it.
    OpenConsumer(ConsumerKey),
    /// A temporary destination, forgotten if the broker refuses it.
    CreateTemporary(Arc<Destination>),
    /// Who we are, of a connection that recovers.
    Present,
    /// A message that is sent again to the next broker.
    Send(Arc<Message>),
    /// It may have happened although no answer comes.
    Lasting,
    /// A commit: what it acknowledged comes again if it fails.
    Commit(Vec<(ConsumerKey, Settling)>),
}
