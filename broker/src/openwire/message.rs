//! Messages: between OpenWire's form and the stored form.
//!
//! What OpenWire alone knows of a message is kept in the header's extra fields:
//!
//! | tag | field | value |
//! |---|---|---|
//! | 64 | producer id, where the message id does not begin with it | `connection:session:producer` |
//! | 65 | the message id's producer and sequence, where the id is a text of another system's | `connection:session:producer:sequence` |
//! | 66 | when the first broker took it (`JMSActiveMQBrokerInTime`) | i64, big-endian |
//! | 67 | blob: URL, MIME type, whether the broker deletes it | texts with a zero byte behind each, then a byte |
//! | 68 | droppable | nothing |
//! | 69 | the local transaction that it was sent in (`JMSXProducerTXID`) | `connection:number` |
//! | 70 | the brokers it has passed (`JMSActiveMQBrokerPath`) | for each its id, with the id's length (4, big-endian) before it |

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId};
use kahawai_openwire::message::{BlobReference, Message, MessageKind};
use kahawai_openwire::primitive::{self, Value};
use kahawai_openwire::text::Text;
use kahawai_openwire::transaction::{LocalTransactionId, TransactionId};
use kahawai_store::codec::seal;
use kahawai_store::message::{BodyKind, Encoding, Header, Message as Stored};

use super::translate::{numbered, qualified_destination, string, text};
use crate::core::settings::Property;

const PRODUCER: u32 = 64;
const STRUCTURED_ID: u32 = 65;
const BROKER_IN_TIME: u32 = 66;
const BLOB: u32 = 67;
const DROPPABLE: u32 = 68;
const TRANSACTION: u32 = 69;
const BROKER_PATH: u32 = 70;

/// The brokers that a message has passed.
type BrokerPath = Arc<[Arc<BrokerId>]>;

/// Payloads up to this size are copied out of the buffer they were read into, so that a small message does not keep a
/// large buffer alive, uncounted.
const COPY_BYTES_MAX: usize = 8 << 10;

/// A message that a client sends, as it is stored.
pub fn to_stored(message: &Message, now: i64) -> Stored {
    let id = message.message_id.as_ref();
    let mut extras = Vec::with_capacity(1);
    let same_producer = id.is_some_and(|id| id.text_view.is_none() && id.producer_id == message.producer_id);
    if let Some(producer) = message.producer_id.as_ref().filter(|_| !same_producer) {
        extras.push((PRODUCER, Bytes::from(producer.to_string())));
    }
    if let Some(id) = id.filter(|id| id.text_view.is_some()) {
        let structured = MessageId { text_view: None, ..id.clone() };
        extras.push((STRUCTURED_ID, Bytes::from(structured.to_string())));
    }
    let parts = Parts::of(message, now);
    extras.push((BROKER_IN_TIME, parts.broker_in_time));
    if let Some(blob) = &message.blob {
        extras.push((BLOB, blob_bytes(blob)));
    }
    if message.droppable {
        extras.push((DROPPABLE, Bytes::new()));
    }
    // The transaction of this very send; a message that another broker forwards names the one that it was sent in there.
    let transaction = message.transaction_id.as_deref().or(message.original_transaction_id.as_deref());
    if let Some(TransactionId::Local(id)) = transaction {
        let connection = id.connection_id.as_ref().map_or("", |id| id.value.as_str());
        extras.push((TRANSACTION, Bytes::from(format!("{connection}:{}", id.value))));
    }
    if let Some(path) = message.broker_path.as_deref().filter(|path| !path.is_empty()) {
        extras.push((BROKER_PATH, path_bytes(path)));
    }
    let optional = |text: &Option<Text>| text.as_ref().map(string);
    let stored = Stored {
        header: Header {
            message_id: parts.id,
            timestamp: message.timestamp,
            expiration: message.expiration,
            priority: message.priority.min(9),
            persistent: message.persistent,
            body_kind: body_kind(message.kind),
            encoding: Encoding::OpenWire,
            compressed: message.compressed,
            redeliveries: before(message),
            correlation_id: optional(&message.correlation_id),
            reply_to: message.reply_to.as_ref().map(|reply_to| reply_to.to_string().into()),
            message_type: optional(&message.message_type),
            user_id: optional(&message.user_id),
            group_id: optional(&message.group_id),
            group_sequence: message.group_sequence,
            original_destination: message.original_destination.as_ref().map(|found| found.to_string().into()),
            extras,
        },
        properties: parts.properties,
        body: parts.body,
        ..Stored::default()
    };
    // What is to be kept is encoded here, where nobody waits for it, and not where the core is held.
    if stored.header.persistent { seal(stored) } else { stored }
}

/// What of a message is bytes of its own, cut out of one allocation.
struct Parts {
    id: ByteString,
    broker_in_time: Bytes,
    properties: Bytes,
    body: Bytes,
}

impl Parts {
    fn of(message: &Message, now: i64) -> Self {
        /// Room for most ids.
        const ID: usize = 96;
        let properties = message.marshalled_properties.clone().unwrap_or_default();
        let body = message.content.clone().unwrap_or_default();
        // Of a persistent message its encoding is a copy.
        let small = !message.persistent && properties.len() + body.len() <= COPY_BYTES_MAX;
        let copied = if small { properties.len() + body.len() } else { 0 };
        let mut all = Vec::with_capacity(ID + 8 + copied);
        if let Some(id) = &message.message_id {
            // Writing to memory does not fail.
            let _ = write!(all, "{id}");
        }
        let id_bytes = all.len();
        all.extend_from_slice(&now.to_be_bytes());
        if small {
            all.extend_from_slice(&properties);
            all.extend_from_slice(&body);
        }
        let mut all = Bytes::from(all);
        let id = ByteString::try_from(all.split_to(id_bytes)).unwrap_or_default();
        let broker_in_time = all.split_to(8);
        if small {
            let properties = all.split_to(properties.len());
            Self { id, broker_in_time, properties, body: all }
        } else {
            Self { id, broker_in_time, properties, body }
        }
    }
}

fn body_kind(kind: MessageKind) -> BodyKind {
    match kind {
        MessageKind::Plain => BodyKind::Empty,
        MessageKind::Bytes => BodyKind::Bytes,
        MessageKind::Map => BodyKind::Map,
        MessageKind::Object => BodyKind::Object,
        MessageKind::Stream => BodyKind::Stream,
        MessageKind::Text => BodyKind::Text,
        MessageKind::Blob => BodyKind::Blob,
    }
}

fn message_kind(kind: BodyKind) -> MessageKind {
    match kind {
        BodyKind::Empty => MessageKind::Plain,
        BodyKind::Bytes => MessageKind::Bytes,
        BodyKind::Map => MessageKind::Map,
        BodyKind::Object => MessageKind::Object,
        BodyKind::Stream => MessageKind::Stream,
        BodyKind::Text => MessageKind::Text,
        BodyKind::Blob => MessageKind::Blob,
    }
}

/// Makes messages of stored ones for one connection. Remembers the last producer: messages mostly come in runs.
#[derive(Debug, Default)]
pub struct Restorer {
    producer_name: String,
    producer: Option<Arc<ProducerId>>,
    path: Option<(Bytes, BrokerPath)>,
}

/// How often it is said to have been delivered: once where another broker gave it to its bridge before, who may have sent it here then; more
/// would count against it where its consumer gives up, and no consumer has seen it.
fn before(message: &Message) -> u32 {
    let crossed = message.broker_path.as_deref().is_some_and(|path| !path.is_empty());
    u32::from(crossed && message.redelivery_counter > 0)
}

/// How often a consumer is told that it was delivered, after so many times here.
pub fn redelivered(stored: &Stored, redeliveries: u32) -> i32 {
    i32::try_from(stored.header.redeliveries.saturating_add(redeliveries)).unwrap_or(i32::MAX)
}

impl Restorer {
    /// A stored message as a client gets it, but for its destination.
    pub fn restore(&mut self, stored: &Stored, broker_sequence: i64, redeliveries: u32) -> Message {
        let header = &stored.header;
        let extra = |tag: u32| header.extras.iter().find(|(found, _)| *found == tag).map(|(_, bytes)| bytes);
        let extra_text = |tag| extra(tag).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let structured = extra_text(STRUCTURED_ID);
        let (id_producer, sequence) = self.split_id(structured.unwrap_or(&header.message_id));
        let producer_id = match extra_text(PRODUCER) {
            Some(name) => self.producer(name),
            None => id_producer.clone(),
        };
        // What is no producer's id at all is shown as it is.
        let foreign = structured.is_some() || id_producer.is_none();
        let message_id = MessageId {
            text_view: foreign.then(|| text(&header.message_id)),
            producer_id: id_producer,
            producer_sequence_id: sequence,
            broker_sequence_id: broker_sequence,
        };
        let optional = |string: &Option<ByteString>| string.as_ref().map(text);
        let present = |bytes: &Bytes| (!bytes.is_empty()).then(|| bytes.clone());
        Message {
            kind: message_kind(header.body_kind),
            blob: extra(BLOB).and_then(read_blob).map(Box::new),
            producer_id,
            message_id: Some(message_id),
            original_destination: header.original_destination.as_deref().map(qualified_destination),
            group_id: optional(&header.group_id),
            group_sequence: header.group_sequence,
            correlation_id: optional(&header.correlation_id),
            persistent: header.persistent,
            expiration: header.expiration,
            priority: header.priority,
            reply_to: header.reply_to.as_deref().map(qualified_destination),
            timestamp: header.timestamp,
            message_type: optional(&header.message_type),
            content: present(&stored.body),
            marshalled_properties: present(&stored.properties),
            compressed: header.compressed,
            redelivery_counter: redelivered(stored, redeliveries),
            user_id: optional(&header.user_id),
            droppable: extra(DROPPABLE).is_some(),
            broker_path: extra(BROKER_PATH).and_then(|bytes| self.broker_path(bytes)),
            original_transaction_id: extra_text(TRANSACTION).and_then(read_transaction),
            broker_in_time: extra(BROKER_IN_TIME)
                .and_then(|bytes| bytes[..].try_into().ok())
                .map_or(0, i64::from_be_bytes),
            ..Message::default()
        }
    }

    fn broker_path(&mut self, bytes: &Bytes) -> Option<BrokerPath> {
        if let Some((known, path)) = &self.path
            && known == bytes
        {
            return Some(Arc::clone(path));
        }
        let path: BrokerPath = read_path(bytes)?.into();
        // A copy: what was read may be a part of much.
        self.path = Some((Bytes::copy_from_slice(bytes), Arc::clone(&path)));
        Some(path)
    }

    fn split_id(&mut self, id: &str) -> (Option<Arc<ProducerId>>, i64) {
        let Some((producer, [sequence])) = numbered::<1>(id) else { return (None, 0) };
        (self.producer(producer), sequence)
    }

    fn producer(&mut self, name: &str) -> Option<Arc<ProducerId>> {
        if self.producer_name != name || self.producer.is_none() {
            let (connection, [session_id, value]) = numbered::<2>(name)?;
            self.producer_name = name.to_owned();
            self.producer =
                Some(Arc::new(ProducerId { connection_id: connection.into(), value, session_id }));
        }
        self.producer.clone()
    }
}

/// ActiveMQ's client shows it as `JMSXProducerTXID`. It stands in the original's place, so that a client which sends the message on does
/// not seem to be in that transaction still.
fn read_transaction(text: &str) -> Option<Arc<TransactionId>> {
    let (connection, [value]) = numbered::<1>(text)?;
    let connection_id = Some(Arc::new(ConnectionId::new(connection)));
    Some(Arc::new(TransactionId::Local(LocalTransactionId { value, connection_id })))
}

fn path_bytes(path: &[Arc<BrokerId>]) -> Bytes {
    let mut bytes = Vec::with_capacity(path.iter().map(|id| 4 + id.value.len()).sum());
    for id in path {
        bytes.extend_from_slice(&(id.value.len() as u32).to_be_bytes());
        bytes.extend_from_slice(id.value.as_bytes());
    }
    Bytes::from(bytes)
}

fn read_path(mut bytes: &[u8]) -> Option<Vec<Arc<BrokerId>>> {
    let mut path = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (id, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        path.push(Arc::new(BrokerId::new(std::str::from_utf8(id).ok()?)));
        bytes = rest;
    }
    Some(path)
}

/// The ids of the brokers that a stored message has passed.
pub(super) fn passed(stored: &Stored) -> impl Iterator<Item = &[u8]> {
    let path = stored.header.extras.iter().find(|(tag, _)| *tag == BROKER_PATH);
    let mut rest: &[u8] = path.map_or(&[], |(_, bytes)| bytes);
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (id, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = behind;
        Some(id)
    })
}

fn blob_bytes(blob: &BlobReference) -> Bytes {
    let mut bytes = Vec::new();
    for text in [&blob.remote_blob_url, &blob.mime_type] {
        bytes.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
        bytes.push(0);
    }
    bytes.push(u8::from(blob.deleted_by_broker));
    Bytes::from(bytes)
}

fn read_blob(bytes: &Bytes) -> Option<BlobReference> {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut text = || {
        let part = std::str::from_utf8(parts.next()?).ok()?;
        Some((!part.is_empty()).then(|| Text::from(part)))
    };
    let (remote_blob_url, mime_type) = (text()?, text()?);
    let deleted_by_broker = bytes.last() == Some(&1);
    Some(BlobReference { remote_blob_url, mime_type, deleted_by_broker })
}

/// The properties of a message with some more: see [`crate::core::settings::Annotate`]. Properties that
/// cannot be read stay as they are.
pub fn annotate(message: &Stored, more: &[(&str, Property<'_>)]) -> Bytes {
    let mut properties = if message.properties.is_empty() {
        primitive::PrimitiveMap::new()
    } else {
        match primitive::decode_map(&message.properties, &primitive::Limits::MESSAGE) {
            Ok(properties) => properties,
            Err(_) => return message.properties.clone(),
        }
    };
    for (name, value) in more {
        match value {
            Property::Text(text) => properties.put(*name, Value::Text(Text::from(*text))),
            Property::LongIfAbsent(number) => {
                if properties.get(name).is_none() {
                    properties.put(*name, Value::Long(*number));
                }
            }
            Property::Absent => properties.remove(name),
        }
    }
    if properties.is_empty() { Bytes::new() } else { primitive::encode_map(Some(&properties)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was_sent() {
        let producer =
            Arc::new(ProducerId { connection_id: "ID:host-1-2:1".into(), value: 4, session_id: 3 });
        let sent = Message {
            kind: MessageKind::Text,
            producer_id: Some(producer.clone()),
            message_id: Some(MessageId {
                text_view: None,
                producer_id: Some(producer),
                producer_sequence_id: 77,
                broker_sequence_id: 0,
            }),
            persistent: true,
            priority: 7,
            content: Some(Bytes::from_static(b"body")),
            marshalled_properties: Some(Bytes::from_static(b"properties")),
            reply_to: Some(qualified_destination("temp-queue://ID:x:1:1")),
            correlation_id: Some("c".into()),
            ..Message::default()
        };
        let restored = Restorer::default().restore(&to_stored(&sent, 99), 5, 2);
        let mut expected = Message { broker_in_time: 99, redelivery_counter: 2, ..sent };
        expected.message_id.as_mut().unwrap().broker_sequence_id = 5;
        assert_eq!(restored, expected);
    }

    #[test]
    fn what_a_bridge_may_have_sent_before_is_told_as_delivered_and_what_a_client_says_of_it_is_not() {
        let path: BrokerPath = [Arc::new(BrokerId::new("ID:far"))].into();
        for (broker_path, counter, here, expected) in [
            (Some(path.clone()), 7, 0, 1),
            (Some(path.clone()), 7, 2, 3),
            (Some(path), 0, 0, 0),
            (None, 7, 0, 0),
        ] {
            let sent = Message { broker_path, redelivery_counter: counter, ..Message::default() };
            let restored = Restorer::default().restore(&to_stored(&sent, 99), 5, here);
            assert_eq!(restored.redelivery_counter, expected);
        }
    }

    #[test]
    fn the_transaction_that_a_message_was_sent_in_is_told_but_not_gone_on_with() {
        let connection_id = Some(Arc::new(ConnectionId::new("ID:host-1-2:1")));
        let id = Arc::new(TransactionId::Local(LocalTransactionId { value: 7, connection_id }));
        let sent = Message { transaction_id: Some(id.clone()), ..Message::default() };
        let restored = Restorer::default().restore(&to_stored(&sent, 99), 5, 0);
        assert_eq!(restored.transaction_id, None);
        assert_eq!(restored.original_transaction_id, Some(id));
        let again = Restorer::default().restore(&to_stored(&restored, 99), 6, 0);
        assert_eq!(again.original_transaction_id, restored.original_transaction_id);
    }

    #[test]
    fn the_brokers_that_a_message_has_passed_come_back_and_are_kept_as_drawn() {
        let path: BrokerPath = ["ID:a-1", "", "ID:b"].map(|id| Arc::new(BrokerId::new(id))).into();
        let sent = Message { broker_path: Some(Arc::clone(&path)), ..Message::default() };
        let stored = to_stored(&sent, 99);
        let kept = stored.header.extras.last().unwrap();
        assert_eq!(kept, &(70, Bytes::from_static(b"\0\0\0\x06ID:a-1\0\0\0\0\0\0\0\x04ID:b")));
        let mut restorer = Restorer::default();
        assert_eq!(restorer.restore(&stored, 5, 3).broker_path, Some(Arc::clone(&path)));
        // One that went by another way, or by none, is not taken for the one before it.
        let other = Message { broker_path: Some(path[..1].into()), ..Message::default() };
        assert_eq!(restorer.restore(&to_stored(&other, 99), 6, 0).broker_path, other.broker_path);
        assert_eq!(restorer.restore(&to_stored(&Message::default(), 99), 7, 0).broker_path, None);
    }

    #[test]
    fn a_path_that_is_cut_short_is_none() {
        let bytes = path_bytes(&[Arc::new(BrokerId::new("ID:a-1"))]);
        for length in 1..bytes.len() {
            assert_eq!(read_path(&bytes[..length]), None, "{length}");
        }
        assert_eq!(read_path(b"\0\0\0\x01\xff"), None);
    }

    #[test]
    fn a_blob_keeps_its_reference() {
        let blob = BlobReference {
            remote_blob_url: Some("http://x".into()),
            mime_type: None,
            deleted_by_broker: true,
        };
        assert_eq!(read_blob(&blob_bytes(&blob)), Some(blob));
    }
}
