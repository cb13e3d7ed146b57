//! What the core is told once.

use bytestring::ByteString;
use kahawai_store::batch::Durability;
use kahawai_store::message::Message;

/// What the core is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The broker's name, for messages to clients.
    pub broker_name: ByteString,
    /// The most bytes that the store takes in one batch.
    pub batch_bytes_max: usize,
    /// How durable the store makes what asks for no level of its own.
    pub durability: Durability,
    /// How often destinations that nobody uses are looked for, in milliseconds; 0 for never (`schedulePeriodForDestinationPurge`).
    pub purge_period: i64,
    /// How many are removed at a time at most; 0 for any number (`maxPurgedDestinationsPerSweep`).
    pub purged_max: usize,
    /// How properties are written into a message that becomes a dead letter.
    pub annotate: Annotate,
}

/// A property to add to a message.
#[derive(Clone, Debug)]
pub enum Property<'a> {
    /// A text.
    Text(&'a str),
    /// A number, where nothing is there under this name.
    LongIfAbsent(i64),
    /// None: what is there under this name is taken out.
    Absent,
}

/// Writes properties into a message in the encoding it is in.
pub type Annotate = fn(&Message, &[(&str, Property<'_>)]) -> bytes::Bytes;
