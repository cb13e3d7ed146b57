//! An asynchronous client for brokers that speak OpenWire: Kahawai and Apache ActiveMQ.
//!
//! ```no_run
//! use kahawai_client::{Connection, Destination, Message};
//!
//! # async fn example() -> kahawai_client::Result<()> {
//! let connection = Connection::open("tcp://localhost:61616").await?;
//! let session = connection.session().await?;
//! let producer = session.producer(Destination::queue("ORDERS")).await?;
//! producer.send(Message::text("one espresso").property("table", 7)).await?;
//!
//! let mut consumer = session.consumer(Destination::queue("ORDERS")).await?;
//! while let Some(delivery) = consumer.next().await {
//!     println!("{}", delivery?.text()?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! With `failover:(tcp://a:61616,tcp://b:61616)` the connection outlives its broker: calls wait for the next one, which
//! is told of all that was open. Sends go on; what cannot is said: [`Error::OutcomeUnknown`] for an acknowledgement or a
//! commit whose answer was lost, [`Error::RolledBack`] for a transaction that was lost with its broker.
//! [`Connection::state`] tells when. The README has the whole list.
//!
//! What decides is a state machine without I/O, clock or randomness (`protocol`); what acts is one tokio task a
//! connection (`shell`).

#![forbid(unsafe_code)]

mod connection;
mod consumer;
mod consumer_options;
mod delivery;
mod error;
mod failover;
mod handle;
mod message;
mod options;
mod prefetch;
mod producer;
mod protocol;
mod session;
mod shell;
mod state;
mod temporary;
mod url;

pub use kahawai_openwire::body::Body;
pub use kahawai_openwire::destination::{Destination, DestinationKind};
pub use kahawai_openwire::primitive::{PrimitiveMap, Value};
pub use kahawai_openwire::text::Text;

pub use connection::Connection;
pub use consumer::Consumer;
pub use consumer_options::{Acknowledge, ConsumerOptions};
pub use delivery::Delivery;
pub use error::{BrokerError, Error, ErrorKind, Loss, Result};
pub use message::Message;
pub use options::ConnectOptions;
pub use prefetch::PrefetchPolicy;
pub use producer::{Confirm, Producer};
pub use session::{Session, TransactedSession};
pub use state::{ConnectionState, StateWatch};
pub use temporary::TemporaryDestination;
pub use url::error::UrlError;
pub use url::{BrokerUrl, FailoverOptions, FailoverUrl, Login, TcpUrl};

/// Keeps the page's example compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
