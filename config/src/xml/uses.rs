//! Where an `activemq.xml` says a setting, by the tables that it is read by.

use super::table::{Fate, Table};
use super::{broker, connectors, entry, lockers, networks, persistence, policy_parts};

fn in_table<T>(table: &'static Table<T>, name: &str) -> Option<String> {
    let found = table.attribute(name)?;
    matches!(found.fate, Fate::Used(_) | Fate::Setting(_)).then(|| format!("`<{} {name}>`", table.element))
}

/// A setting of the broker.
pub(crate) fn used_by_broker(name: &str) -> Option<String> {
    let broker = in_table(&broker::BROKER, name).or_else(|| in_table(&connectors::CONNECTOR, name));
    broker.or_else(|| in_table(&persistence::KAHA_DB, name))
}

/// A setting of the store.
pub(crate) fn used_by_store(name: &str) -> Option<String> {
    in_table(&persistence::KAHA_DB, name).or_else(|| in_table(&lockers::SHARED_FILE, name))
}

/// A setting of a policy.
pub(crate) fn used_by_policy(name: &str) -> Option<String> {
    let entry = in_table(&entry::POLICY_ENTRY, name);
    entry
        .or_else(|| in_table(&policy_parts::SHARED, name))
        .or_else(|| in_table(&policy_parts::INDIVIDUAL, name))
}

/// A setting of a network connector.
pub(crate) fn used_by_network(name: &str) -> Option<String> {
    in_table(&networks::NETWORK, name)
        .or_else(|| networks::NETWORK.child(name).map(|_| format!("`<{name}>`")))
}
