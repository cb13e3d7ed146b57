//! Addresses of brokers, parsed once into a closed type.
//!
//! ```text
//! tcp://HOST[:PORT][?OPTION=VALUE[&OPTION=VALUE...]]
//! ```
//!
//! Option names are ActiveMQ's; an unknown one is an error, never ignored. Values may be percent-encoded.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use kahawai_openwire::negotiation::Preferences;
use thiserror::Error;

use crate::options::PrefetchPolicy;

/// Port of OpenWire where the address names none.
const PORT_DEFAULT: u16 = 61616;

/// ActiveMQ's `connectionTimeout`.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Why an address is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `scheme:` in front.
    #[error("{url:?} has no scheme, expected tcp://host:port")]
    NoScheme {
        /// What was given.
        url: String,
    },
    /// The scheme is none that this client speaks.
    #[error("scheme {found:?} is not supported, expected tcp")]
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
}

/// A broker by host and port, with what its address sets.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TcpUrl {
    /// Name or address of the host; an IPv6 address without its brackets.
    pub host: String,
    /// Port, 61616 where the address names none.
    pub port: u16,
    /// What `wireFormat.*` sets, over ActiveMQ's defaults.
    pub wire_format: Preferences,
    /// `connectionTimeout`, in milliseconds in the address: how long opening a connection may take (30 s).
    pub connect_timeout: Duration,
    /// `jms.userName`.
    pub user_name: Option<String>,
    /// `jms.password`.
    pub password: Option<String>,
    /// `jms.clientID`.
    pub client_id: Option<String>,
    /// What `jms.prefetchPolicy.*` sets, over ActiveMQ's defaults.
    pub prefetch: PrefetchPolicy,
}

impl TcpUrl {
    /// Host and port, as they stand in an address.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), UrlError> {
        let wire_format = &mut self.wire_format;
        match name {
            "connectionTimeout" => {
                self.connect_timeout = Duration::from_millis(positive(name, value)?.unsigned_abs());
            }
            "jms.userName" => self.user_name = Some(value.to_owned()),
            "jms.password" => self.password = Some(value.to_owned()),
            "jms.clientID" => self.client_id = Some(value.to_owned()),
            "jms.prefetchPolicy.all" => self.prefetch = PrefetchPolicy::all(prefetch(name, value)?),
            "jms.prefetchPolicy.queuePrefetch" => self.prefetch.queue = prefetch(name, value)?,
            "jms.prefetchPolicy.topicPrefetch" => self.prefetch.topic = prefetch(name, value)?,
            "jms.prefetchPolicy.durableTopicPrefetch" => self.prefetch.durable_topic = prefetch(name, value)?,
            "wireFormat.version" => {
                wire_format.version = number(name, value, 1, 12, "a version from 1 to 12")? as i32;
            }
            "wireFormat.tightEncodingEnabled" => wire_format.tight_encoding_enabled = boolean(name, value)?,
            "wireFormat.cacheEnabled" => wire_format.cache_enabled = boolean(name, value)?,
            "wireFormat.cacheSize" => {
                wire_format.cache_size = number(name, value, 0, i16::MAX.into(), "0 to 32767")? as i32;
            }
            "wireFormat.stackTraceEnabled" => wire_format.stack_trace_enabled = boolean(name, value)?,
            "wireFormat.tcpNoDelayEnabled" => wire_format.tcp_no_delay_enabled = boolean(name, value)?,
            "wireFormat.sizePrefixDisabled" => {
                wire_format.size_prefix_disabled =
                    choice(name, value, "false (frames without a length are not supported)", |value| {
                        (value == "false").then_some(false)
                    })?;
            }
            "wireFormat.maxInactivityDuration" => {
                wire_format.max_inactivity_duration = number(name, value, 0, i64::MAX, MILLISECONDS)?;
            }
            // So spelled in ActiveMQ; the right spelling is understood as well.
            "wireFormat.maxInactivityDurationInitalDelay"
            | "wireFormat.maxInactivityDurationInitialDelay" => {
                wire_format.max_inactivity_duration_initial_delay =
                    number(name, value, 0, i64::MAX, MILLISECONDS)?;
            }
            "wireFormat.maxFrameSize" => wire_format.max_frame_size = positive(name, value)?,
            "wireFormat.maxFrameSizeEnabled" => wire_format.max_frame_size_enabled = boolean(name, value)?,
            "wireFormat.host" => wire_format.host = Some(value.into()),
            _ => return Err(UrlError::UnknownOption { name: name.to_owned() }),
        }
        Ok(())
    }
}

/// Without the user, the password and the options: fit for a log.
impl fmt::Display for TcpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tcp://{}", self.address())
    }
}

/// Without the password.
impl fmt::Debug for TcpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TcpUrl")
            .field("address", &self.address())
            .field("user_name", &self.user_name)
            .field("client_id", &self.client_id)
            .field("wire_format", &self.wire_format)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(url) => url.fmt(formatter),
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
                tcp(rest).map(Self::Tcp)
            }
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

fn tcp(rest: &str) -> Result<TcpUrl, UrlError> {
    let (location, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = location.split_once('/').unwrap_or((location, ""));
    if !path.is_empty() {
        return Err(UrlError::Path { found: path.to_owned() });
    }
    let (host, port) =
        host_and_port(authority).ok_or_else(|| UrlError::BadAuthority { found: authority.to_owned() })?;
    let mut url = TcpUrl {
        host: host.to_owned(),
        port,
        wire_format: Preferences { host: Some(host.into()), ..Preferences::default() },
        connect_timeout: CONNECT_TIMEOUT_DEFAULT,
        user_name: None,
        password: None,
        client_id: None,
        prefetch: PrefetchPolicy::default(),
    };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = percent_decoded(value).ok_or_else(|| UrlError::BadValue {
            name: name.to_owned(),
            found: value.to_owned(),
            expected: "UTF-8, with % only before two hexadecimal digits",
        })?;
        url.set(name, &value)?;
    }
    Ok(url)
}

fn host_and_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => PORT_DEFAULT,
    };
    let is_clean = !host.is_empty() && !host.contains(|at: char| at == '@' || at.is_whitespace());
    is_clean.then_some((host, port))
}

fn percent_decoded(value: &str) -> Option<String> {
    if !value.contains('%') {
        return Some(value.to_owned());
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

/// An address as an error may show it: options may hold a password.
fn without_options(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

const MILLISECONDS: &str = "milliseconds, 0 or more";

fn choice<T>(
    name: &str,
    value: &str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, UrlError> {
    parse(value).ok_or_else(|| UrlError::BadValue {
        name: name.to_owned(),
        found: value.to_owned(),
        expected,
    })
}

fn boolean(name: &str, value: &str) -> Result<bool, UrlError> {
    choice(name, value, "true or false", |value| value.parse().ok())
}

fn number(name: &str, value: &str, min: i64, max: i64, expected: &'static str) -> Result<i64, UrlError> {
    choice(name, value, expected, |value| value.parse().ok().filter(|number| (min..=max).contains(number)))
}

fn positive(name: &str, value: &str) -> Result<i64, UrlError> {
    number(name, value, 1, i64::MAX, "a number, 1 or more")
}

fn prefetch(name: &str, value: &str) -> Result<u32, UrlError> {
    let max = PrefetchPolicy::LIMIT.into();
    number(name, value, 0, max, "0 to 32767").map(|number| number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(url: &str) -> TcpUrl {
        let BrokerUrl::Tcp(url) = url.parse().unwrap();
        url
    }

    fn error(url: &str) -> UrlError {
        url.parse::<BrokerUrl>().unwrap_err()
    }

    #[test]
    fn host_and_port_are_told_apart() {
        for (url, host, port, address) in [
            ("tcp://broker:61617", "broker", 61617, "broker:61617"),
            ("tcp://broker", "broker", 61616, "broker:61616"),
            ("tcp://10.0.0.1:1/", "10.0.0.1", 1, "10.0.0.1:1"),
            ("tcp://[::1]:61616", "::1", 61616, "[::1]:61616"),
            (" tcp://[::1]?connectionTimeout=5 ", "::1", 61616, "[::1]:61616"),
        ] {
            let url = tcp(url);
            assert_eq!((url.host.as_str(), url.port, url.address().as_str()), (host, port, address));
        }
    }

    #[test]
    fn options_are_understood_by_activemqs_names() {
        let url = tcp(
            "tcp://a:1?wireFormat.version=6&wireFormat.tightEncodingEnabled=false&wireFormat.cacheSize=120\
             &wireFormat.maxInactivityDuration=0&wireFormat.maxInactivityDurationInitalDelay=7\
             &wireFormat.maxFrameSize=1000&jms.userName=u&jms.password=p%26%C3%A9&jms.clientID=c\
             &jms.prefetchPolicy.all=5&jms.prefetchPolicy.topicPrefetch=6&connectionTimeout=250",
        );
        assert_eq!(url.wire_format.version, 6);
        assert!(!url.wire_format.tight_encoding_enabled);
        assert_eq!(url.wire_format.cache_size, 120);
        assert_eq!(url.wire_format.max_inactivity_duration, 0);
        assert_eq!(url.wire_format.max_inactivity_duration_initial_delay, 7);
        assert_eq!(url.wire_format.max_frame_size, 1000);
        assert_eq!(url.wire_format.host.as_deref(), Some("a"));
        assert_eq!((url.user_name.as_deref(), url.password.as_deref()), (Some("u"), Some("p&é")));
        assert_eq!(url.client_id.as_deref(), Some("c"));
        assert_eq!(url.prefetch, PrefetchPolicy { queue: 5, topic: 6, durable_topic: 5 });
        assert_eq!(url.connect_timeout, Duration::from_millis(250));
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_says_what() {
        let unknown = |found: &str| UrlError::UnknownScheme { found: found.to_owned() };
        assert_eq!(error("ssl://a:1"), unknown("ssl"));
        assert_eq!(error("failover:(tcp://a:1,tcp://b:2)?randomize=false"), unknown("failover"));
        assert_eq!(error("localhost:61616"), UrlError::NoScheme { url: "localhost:61616".into() });
        assert_eq!(error("localhost"), UrlError::NoScheme { url: "localhost".into() });
        for authority in ["", ":1", "a:", "a:0", "a:65536", "a:x", "[::1", "[x]:1", "[::1]1", "u@a:1", "a b"]
        {
            let found = authority.to_owned();
            assert_eq!(error(&format!("tcp://{authority}")), UrlError::BadAuthority { found }, "{authority}");
        }
        assert_eq!(error("tcp:a:1"), UrlError::BadAuthority { found: "a:1".into() });
        assert_eq!(error("tcp://a:1/path"), UrlError::Path { found: "path".into() });
        let name = "wireFormat.cachesize".to_owned();
        assert_eq!(error("tcp://a:1?wireFormat.cachesize=1"), UrlError::UnknownOption { name });
        for option in [
            "wireFormat.version=0",
            "wireFormat.version=13",
            "wireFormat.cacheSize=-1",
            "wireFormat.cacheEnabled=yes",
            "wireFormat.sizePrefixDisabled=true",
            "wireFormat.maxInactivityDuration=",
            "connectionTimeout=0",
            "jms.prefetchPolicy.all=32768",
            "jms.userName=%zz",
        ] {
            let UrlError::BadValue { name, .. } = error(&format!("tcp://a:1?{option}")) else {
                panic!("{option}")
            };
            assert_eq!(Some(name.as_str()), option.split('=').next());
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = tcp("tcp://a:1?jms.password=secret");
        assert!(!format!("{url:?} {url}").contains("secret"));
        assert!(!error("a:1?jms.password=secret").to_string().contains("secret"));
    }
}
