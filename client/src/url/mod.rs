//! Addresses of brokers, parsed once into a closed type.
//!
//! ```text
//! tcp://HOST[:PORT][?OPTION=VALUE[&OPTION=VALUE...]]
//! failover:(tcp://HOST[:PORT][?OPTIONS],...)[?OPTION=VALUE...]
//! ```
//!
//! Option names are ActiveMQ's; an unknown one is an error, never ignored. Values may be percent-encoded.

mod failover;
mod login;
mod tcp;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub(crate) use crate::url::failover::Nested;
pub use crate::url::failover::{FailoverOptions, FailoverUrl};
pub use crate::url::login::Login;
pub use crate::url::tcp::TcpUrl;

/// Why an address is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `scheme:` in front.
    #[error("{url:?} has no scheme, expected tcp://host:port or failover:(tcp://host:port,…)")]
    NoScheme {
        /// What was given.
        url: String,
    },
    /// The scheme is none that this client speaks.
    #[error("scheme {found:?} is not supported, expected tcp or failover")]
    UnknownScheme {
        /// The scheme.
        found: String,
    },
    /// Host and port cannot be told.
    #[error("{found:?} is not host:port")]
    BadAuthority {
        /// What stands in their place.
        found: String,
    },
    /// There is something between port and options.
    #[error("a path ({found:?}) has no meaning in a broker's address")]
    Path {
        /// The path.
        found: String,
    },
    /// A list of brokers has none.
    #[error("failover: names no broker, expected failover:(tcp://host:port,…)")]
    NoBroker,
    /// Within `failover:` only `tcp://` may stand.
    #[error("scheme {found:?} cannot stand within failover:, only tcp://host:port can")]
    NestedScheme {
        /// The scheme.
        found: String,
    },
    /// A bracket is not closed.
    #[error("{found:?} opens a bracket that is never closed")]
    OpenBracket {
        /// What stands from the bracket on.
        found: String,
    },
    /// An option of the way to one broker stands where those of the whole address do.
    #[error("option {name:?} is about each broker: write nested.{name}, or put it behind a broker's port")]
    NotNested {
        /// The option.
        name: String,
    },
    /// A `jms.` option stands with one of several brokers.
    #[error(
        "the options of {broker} set jms.…, which is about the whole connection: put it behind the bracket"
    )]
    NotOfOneBroker {
        /// The broker that it stands with.
        broker: String,
    },
    /// No option has this name.
    #[error("unknown option {name:?}")]
    UnknownOption {
        /// The name.
        name: String,
    },
    /// An option's value is not of its type, or beyond its limits.
    #[error("option {name} is {found:?}, expected {expected}")]
    BadValue {
        /// The option.
        name: String,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
}

/// An address of a broker.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BrokerUrl {
    /// One broker, by TCP.
    Tcp(TcpUrl),
    /// Several brokers, one of which is connected to at a time.
    Failover(FailoverUrl),
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(url) => url.fmt(formatter),
            Self::Failover(url) => url.fmt(formatter),
        }
    }
}

impl FromStr for BrokerUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let url = url.trim();
        let (scheme, rest) =
            url.split_once(':').ok_or_else(|| UrlError::NoScheme { url: without_options(url) })?;
        match scheme {
            "tcp" => {
                let rest = rest
                    .strip_prefix("//")
                    .ok_or_else(|| UrlError::BadAuthority { found: without_options(rest) })?;
                tcp::parse(rest).map(Self::Tcp)
            }
            "failover" => failover::parse(rest).map(Self::Failover),
            // "localhost:61616" names no scheme although it has a colon.
            _ if !rest.starts_with("//") && !rest.starts_with('(') => {
                Err(UrlError::NoScheme { url: without_options(url) })
            }
            _ => Err(UrlError::UnknownScheme { found: scheme.to_owned() }),
        }
    }
}

/// A [`BrokerUrl`] is made of itself without an error.
impl From<std::convert::Infallible> for UrlError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl TryFrom<&str> for BrokerUrl {
    type Error = UrlError;

    fn try_from(url: &str) -> Result<Self, UrlError> {
        url.parse()
    }
}

impl TryFrom<String> for BrokerUrl {
    type Error = UrlError;

    fn try_from(url: String) -> Result<Self, UrlError> {
        url.parse()
    }
}

impl TryFrom<&String> for BrokerUrl {
    type Error = UrlError;

    fn try_from(url: &String) -> Result<Self, UrlError> {
        url.parse()
    }
}

/// An address as an error may show it: options may hold a password.
fn without_options(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}
