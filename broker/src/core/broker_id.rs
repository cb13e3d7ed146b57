//! The broker's id: made once and kept in the store, so that it is the same after a restart and on whoever takes over. Other brokers know
//! by it where a message has been, and that a network connector leads back to where it begins.

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::contract::Recovered;

use super::entries::{Unreadable, read_text, text_value};

/// The table of what the broker keeps of itself.
const BROKER: ByteString = ByteString::from_static("broker");
const ID: Bytes = Bytes::from_static(b"id");

/// The id that a store holds, if it holds one.
pub(crate) fn find(recovered: &Recovered) -> Result<Option<ByteString>, Unreadable> {
    let entry = recovered.tables.iter().find(|entry| entry.table == BROKER && entry.key == ID);
    entry.map(|entry| read_text(&entry.value)).transpose()
}

/// What keeps an id in the store.
pub(crate) fn keep(id: &str) -> Operation {
    Operation::Put { table: BROKER, key: ID, value: Some(text_value(id)) }
}
