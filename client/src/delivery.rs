//! Messages received.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kahawai_openwire::body::{self, Body};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::message::Message as WireMessage;
use kahawai_openwire::primitive::{PrimitiveMap, Value};
use kahawai_openwire::text::Text;

use crate::error::{Error, Result};
use crate::handle::SessionHandle;
use crate::protocol::{ConsumerKey, Extent, Handed};
use crate::shell::confirm::Confirm;

/// A message that a consumer was given, with the means to acknowledge it.
///
/// One that needs to be acknowledged and is dropped without stays with its consumer; when that is closed the broker
/// delivers it again. Body and properties share memory with the buffer they were received in (64 KiB, or the
/// message's size if that is more): keep copies of what is to be kept for long.
#[derive(Debug, Clone)]
#[must_use = "a delivery that is not acknowledged comes again (unless its consumer acknowledges by itself)"]
pub struct Delivery {
    handed: Handed,
    /// None where there is nothing to acknowledge: the consumer did it.
    origin: Option<(Arc<SessionHandle>, ConsumerKey)>,
}

impl Delivery {
    pub(crate) fn new(handed: Handed, origin: Option<(Arc<SessionHandle>, ConsumerKey)>) -> Self {
        Self { handed, origin }
    }

    /// Acknowledges this message alone; when this returns the broker has stored that. In a transacted session, for
    /// an automatically acknowledging consumer and for what was acknowledged before it does nothing.
    ///
    /// # Errors
    /// [`Error::Closed`] where the consumer was closed; [`Error::OutcomeUnknown`], [`Error::Lost`],
    /// [`Error::Broker`].
    pub async fn acknowledge(&self) -> Result<()> {
        self.start_acknowledge()?.await
    }

    /// As [`Self::acknowledge`] without waiting: the answer is a future of its own, which may be dropped.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Lost`].
    pub fn start_acknowledge(&self) -> Result<Confirm> {
        self.acknowledge_extent(Extent::One)
    }

    /// Acknowledges this message and all that its consumer handed out before it.
    ///
    /// # Errors
    /// As [`Self::acknowledge`].
    pub async fn acknowledge_up_to_here(&self) -> Result<()> {
        self.acknowledge_extent(Extent::UpToHere)?.await
    }

    /// Gives the message up: the broker puts it into the dead-letter queue, with the cause in words. Works where
    /// [`Self::acknowledge`] does, and at once in a transacted session.
    ///
    /// # Errors
    /// As [`Self::acknowledge`].
    pub async fn reject(&self, cause: &str) -> Result<()> {
        let Some((session, key)) = &self.origin else {
            return Err(Error::Usage("an automatically acknowledged message cannot be rejected"));
        };
        let arrival = self.handed.arrival;
        session.shared().request(|protocol, now| protocol.reject(now, *key, arrival, cause))?.await
    }

    fn acknowledge_extent(&self, extent: Extent) -> Result<Confirm> {
        let Some((session, key)) = &self.origin else { return Ok(Confirm::nothing_to_wait_for()) };
        let arrival = self.handed.arrival;
        session.shared().request(|protocol, now| protocol.acknowledge(now, *key, arrival, extent))
    }

    /// The message as it came over the wire.
    pub fn wire(&self) -> &Arc<WireMessage> {
        &self.handed.message
    }

    /// The body, by the kind of the message.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn body(&self) -> Result<Body> {
        Body::of(self.wire()).map_err(Error::Malformed)
    }

    /// The body of a text message; of an empty message the empty text.
    ///
    /// # Errors
    /// [`Error::UnexpectedBody`], [`Error::Malformed`].
    pub fn text(&self) -> Result<Text> {
        match self.body()? {
            Body::Text(text) => Ok(text),
            Body::Empty => Ok(Text::default()),
            other => Err(unexpected(&other, "text")),
        }
    }

    /// The body of a bytes message; of an empty message no bytes.
    ///
    /// # Errors
    /// [`Error::UnexpectedBody`], [`Error::Malformed`].
    pub fn bytes(&self) -> Result<Bytes> {
        match self.body()? {
            Body::Bytes(bytes) => Ok(bytes),
            Body::Empty => Ok(Bytes::new()),
            other => Err(unexpected(&other, "bytes")),
        }
    }

    /// The body of a map message; of an empty message an empty map.
    ///
    /// # Errors
    /// [`Error::UnexpectedBody`], [`Error::Malformed`].
    pub fn map(&self) -> Result<PrimitiveMap> {
        match self.body()? {
            Body::Map(map) => Ok(map),
            Body::Empty => Ok(PrimitiveMap::new()),
            other => Err(unexpected(&other, "a map")),
        }
    }

    /// The body of a stream message; of an empty message no values.
    ///
    /// # Errors
    /// [`Error::UnexpectedBody`], [`Error::Malformed`].
    pub fn stream(&self) -> Result<Vec<Value>> {
        match self.body()? {
            Body::Stream(values) => Ok(values),
            Body::Empty => Ok(Vec::new()),
            other => Err(unexpected(&other, "a stream")),
        }
    }

    /// The body of a message that holds a Java object, as Java serialised it: bytes that nothing here reads.
    ///
    /// # Errors
    /// [`Error::UnexpectedBody`], [`Error::Malformed`].
    pub fn object(&self) -> Result<Bytes> {
        match self.body()? {
            Body::Object(bytes) => Ok(bytes),
            other => Err(unexpected(&other, "a Java object")),
        }
    }

    /// The properties.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn properties(&self) -> Result<PrimitiveMap> {
        body::properties(self.wire()).map_err(Error::Malformed)
    }

    /// One property. All are read for it: use [`Self::properties`] for several.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn property(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.properties()?.get(name).cloned())
    }

    /// `JMSMessageID`, such as `ID:…:1:1:1`.
    pub fn message_id(&self) -> Option<String> {
        self.wire().message_id.as_ref().map(ToString::to_string)
    }

    /// `JMSDestination`: where it was sent to.
    pub fn destination(&self) -> Option<&Destination> {
        self.wire().destination.as_deref()
    }

    /// `JMSReplyTo`: where an answer is to go.
    pub fn reply_to(&self) -> Option<&Destination> {
        self.wire().reply_to.as_deref()
    }

    /// `JMSCorrelationID`.
    pub fn correlation_id(&self) -> Option<&str> {
        self.wire().correlation_id.as_deref()
    }

    /// `JMSType`.
    pub fn message_type(&self) -> Option<&str> {
        self.wire().message_type.as_deref()
    }

    /// `JMSXGroupID`.
    pub fn group(&self) -> Option<&str> {
        self.wire().group_id.as_deref()
    }

    /// `JMSXGroupSeq`.
    pub fn group_sequence(&self) -> i32 {
        self.wire().group_sequence
    }

    /// `JMSXUserID`, where the broker adds it.
    pub fn user_id(&self) -> Option<&str> {
        self.wire().user_id.as_deref()
    }

    /// Whether it survives a restart of the broker.
    pub fn is_persistent(&self) -> bool {
        self.wire().persistent
    }

    /// Priority, 0 to 9.
    pub fn priority(&self) -> u8 {
        self.wire().priority
    }

    /// When it was sent; none where the sender does not say.
    pub fn timestamp(&self) -> Option<SystemTime> {
        time(self.wire().timestamp)
    }

    /// When it expires; none is never.
    pub fn expiration(&self) -> Option<SystemTime> {
        time(self.wire().expiration)
    }

    /// How often it was delivered before (`JMSXDeliveryCount` less one).
    pub fn redeliveries(&self) -> u32 {
        self.handed.redeliveries
    }

    /// Whether it may have been delivered before (`JMSRedelivered`).
    pub fn is_redelivered(&self) -> bool {
        self.redeliveries() > 0
    }
}

fn time(milliseconds: i64) -> Option<SystemTime> {
    let milliseconds = u64::try_from(milliseconds).ok().filter(|milliseconds| *milliseconds > 0)?;
    UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}

fn unexpected(found: &Body, expected: &'static str) -> Error {
    let found = match found {
        Body::Empty => "empty",
        Body::Text(_) => "text",
        Body::Bytes(_) => "bytes",
        Body::Map(_) => "a map",
        Body::Stream(_) => "a stream",
        Body::Object(_) => "a Java object",
        Body::Compressed(_) => "compressed",
    };
    Error::UnexpectedBody { found, expected }
}
