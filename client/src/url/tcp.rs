//! The address of one broker.

use std::fmt;
use std::time::Duration;

use kahawai_openwire::negotiation::Preferences;

use crate::url::error::UrlError;
use crate::url::login::Login;
use crate::url::values::{self, boolean, choice, milliseconds, number, positive};

/// Port of OpenWire where the address names none.
const PORT_DEFAULT: u16 = 61616;

/// ActiveMQ's `connectionTimeout`.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// A broker by host and port, with what its address sets about the way there.
#[derive(Debug, Clone, PartialEq)]
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
    /// What `jms.*` sets; nothing for a broker within `failover:(…)`, whose whole address sets it.
    pub login: Login,
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

    /// Whether both name the same broker, whatever their options.
    pub(crate) fn is_same_broker(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Host and port alone: what stands between `tcp://` and the options.
    pub(super) fn of_location(location: &str) -> Result<Self, UrlError> {
        let (authority, path) = location.split_once('/').unwrap_or((location, ""));
        if !path.is_empty() {
            return Err(UrlError::Path { found: path.to_owned() });
        }
        let (host, port) =
            host_and_port(authority).ok_or_else(|| UrlError::BadAuthority { found: authority.to_owned() })?;
        Ok(Self {
            host: host.to_owned(),
            port,
            wire_format: Preferences { host: Some(host.into()), ..Preferences::default() },
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            login: Login::default(),
        })
    }

    /// Sets an option of the way to the broker.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), UrlError> {
        let wire_format = &mut self.wire_format;
        match name {
            "connectionTimeout" => {
                self.connect_timeout = Duration::from_millis(positive(name, value)?.unsigned_abs());
            }
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
                wire_format.max_inactivity_duration = milliseconds(name, value)?;
            }
            // So spelled in ActiveMQ; the right spelling is understood as well.
            "wireFormat.maxInactivityDurationInitalDelay"
            | "wireFormat.maxInactivityDurationInitialDelay" => {
                wire_format.max_inactivity_duration_initial_delay = milliseconds(name, value)?;
            }
            "wireFormat.maxFrameSize" => wire_format.max_frame_size = positive(name, value)?,
            "wireFormat.maxFrameSizeEnabled" => wire_format.max_frame_size_enabled = boolean(name, value)?,
            "wireFormat.host" => wire_format.host = Some(value.into()),
            _ => return Err(UrlError::UnknownOption { name: name.to_owned() }),
        }
        Ok(())
    }
}

/// Without the options: fit for a log.
impl fmt::Display for TcpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tcp://{}", self.address())
    }
}

/// What follows `tcp://`.
pub(super) fn parse(rest: &str) -> Result<TcpUrl, UrlError> {
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = TcpUrl::of_location(location)?;
    for option in values::options(query) {
        let (name, value) = option?;
        if !url.login.set(name, &value)? {
            url.set(name, &value)?;
        }
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
    let is_clean = !host.is_empty() && !host.contains(|at: char| "@()".contains(at) || at.is_whitespace());
    is_clean.then_some((host, port))
}
