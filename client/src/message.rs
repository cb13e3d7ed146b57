//! Messages to send.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kahawai_openwire::body::{self, Body};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::message::{Message as WireMessage, MessageKind};
use kahawai_openwire::primitive::{PrimitiveMap, Value};
use kahawai_openwire::text::Text;

use crate::error::{Error, Result};

/// JMS's default priority.
const PRIORITY_DEFAULT: u8 = 4;

/// Highest priority in JMS.
const PRIORITY_MAX: u8 = 9;

/// Bytes of a property's name at most: well below what its 16-bit length can say in Java's encoding.
const PROPERTY_NAME_BYTES_MAX: usize = 16 * 1024;

/// A message to send: a body, JMS headers and properties. Cloning copies no body.
///
/// ```
/// use std::time::Duration;
/// use kahawai_client::{Destination, Message};
///
/// let message = Message::text("one espresso")
///     .property("table", 7)
///     .reply_to(Destination::queue("READY"))
///     .priority(9)
///     .time_to_live(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct Message {
    wire: WireMessage,
    properties: PrimitiveMap,
    time_to_live: Option<Duration>,
}

impl Message {
    fn new(kind: MessageKind, body: &Body) -> Self {
        Self::from_wire(WireMessage {
            kind,
            persistent: true,
            priority: PRIORITY_DEFAULT,
            content: body.to_content(),
            ..WireMessage::default()
        })
    }

    /// A message without a body.
    pub fn empty() -> Self {
        Self::new(MessageKind::Plain, &Body::Empty)
    }

    /// A text message.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::new(MessageKind::Text, &Body::Text(text.into()))
    }

    /// A bytes message; the bytes are not copied.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(MessageKind::Bytes, &Body::Bytes(bytes.into()))
    }

    /// A map message.
    pub fn map(map: PrimitiveMap) -> Self {
        Self::new(MessageKind::Map, &Body::Map(map))
    }

    /// A stream message.
    pub fn stream(values: impl IntoIterator<Item = Value>) -> Self {
        Self::new(MessageKind::Stream, &Body::Stream(values.into_iter().collect()))
    }

    /// A message that holds a Java object, as Java serialised it: the bytes go as they are.
    pub fn object(serialised: impl Into<Bytes>) -> Self {
        Self::new(MessageKind::Object, &Body::Object(serialised.into()))
    }

    /// A message as it is on the wire: body and properties stay as they are, byte for byte. Names, destination,
    /// transaction and (unless it is set) the time are filled in when it is sent.
    pub fn from_wire(wire: WireMessage) -> Self {
        Self { wire, properties: PrimitiveMap::new(), time_to_live: None }
    }

    /// Gives a property a value: a boolean, a number or a text, by JMS. Its name has at most 16 KiB.
    #[must_use]
    pub fn property(mut self, name: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.properties.put(name, value);
        self
    }

    /// Whether the message survives a restart of the broker; it does unless this says otherwise. One that does not
    /// is sent without waiting for an answer.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.wire.persistent = persistent;
        self
    }

    /// Priority, 0 to 9 (4).
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.wire.priority = priority.min(PRIORITY_MAX);
        self
    }

    /// How long the message is of use; for ever unless this is set. To the millisecond.
    #[must_use]
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// `JMSReplyTo`: where an answer is to go.
    #[must_use]
    pub fn reply_to(mut self, destination: impl Into<Destination>) -> Self {
        self.wire.reply_to = Some(Arc::new(destination.into()));
        self
    }

    /// `JMSCorrelationID`: which message this one is about.
    #[must_use]
    pub fn correlation_id(mut self, correlation_id: impl Into<Text>) -> Self {
        self.wire.correlation_id = Some(correlation_id.into());
        self
    }

    /// `JMSType`.
    #[must_use]
    pub fn message_type(mut self, message_type: impl Into<Text>) -> Self {
        self.wire.message_type = Some(message_type.into());
        self
    }

    /// `JMSXGroupID`: messages of a group go to one consumer, in order.
    #[must_use]
    pub fn group(mut self, group: impl Into<Text>) -> Self {
        self.wire.group_id = Some(group.into());
        self
    }

    /// `JMSXGroupSeq`: place in the group; -1 ends the group.
    #[must_use]
    pub fn group_sequence(mut self, sequence: i32) -> Self {
        self.wire.group_sequence = sequence;
        self
    }

    /// The message as it goes to the wire at `now`, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Usage`] where a property's name is too long.
    pub(crate) fn into_wire(self, destination: Arc<Destination>, now: i64) -> Result<WireMessage> {
        let Self { mut wire, properties, time_to_live } = self;
        if !properties.is_empty() {
            if properties.iter().any(|(name, _)| name.len() > PROPERTY_NAME_BYTES_MAX) {
                return Err(Error::Usage("a property's name is longer than 16 KiB"));
            }
            wire.marshalled_properties = Some(body::encode_properties(&properties));
        }
        wire.destination = Some(destination);
        if wire.timestamp == 0 {
            wire.timestamp = now;
        }
        if let Some(time_to_live) = time_to_live {
            let milliseconds = i64::try_from(time_to_live.as_millis()).unwrap_or(i64::MAX);
            wire.expiration = now.saturating_add(milliseconds.max(1));
        }
        Ok(wire)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
