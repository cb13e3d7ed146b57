//! Whom a bridge goes to: one broker, or whichever of several serves.

use std::time::Duration;

use super::retry::RetryOptions;

/// A broker at the other end, by where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Name or address of the host; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `connectionTimeout`: how long it may take to connect, and then to say who it is.
    pub connection_timeout: Duration,
    /// `wireFormat.maxInactivityDuration`: after what silence the line is given up; zero for never.
    pub max_inactivity_duration: Duration,
    /// `wireFormat.maxInactivityDurationInitalDelay` (sic).
    pub max_inactivity_duration_initial_delay: Duration,
    /// `wireFormat.maxFrameSize`, in bytes.
    pub max_frame_size: usize,
}

impl Remote {
    /// A broker there, with all else as by default.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            connection_timeout: Duration::from_secs(30),
            max_inactivity_duration: Duration::from_secs(30),
            max_inactivity_duration_initial_delay: Duration::from_secs(10),
            max_frame_size: 100 << 20,
        }
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(formatter, "tcp://[{}]:{}", self.host, self.port),
            false => write!(formatter, "tcp://{}:{}", self.host, self.port),
        }
    }
}

/// The other end of one bridge. Of several candidates one serves at a time: they are a master and its slaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it may be; one at least.
    pub candidates: Vec<Remote>,
    /// `randomize`: whether they are tried in any order instead of theirs.
    pub randomize: bool,
    /// When it is tried again, where that is not as its connector says.
    pub retry: Option<RetryOptions>,
}

impl From<Remote> for Target {
    fn from(remote: Remote) -> Self {
        Self { candidates: vec![remote], randomize: false, retry: None }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let [one] = &self.candidates[..] {
            return one.fmt(formatter);
        }
        formatter.write_str("failover:(")?;
        for (place, one) in self.candidates.iter().enumerate() {
            write!(formatter, "{}{one}", if place > 0 { "," } else { "" })?;
        }
        formatter.write_str(")")
    }
}
