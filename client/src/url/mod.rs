//! Addresses of brokers, parsed once into a closed type.
//!
//! ```text
//! tcp://HOST[:PORT][?OPTION=VALUE[&OPTION=VALUE...]]
//! failover:(tcp://HOST[:PORT][?OPTIONS],...)[?OPTION=VALUE...]
//! ```
//!
//! Option names are ActiveMQ's; an unknown one is an error, never ignored. Values may be percent-encoded.

pub(crate) mod error;
mod failover;
mod login;
mod tcp;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::str::FromStr;

use crate::url::error::{UrlError, without_options};
pub(crate) use crate::url::failover::Nested;
pub use crate::url::failover::{FailoverOptions, FailoverUrl};
pub use crate::url::login::Login;
pub use crate::url::tcp::TcpUrl;

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
