//! Where the values of a configuration come from, and what that is called together.

use std::collections::BTreeMap;
use std::fmt;

use kahawai_broker::core::address::Address;

use crate::model::Configuration;
use crate::store_address::StoreAddress;

/// Where a value comes from. What is further down counts more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// A line of a file.
    File {
        /// The file, as it was named.
        file: String,
        /// From 1 on.
        line: u32,
    },
    /// A variable of the environment.
    Environment(String),
    /// An option of the command line.
    Option(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { file, line } => write!(formatter, "{file}:{line}"),
            Self::Environment(name) => formatter.write_str(name),
            Self::Option(name) => formatter.write_str(name),
        }
    }
}

/// The key of the connectors.
pub const CONNECTORS: &str = "transportConnectors";
/// The key of what a group is told of.
pub const DISCOVERY: &str = "discoveryUri";
/// The key of the connectors to other brokers.
pub const NETWORK_CONNECTORS: &str = "networkConnectors";
/// The key of the password of a store.
pub const PASSWORD: &str = "store.password";
/// What the keys of policies begin with.
const POLICY: &str = "policy[";

/// The key of a setting of the store.
pub fn of_store(name: &str) -> String {
    format!("store.{name}")
}

/// What the keys of network connectors begin with.
pub fn of_networks() -> String {
    "networkConnector[".to_owned()
}

/// The key of a setting of a network connector, by its place from 0 on.
pub fn of_network(place: usize, name: &str) -> String {
    format!("networkConnector[{place}].{name}")
}

/// The key of a setting of the policy for a destination, or of the one for all others; with no name that of the policy itself.
pub fn of_policy(address: Option<&Address>, name: &str) -> String {
    match address {
        Some(address) => format!("{POLICY}{address}].{name}"),
        None => format!("{POLICY}default].{name}"),
    }
}

/// A configuration, and where what it says comes from.
#[derive(Clone, Debug, Default)]
pub struct Effective {
    /// What it comes to.
    pub configuration: Configuration,
    /// By key (`brokerName`, `store.leaseDuration`, `policy[queue://ORDERS.>].memoryLimit`) where what is no default comes from.
    pub origins: BTreeMap<String, Origin>,
    /// The store that a file names, where another counts more.
    pub passed_over: Option<StoreAddress>,
}

impl Effective {
    /// Where a setting's value comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or_default()
    }

    /// Where comes from what a key is about, or what such keys begin with.
    pub fn origin_of_any(&self, key: &str) -> Origin {
        let begin = self.origins.range(key.to_owned()..).next().filter(|(found, _)| found.starts_with(key));
        begin.map(|(_, origin)| origin.clone()).unwrap_or_default()
    }

    /// Takes another's policies, and where these come from.
    pub fn take_policies(&mut self, other: Self) {
        self.configuration.broker.policies = other.configuration.broker.policies;
        self.origins.retain(|key, _| !key.starts_with(POLICY));
        self.origins.extend(other.origins.into_iter().filter(|(key, _)| key.starts_with(POLICY)));
    }

    /// Notes where one comes from that counts more than what was there.
    pub fn note(&mut self, key: impl Into<String>, origin: Origin) {
        self.origins.insert(key.into(), origin);
    }
}
