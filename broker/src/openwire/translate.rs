//! Words of OpenWire and words of the core.

use std::sync::Arc;

use bytestring::ByteString;
use kahawai_openwire::connection::RemoveInfo;
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::ids::MessageId as WireMessageId;
use kahawai_openwire::text::Text;
use kahawai_openwire::transaction::TransactionId as WireTransactionId;
use kahawai_store::names::MessageId;

use crate::core::address::{Address, AddressKind};
use crate::core::failure::{Failure, FailureKind};
use crate::core::spec::{LastDelivered, TransactionId};

/// Text as the core keeps it.
pub fn string(text: &Text) -> ByteString {
    ByteString::from(text.as_str())
}

/// Text as OpenWire keeps it.
pub fn text(string: &ByteString) -> Text {
    Text::from(&**string)
}

/// What separates a destination's name from the options that ActiveMQ's clients may leave on it.
const OPTIONS: char = '?';

/// A destination as the core names it.
pub fn address(destination: &Destination) -> Address {
    let kind = match destination.kind {
        DestinationKind::Queue => AddressKind::Queue,
        DestinationKind::Topic => AddressKind::Topic,
        DestinationKind::TemporaryQueue => AddressKind::TemporaryQueue,
        DestinationKind::TemporaryTopic => AddressKind::TemporaryTopic,
    };
    let name = destination.physical_name.as_str();
    let name = name.split_once(OPTIONS).map_or(name, |(name, _)| name);
    Address::new(kind, name)
}

/// A destination as OpenWire names it.
pub fn destination(address: &Address) -> Arc<Destination> {
    let kind = match address.kind {
        AddressKind::Queue => DestinationKind::Queue,
        AddressKind::Topic => DestinationKind::Topic,
        AddressKind::TemporaryQueue => DestinationKind::TemporaryQueue,
        AddressKind::TemporaryTopic => DestinationKind::TemporaryTopic,
    };
    Arc::new(Destination::new(kind, &*address.name))
}

/// A qualified name as OpenWire names it.
pub fn qualified_destination(name: &str) -> Arc<Destination> {
    destination(&Address::parse(name, AddressKind::Queue))
}

/// The parts of a name that ends in numbers after colons: what is before them, and the numbers in order.
pub fn numbered<const N: usize>(name: &str) -> Option<(&str, [i64; N])> {
    let mut numbers = [0; N];
    let mut rest = name;
    for number in numbers.iter_mut().rev() {
        let (before, last) = rest.rsplit_once(':')?;
        *number = last.parse().ok()?;
        rest = before;
    }
    Some((rest, numbers))
}

/// What the broker called a message when it sent it. Clients give it back as they got it.
pub fn message_id(id: &WireMessageId) -> MessageId {
    MessageId(id.broker_sequence_id as u64)
}

/// How far a consumer had got, as its client says when it closes it.
pub fn last_delivered(sequence: i64) -> LastDelivered {
    match sequence {
        RemoveInfo::LAST_DELIVERED_UNKNOWN => LastDelivered::Unknown,
        sequence if sequence > 0 => LastDelivered::Message(MessageId(sequence as u64)),
        _ => LastDelivered::Nothing,
    }
}

/// A client's name for a transaction.
///
/// # Errors
/// [`FailureKind::NotSupported`] for one of XA.
pub fn local_transaction(id: &WireTransactionId) -> Result<TransactionId, Failure> {
    match id {
        WireTransactionId::Local(id) => Ok(TransactionId {
            client: id.connection_id.as_ref().map(|connection| string(&connection.value)).unwrap_or_default(),
            number: id.value,
        }),
        WireTransactionId::Xa(_) => {
            let message = "XA transactions are not supported by this version";
            Err(Failure::new(FailureKind::NotSupported, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_from_the_end() {
        assert_eq!(numbered::<3>("ID:host-1-2:1:4:5:6"), Some(("ID:host-1-2:1", [4, 5, 6])));
        assert_eq!(numbered::<3>("ID:x:1"), None);
        assert_eq!(numbered::<1>("a:b"), None);
    }
}
