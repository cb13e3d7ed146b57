//! A durable subscription.

use bytestring::ByteString;

use crate::core::address::Address;
use crate::core::keys::{ConsumerKey, SourceKey};

/// Client id and subscription name.
pub(crate) type DurableName = (ByteString, ByteString);

#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) address: Address,
    pub(crate) no_local: bool,
    /// Which messages it wants; kept with it, so that it wants the same when its client is away.
    pub(crate) selector: Option<ByteString>,
    /// Of a bridge's: the brokers that the demand has passed that it is for (`brokerPath`), as its consumer said last.
    pub(crate) passed: Option<Vec<ByteString>>,
    /// One for each topic.
    pub(crate) parts: Vec<SourceKey>,
    /// The consumer it has at the moment.
    pub(crate) consumer: Option<ConsumerKey>,
}
