//! What a `multicast:` URI says. Names and defaults are ActiveMQ's.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// A group of brokers, and how one is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multicast {
    /// Where the group is: `239.255.2.3:6155`, which is what `multicast://default` means.
    pub address: SocketAddrV4,
    /// `group`: several may be at one address, and do not hear each other.
    pub group: String,
    /// `keepAliveInterval`: how often one says that one is there. Who was not heard for ten times as long is gone.
    pub keep_alive_interval: Duration,
    /// `timeToLive`: how many routers a datagram may pass, and one.
    pub time_to_live: u8,
    /// `loopBackMode`: whether this host is **not** to hear itself (the word and its meaning are Java's).
    pub loop_back_mode: bool,
    /// `interface`: the interface that is spoken on, by its address.
    pub interface: Option<Ipv4Addr>,
    /// `networkInterface`: the same by its name, which counts more.
    pub network_interface: Option<String>,
    /// `joinNetworkInterface`: the interface that is listened on, where it is another.
    pub join_network_interface: Option<String>,
    /// `initialReconnectDelay`: how long one that could not be worked with is taken for absent, though it says that it is there.
    pub initial_reconnect_delay: Duration,
    /// `maxReconnectDelay`: how long at most.
    pub max_reconnect_delay: Duration,
    /// `useExponentialBackOff`: whether each failure makes it longer. (ActiveMQ then begins at milliseconds, whatever `initialReconnectDelay` is.)
    pub use_exponential_back_off: bool,
    /// `backOffMultiplier`: by what factor.
    pub back_off_multiplier: u32,
    /// `maxReconnectAttempts`: after how many failures more it is taken for absent until it was silent; 0 for never.
    pub max_reconnect_attempts: u32,
}

impl Default for Multicast {
    fn default() -> Self {
        Self {
            address: SocketAddrV4::new(Ipv4Addr::new(239, 255, 2, 3), 6155),
            group: "default".to_owned(),
            keep_alive_interval: Duration::from_millis(500),
            time_to_live: 1,
            loop_back_mode: false,
            interface: None,
            network_interface: None,
            join_network_interface: None,
            initial_reconnect_delay: Duration::from_secs(5),
            max_reconnect_delay: Duration::from_secs(30),
            use_exponential_back_off: false,
            back_off_multiplier: 2,
            max_reconnect_attempts: 0,
        }
    }
}

impl std::fmt::Display for Multicast {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the group {} of multicast://{}", self.group, self.address)
    }
}

impl Multicast {
    /// How long one that was in vain this many times is taken for absent.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        let first = self.initial_reconnect_delay;
        if !self.use_exponential_back_off {
            return first;
        }
        let factor = self.back_off_multiplier.saturating_pow(failures.saturating_sub(1));
        first.saturating_mul(factor).min(self.max_reconnect_delay)
    }

    /// After what silence one is gone.
    pub(super) fn silence(&self) -> Duration {
        self.keep_alive_interval.saturating_mul(10)
    }
}
