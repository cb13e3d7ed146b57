//! Why an address is not understood.

use thiserror::Error;

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

/// A [`crate::BrokerUrl`] is made of itself without an error.
impl From<std::convert::Infallible> for UrlError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// An address as an error may show it: options may hold a password.
pub(crate) fn without_options(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}
