//! Brokers that a connector does not name, but finds.

use super::retry::RetryOptions;
use super::target::Remote;
use crate::discovery::Multicast;
use crate::discovery::agent::FORGIVEN_AFTER;

/// An option's name, and its value.
pub type Given = (String, String);

/// How they are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The group that they tell of themselves.
    pub multicast: Multicast,
    /// `discovered.…`: options for each of them, which win over what stands behind its own address.
    pub discovered: Vec<Given>,
    /// Reads an address that somebody told, and these options.
    pub address: ReadAddress,
}

/// What reads an address, with such options. It is anything that anybody may have said.
#[derive(Clone, Copy)]
pub struct ReadAddress(pub fn(&str, &[Given]) -> Result<Remote, String>);

impl std::fmt::Debug for ReadAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

/// It is no part of what is configured.
impl PartialEq for ReadAddress {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ReadAddress {}

impl Finding {
    /// When one that was found is tried again, as it is told: the agent decides it.
    pub fn retry(&self) -> RetryOptions {
        let options = &self.multicast;
        RetryOptions {
            initial_reconnect_delay: options.initial_reconnect_delay,
            max_reconnect_delay: options.max_reconnect_delay,
            use_exponential_back_off: options.use_exponential_back_off,
            back_off_multiplier: options.back_off_multiplier,
            // One more is tried there.
            max_reconnect_attempts: match options.max_reconnect_attempts {
                0 => 0,
                most => most.saturating_add(1),
            },
            min_connect_time: FORGIVEN_AFTER,
        }
    }
}
