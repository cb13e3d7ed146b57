//! Compares the tables with the elements that ActiveMQ itself knows: `activemq.xsd` in the jar of activemq-spring 5.17 (`tests/fetch` brings it).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use super::table::{Act, Child, Table};
use super::within::{ELEMENTS, attributes_of};
use super::{
    broker, connectors, entry, jdbc, lockers, networks, persistence, plugins, policy, policy_parts,
    statements, usage,
};
use crate::remark::Severity;

const JAR: &str = "/usr/share/java/activemq-spring.jar";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// What may stand in an element, or in one of its properties.
type Known = BTreeMap<String, BTreeSet<String>>;

fn names<T>(table: &'static Table<T>) -> (&'static str, BTreeSet<&'static str>) {
    (table.element, table.names().collect())
}

fn listed<T>(children: &'static [Child<T>]) -> BTreeSet<&'static str> {
    children.iter().map(|one| one.name).collect()
}

/// The text of the schema, or nothing where the jar is not here.
fn schema() -> Option<String> {
    if !Path::new(JAR).exists() {
        return None;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let mut jar = Command::new("jar");
    let done = jar.current_dir(folder.path()).args(["--extract", "--file", JAR, "activemq.xsd"]).status();
    assert!(done.expect("a JDK, as tests/fetch brings it").success(), "{JAR} cannot be unpacked");
    Some(std::fs::read_to_string(folder.path().join("activemq.xsd")).expect("it is in the jar"))
}

/// By element all attributes and properties; by `element/property` the elements that may stand there.
fn known(text: &str) -> Known {
    let document = roxmltree::Document::parse(text).expect("it is XML");
    let is = |node: roxmltree::Node<'_, '_>, name: &str| node.has_tag_name((SCHEMA, name));
    let mut made = Known::new();
    for element in document.root_element().children().filter(|node| is(*node, "element")) {
        let name = element.attribute("name").expect("a name");
        let mut own = BTreeSet::new();
        for node in element.descendants().skip(1) {
            let Some(inner) = node.attribute("name") else { continue };
            if is(node, "attribute") || is(node, "element") {
                own.insert(inner.to_owned());
            }
            if is(node, "element") {
                let elements = node.descendants().filter_map(|node| node.attribute("ref"));
                let elements = elements.map(|name| name.trim_start_matches("tns:").to_owned()).collect();
                made.insert(format!("{name}/{inner}"), elements);
            }
        }
        made.insert(name.to_owned(), own);
    }
    made
}

/// By element the attributes alone.
fn attributes(text: &str) -> Known {
    let document = roxmltree::Document::parse(text).expect("it is XML");
    let is = |node: roxmltree::Node<'_, '_>, name: &str| node.has_tag_name((SCHEMA, name));
    let elements = document.root_element().children().filter(|node| is(*node, "element"));
    let own = |element: roxmltree::Node<'_, '_>| {
        let nodes = element.descendants().filter(|node| is(*node, "attribute"));
        nodes.filter_map(|node| node.attribute("name")).map(str::to_owned).collect()
    };
    elements.map(|element| (element.attribute("name").expect("a name").to_owned(), own(element))).collect()
}

#[test]
fn whatever_activemq_knows_is_in_a_table() {
    let Some(text) = schema() else {
        // A test that says nothing would be taken for one that passed.
        eprintln!(
            "SKIPPED: {JAR} is not here (tests/fetch brings it): the tables are NOT compared with ActiveMQ's elements"
        );
        return;
    };
    let known = known(&text);
    assert!(known.len() > 300 && known["policyEntry"].len() > 50, "the schema is read wrongly");
    let tables = [
        names(&broker::BROKER),
        names(&connectors::CONNECTOR),
        names(&persistence::KAHA_DB),
        names(&jdbc::ADAPTER),
        names(&lockers::SHARED_FILE),
        names(&lockers::DATABASE),
        names(&lockers::LEASE),
        ("transact-database-locker", names(&lockers::DATABASE).1),
        names(&statements::STATEMENTS),
        names(&policy::POLICY_MAP),
        names(&entry::POLICY_ENTRY),
        names(&policy_parts::SHARED),
        names(&policy_parts::INDIVIDUAL),
        names(&policy_parts::DISCARDING),
        names(&policy_parts::CONSTANT),
        names(&policy_parts::PREFETCH_RATE),
        names(&policy_parts::EVICT_OLDEST),
        names(&usage::SYSTEM_USAGE),
        names(&usage::MEMORY_USAGE),
    ];
    let lists = [
        ("policyEntry/deadLetterStrategy", listed(policy_parts::DEAD_LETTER_STRATEGIES)),
        ("policyEntry/pendingMessageLimitStrategy", listed(policy_parts::PENDING_LIMITS)),
        ("policyEntry/messageEvictionStrategy", listed(policy_parts::EVICTION_STRATEGIES)),
        ("policyEntry/dispatchPolicy", listed(entry::DISPATCH_POLICIES)),
        ("policyEntry/subscriptionRecoveryPolicy", listed(entry::RECOVERY_POLICIES)),
        ("policyEntry/slowConsumerStrategy", listed(entry::SLOW_CONSUMERS)),
        ("policyEntry/pendingQueuePolicy", listed(entry::QUEUE_CURSORS)),
        ("policyEntry/pendingDurableSubscriberPolicy", listed(entry::DURABLE_CURSORS)),
        ("policyEntry/pendingSubscriberPolicy", listed(entry::TOPIC_CURSORS)),
        ("policyEntry/messageGroupMapFactory", listed(entry::GROUPS)),
        ("policyEntry/networkBridgeFilterFactory", listed(entry::BRIDGE_FILTERS)),
        ("broker/plugins", listed(plugins::PLUGINS)),
        ("broker/destinationInterceptors", listed(plugins::INTERCEPTORS)),
        ("broker/services", listed(plugins::SERVICES)),
        ("virtualDestinationInterceptor/virtualDestinations", listed(plugins::VIRTUAL)),
    ];
    let mut missing = Vec::new();
    for (place, ours) in tables.into_iter().chain(lists) {
        let theirs = known.get(place).unwrap_or_else(|| panic!("ActiveMQ knows no {place}"));
        missing.extend(
            theirs.iter().filter(|name| !ours.contains(name.as_str())).map(|name| format!("{place}: {name}")),
        );
    }
    // What is told of as a whole has attributes only, and whatever is in a list and has no table is one of these.
    let attributes = attributes(&text);
    for (element, ours) in ELEMENTS {
        let theirs = attributes.get(*element).unwrap_or_else(|| panic!("ActiveMQ knows no {element}"));
        let ours: BTreeSet<&str> = ours.iter().copied().chain(["id"]).collect();
        missing.extend(
            theirs
                .iter()
                .filter(|name| !ours.contains(name.as_str()))
                .map(|name| format!("{element}: {name}")),
        );
        let too_many = ours.iter().filter(|name| !theirs.contains(**name));
        missing.extend(too_many.map(|name| format!("{element} has no {name}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn whatever_is_told_of_as_a_whole_has_its_attributes_listed() {
    fn without<T>(children: &'static [Child<T>]) -> impl Iterator<Item = &'static str> {
        let told = children.iter().filter(|one| match one.act {
            Act::Told(severity, _) => severity != Severity::Refused,
            Act::Door(_) => true,
            Act::Read(_) | Act::ReadHeld(_) => false,
        });
        told.map(|one| one.name).filter(|name| attributes_of(name).is_none())
    }
    let lists: [&[Child<_>]; 9] = [
        policy_parts::EVICTION_STRATEGIES,
        entry::DISPATCH_POLICIES,
        entry::RECOVERY_POLICIES,
        entry::SLOW_CONSUMERS,
        entry::QUEUE_CURSORS,
        entry::DURABLE_CURSORS,
        entry::TOPIC_CURSORS,
        entry::GROUPS,
        entry::BRIDGE_FILTERS,
    ];
    let of_entries = lists.into_iter().flat_map(without);
    let of_brokers =
        [plugins::PLUGINS, plugins::INTERCEPTORS, plugins::VIRTUAL].into_iter().flat_map(without);
    let missing: Vec<_> = of_entries.chain(of_brokers).collect();
    assert_eq!(missing, [""; 0]);
    for property in
        ["networkConnector", "ldapNetworkConnector", "multicastNetworkConnector", "proxyConnector"]
    {
        assert!(attributes_of(property).is_some(), "{property}");
    }
}

#[test]
fn no_table_has_a_name_twice_in_one_role() {
    fn twice<T>(table: &'static Table<T>) {
        let attributes: Vec<_> = table.attributes.iter().copied().flatten().map(|one| one.name).collect();
        let children: Vec<_> = table.children.iter().copied().flatten().map(|one| one.name).collect();
        for names in [attributes, children] {
            let once: BTreeSet<_> = names.iter().collect();
            assert_eq!(once.len(), names.len(), "{}: {names:?}", table.element);
        }
    }
    twice(&broker::BROKER);
    twice(&connectors::CONNECTOR);
    twice(&networks::NETWORK);
    twice(&persistence::KAHA_DB);
    twice(&jdbc::ADAPTER);
    twice(&lockers::SHARED_FILE);
    twice(&lockers::DATABASE);
    twice(&lockers::LEASE);
    twice(&statements::STATEMENTS);
    twice(&entry::POLICY_ENTRY);
    twice(&usage::SYSTEM_USAGE);
    twice(&usage::MEMORY_USAGE);
    for table in [&policy_parts::SHARED, &policy_parts::INDIVIDUAL, &policy_parts::DISCARDING] {
        twice(table);
    }
}
