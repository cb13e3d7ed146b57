//! What can go wrong, by what the caller can do about it.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use kahawai_openwire::error::{DecodeError, EncodeError, FrameError, NegotiationError};
use kahawai_openwire::throwable::Throwable;

use crate::url::error::UrlError;

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not one that this client understands. Nothing was tried.
    #[error("the broker's address: {0}")]
    Url(#[from] UrlError),
    /// The broker cannot be reached.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
    /// The broker was reached, but was not ready to serve in time.
    #[error("{address} did not complete the connection within {limit:?}")]
    ConnectTimeout {
        /// Host and port.
        address: String,
        /// The time allowed.
        limit: Duration,
    },
    /// The broker refused: what was asked for did not happen. The connection goes on.
    #[error("the broker refused: {0}")]
    Broker(BrokerError),
    /// The connection is gone, and what was asked for was not sent or changes nothing that lasts.
    #[error("the connection was lost: {0}")]
    Lost(Loss),
    /// The connection was lost after a message, an acknowledgement or a commit was sent and before the broker
    /// answered: it happened or it did not.
    #[error("the connection was lost before the broker answered, the outcome is unknown: {0}")]
    OutcomeUnknown(Loss),
    /// The transaction was rolled back: its broker was lost with what was sent and received in it. Nothing of it
    /// happened, all that was received comes again, and a new transaction has begun.
    #[error("the transaction was rolled back, the connection was lost: {0}")]
    RolledBack(Loss),
    /// There was no broker to be reached for as long as calls may wait (`timeout`). Nothing was sent.
    #[error("no broker within {limit:?}; the last was lost: {last}")]
    NoBroker {
        /// The time allowed.
        limit: Duration,
        /// Why the last connection was lost.
        last: Loss,
    },
    /// The connection, session, producer or consumer was closed on this side.
    #[error("closed")]
    Closed,
    /// The broker closed this consumer; the connection goes on.
    #[error("the broker closed the consumer")]
    ConsumerClosed,
    /// A message or a name is too large for the wire. Nothing was sent.
    #[error("cannot be sent: {0}")]
    Encode(#[from] EncodeError),
    /// A body or the properties of a received message are not what the message's kind says.
    #[error("malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// The body of a received message is of another kind than was asked for.
    #[error("the body is {found}, not {expected}")]
    UnexpectedBody {
        /// The kind it has.
        found: &'static str,
        /// The kind asked for.
        expected: &'static str,
    },
    /// The call does not fit its object or its options. Nothing was sent.
    #[error("{0}")]
    Usage(&'static str),
}

/// The groups of [`Error`], for those who decide by what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Mend the address, the options or the call.
    Usage,
    /// Connect again, later.
    Connection,
    /// Do the whole transaction once more.
    RolledBack,
    /// Connect again, and be ready for what was sent to be there already.
    InDoubt,
    /// The broker's answer says what to mend.
    Broker,
    /// This message cannot be sent or read; others can.
    Message,
    /// It was closed here.
    Closed,
}

impl Error {
    /// The group that the error belongs to.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Url(_) | Self::Usage(_) => ErrorKind::Usage,
            Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::Lost(_) | Self::NoBroker { .. } => {
                ErrorKind::Connection
            }
            Self::RolledBack(_) => ErrorKind::RolledBack,
            Self::OutcomeUnknown(_) => ErrorKind::InDoubt,
            Self::Broker(_) | Self::ConsumerClosed => ErrorKind::Broker,
            Self::Encode(_) | Self::Malformed(_) | Self::UnexpectedBody { .. } => ErrorKind::Message,
            Self::Closed => ErrorKind::Closed,
        }
    }

    /// What the broker said, where it is the broker that said something.
    pub fn broker(&self) -> Option<&BrokerError> {
        match self {
            Self::Broker(error)
            | Self::Lost(Loss::Broker(error))
            | Self::OutcomeUnknown(Loss::Broker(error))
            | Self::RolledBack(Loss::Broker(error)) => Some(error),
            _ => None,
        }
    }
}

/// An exception of the broker, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerError {
    /// Fully qualified name of the Java class, such as `javax.jms.InvalidClientIDException`.
    pub class: String,
    /// The exception's message; empty where it has none.
    pub message: String,
}

impl fmt::Display for BrokerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.class.is_empty(), self.message.is_empty()) {
            (false, false) => write!(formatter, "{}: {}", self.class, self.message),
            (false, true) => formatter.write_str(&self.class),
            (true, false) => formatter.write_str(&self.message),
            (true, true) => formatter.write_str("without saying why"),
        }
    }
}

impl std::error::Error for BrokerError {}

impl From<Option<&Throwable>> for BrokerError {
    fn from(throwable: Option<&Throwable>) -> Self {
        let text = |text: Option<&kahawai_openwire::text::Text>| {
            text.map(|text| text.as_str().to_owned()).unwrap_or_default()
        };
        Self {
            class: text(throwable.and_then(|throwable| throwable.class_name.as_ref())),
            message: text(throwable.and_then(|throwable| throwable.message.as_ref())),
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(Arc<io::Error>),
    /// The broker closed the connection without a word.
    #[error("the broker closed it")]
    EndOfStream,
    /// The broker closed the connection in good order.
    #[error("the broker is shutting down")]
    Shutdown,
    /// The broker closed the connection because of this.
    #[error("the broker gave it up: {0}")]
    Broker(BrokerError),
    /// Nothing came for longer than was agreed.
    #[error("nothing came for {0:?}")]
    Inactive(Duration),
    /// The peers cannot agree on a wire format.
    #[error("no common wire format: {0}")]
    Negotiation(NegotiationError),
    /// The bytes are not frames.
    #[error("{0}")]
    Frame(FrameError),
    /// A frame is not a command.
    #[error("{0}")]
    Decode(DecodeError),
    /// A command came that does not belong there.
    #[error("{0} came where it does not belong")]
    UnexpectedCommand(&'static str),
    /// The broker sent a consumer many more messages than it asked for.
    #[error("a consumer with prefetch {prefetch} was sent {found} messages")]
    Flooded {
        /// Messages asked for.
        prefetch: u32,
        /// Messages waiting in the consumer.
        found: usize,
    },
    /// No broker of `failover:` could be reached, as often as was allowed.
    #[error("no broker could be reached in {rounds} rounds, the last failure: {last}")]
    NoBroker {
        /// How often all were tried.
        rounds: u32,
        /// The last failure, in words.
        last: String,
    },
    /// We left the broker for another one of its cluster.
    #[error("moving to another broker")]
    Moved,
    /// The task that serves the connection is gone, with its runtime.
    #[error("the runtime was shut down")]
    RuntimeGone,
}
