//! Random structures of those kinds whose encoding is not in the table.

use crate::command::{self, DataStructure, Message};
use crate::connection::WireFormatInfo;
use crate::consumer::NetworkBridgeFilter;
use crate::destination::{Destination, DestinationKind};
use crate::generate::{Generate, Generator};
use crate::ids::RemovedId;
use crate::message_kind::{BlobReference, MessageKind};
use crate::transaction::TransactionId;

impl Generate for WireFormatInfo {
    fn generate(generator: &mut Generator) -> Self {
        Self { version: generator.int(), marshalled_properties: generator.bytes() }
    }
}

impl Generate for Destination {
    fn generate(generator: &mut Generator) -> Self {
        Self::new(DestinationKind::ALL[generator.below(4)], generator.name())
    }
}

impl Generate for TransactionId {
    fn generate(generator: &mut Generator) -> Self {
        if generator.bool() {
            Self::Local(Generate::generate(generator))
        } else {
            Self::Xa(Generate::generate(generator))
        }
    }
}

impl Generate for RemovedId {
    fn generate(generator: &mut Generator) -> Self {
        match generator.below(4) {
            0 => Self::Connection(Generate::generate(generator)),
            1 => Self::Session(Generate::generate(generator)),
            2 => Self::Consumer(Generate::generate(generator)),
            _ => Self::Producer(Generate::generate(generator)),
        }
    }
}

impl Generate for NetworkBridgeFilter {
    fn generate(generator: &mut Generator) -> Self {
        let message_ttl = generator.int();
        let consumer_ttl =
            if generator.version() < Self::TWO_LIMITS_SINCE { message_ttl } else { generator.int() };
        Self { network_broker_id: generator.cached(), message_ttl, consumer_ttl }
    }
}

impl Generate for Message {
    fn generate(generator: &mut Generator) -> Self {
        let mut message = Self::generate_fields(generator);
        let kinds = if generator.version() < MessageKind::BLOB_SINCE { 6 } else { 7 };
        message.kind = MessageKind::ALL[generator.below(kinds)];
        if message.kind == MessageKind::Blob {
            message.blob = Some(Box::new(BlobReference {
                remote_blob_url: generator.text(),
                mime_type: generator.text(),
                deleted_by_broker: generator.bool(),
            }));
        }
        message
    }
}

impl Generate for DataStructure {
    fn generate(generator: &mut Generator) -> Self {
        command::generate_structure(generator)
    }
}
