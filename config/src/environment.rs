//! Settings in the environment: more than a file says, and less than the command line.
//!
//! A setting's variable is its name in capitals: `KAHAWAI_MEMORY_USAGE`, of the store `KAHAWAI_STORE_LEASE_DURATION`, and of the policy for all
//! that no other is for `KAHAWAI_POLICY_MAX_PAGE_SIZE`. Three have a short name besides. A variable that is empty says nothing.

use std::collections::BTreeMap;

use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::core::policy::Policy;

use crate::connector;
use crate::nearest::nearest;
use crate::network_uri;
use crate::origin::{CONNECTORS, Effective, NETWORK_CONNECTORS, Origin, of_network, of_policy, of_store};
use crate::remark::Severity;
use crate::settings::{Setting, broker, policy, store};
use crate::value;

/// What every variable of this program begins with.
const PREFIX: &str = "KAHAWAI_";
/// Short names, and what they are short for.
const SHORT: [(&str, &str); 2] =
    [("KAHAWAI_STORE", "KAHAWAI_STORE_ADDRESS"), ("KAHAWAI_NAME", "KAHAWAI_BROKER_NAME")];
/// An address to listen on, as the option `--bind`.
const BIND: &str = "KAHAWAI_BIND";
/// Those that are no settings.
const OTHERS: [&str; 9] = [
    BIND,
    "KAHAWAI_CONFIG",
    "KAHAWAI_LOG",
    "KAHAWAI_PASSWORD",
    "KAHAWAI_STOP_AT",
    "KAHAWAI_STORE_PASSWORD",
    "KAHAWAI_STORE_PASSWORD_FILE",
    "KAHAWAI_URL",
    "KAHAWAI_USER",
];

/// The variable of a setting of the broker.
pub fn of_broker_variable(name: &str) -> String {
    variable("", name)
}

/// The variable of a setting of the store.
pub fn of_store_variable(name: &str) -> String {
    variable("STORE_", name)
}

/// The variable of a setting of the policy for all that no other is for.
pub fn of_policy_variable(name: &str) -> String {
    variable("POLICY_", name)
}

/// `leaseDuration` is `LEASE_DURATION`.
fn variable(within: &str, name: &str) -> String {
    let mut made = format!("{PREFIX}{within}");
    let mut was_small = false;
    for one in name.chars() {
        if one.is_ascii_uppercase() && was_small {
            made.push('_');
        }
        was_small = one.is_ascii_lowercase();
        made.push(one.to_ascii_uppercase());
    }
    made
}

/// Applies what the environment says. Gives what there is to say of it.
///
/// # Errors
/// All that is wrong, each with its variable, without any value.
pub fn apply(
    environment: &BTreeMap<String, String>,
    effective: &mut Effective,
) -> Result<Vec<String>, Vec<String>> {
    let mut layer = Layer { environment, problems: Vec::new(), remarks: Vec::new(), origins: Vec::new() };
    let configuration = &mut effective.configuration;
    layer.settings(broker::SETTINGS, &mut configuration.broker, of_broker_variable, str::to_owned);
    layer.connectors(&mut configuration.broker);
    layer.network_connectors(&mut configuration.broker);
    layer.settings(store::SETTINGS, configuration, of_store_variable, of_store);
    let mut policy = unbounded(configuration.broker.policies.default_policy());
    if layer.settings(policy::SETTINGS, &mut policy, of_policy_variable, |name| of_policy(None, name)) {
        configuration.broker.policies.set_default(policy);
    }
    layer.unknown();
    let Layer { problems, remarks, origins, .. } = layer;
    effective.origins.extend(origins);
    if problems.is_empty() { Ok(remarks) } else { Err(problems) }
}

/// A policy before its bounds were lowered to its `memoryLimit`, which may be another one now. None of these has a setting.
fn unbounded(policy: &Policy) -> Policy {
    let usual = Policy::default();
    Policy {
        window_bytes_max: usual.window_bytes_max,
        topic_pending_bytes_max: usual.topic_pending_bytes_max,
        ..policy.clone()
    }
}

struct Layer<'a> {
    environment: &'a BTreeMap<String, String>,
    problems: Vec<String>,
    remarks: Vec<String>,
    origins: Vec<(String, Origin)>,
}

impl<'a> Layer<'a> {
    /// What a variable says.
    fn said(&self, name: &str) -> Option<&'a str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Applies what is said of these, in the order of the list; whether anything was.
    fn settings<T>(
        &mut self,
        list: &'static [Setting<T>],
        target: &mut T,
        variable: fn(&str) -> String,
        key: impl Fn(&str) -> String,
    ) -> bool {
        let before = self.origins.len();
        for setting in list {
            let mut name = variable(setting.name);
            let short = SHORT.iter().find(|(_, long)| *long == name).map(|(short, _)| (*short).to_owned());
            if let Some(short) = short
                && self.said(&short).is_some()
            {
                if self.said(&name).is_some() {
                    self.problems.push(format!("{short} and {name} say the same: give one of them"));
                }
                name = short;
            }
            let Some(text) = self.said(&name) else { continue };
            match (setting.set)(target, text) {
                Ok(()) => self.origins.push((key(setting.name), Origin::Environment(name))),
                Err(problem) => self.problems.push(format!("{name} {problem}")),
            }
        }
        self.origins.len() > before
    }

    fn connectors(&mut self, broker: &mut kahawai_broker::BrokerConfig) {
        let name = of_broker_variable(CONNECTORS);
        if let Some(bind) = self.said(BIND) {
            if self.said(&name).is_some() {
                self.problems.push(format!("{BIND} and {name} say the same: give one of them"));
            }
            match value::bind_address(bind) {
                Ok(bind) => broker.bind = vec![bind],
                Err(problem) => self.problems.push(format!("{BIND} {problem}")),
            }
            self.origins.push((CONNECTORS.to_owned(), Origin::Environment(BIND.to_owned())));
            return;
        }
        let Some(uris) = self.said(&name) else { return };
        let mut connectors = Vec::new();
        let mut remarks = Vec::new();
        for uri in uris.split_whitespace() {
            let found = connector::read(uri);
            connectors.extend(found.connector);
            remarks.extend(found.remarks);
        }
        if connectors.is_empty() {
            self.problems.push(format!("{name} needs URIs, with blanks between: tcp://0.0.0.0:61616"));
        }
        for said in connector::says(&connectors) {
            self.origins.push((said.to_owned(), Origin::Environment(name.clone())));
        }
        remarks.extend(connector::apply(&connectors, broker));
        for remark in remarks {
            let text = format!("{name}: {}: {}", remark.what, remark.why);
            match remark.severity {
                Severity::Refused => self.problems.push(text),
                _ => self.remarks.push(text),
            }
        }
    }

    /// They take the place of those that a file says.
    fn network_connectors(&mut self, broker: &mut kahawai_broker::BrokerConfig) {
        let name = of_broker_variable(NETWORK_CONNECTORS);
        let Some(uris) = self.said(&name) else { return };
        broker.network_connectors.clear();
        for (place, uri) in uris.split_whitespace().enumerate() {
            let mut connector = NetworkConnector::default();
            match network_uri::set(&mut connector, uri) {
                Ok(()) => {
                    broker.network_connectors.push(connector);
                    self.origins.push((of_network(place, "uri"), Origin::Environment(name.clone())));
                }
                Err(problem) => self.problems.push(format!("{name} {problem}")),
            }
        }
    }

    /// A slip in a name would say nothing, in silence.
    fn unknown(&mut self) {
        let known: Vec<String> = variables().collect();
        for name in self.environment.keys().filter(|name| name.starts_with(PREFIX)) {
            if known.contains(name) {
                continue;
            }
            // The part that all have in common is no likeness.
            let rest = |name: &'a str| name.get(PREFIX.len()..).unwrap_or_default();
            let others = known.iter().map(|known| known.get(PREFIX.len()..).unwrap_or_default());
            let near = nearest(rest(name), others).filter(|near| near.len() >= 6);
            if let Some(near) = near {
                self.remarks
                    .push(format!("{name} is no setting, and says nothing: is {PREFIX}{near} meant?"));
            }
        }
    }
}

/// All variables that mean something to a broker.
fn variables() -> impl Iterator<Item = String> {
    let broker = broker::SETTINGS.iter().map(|setting| of_broker_variable(setting.name));
    let store = store::SETTINGS.iter().map(|setting| of_store_variable(setting.name));
    let policy = policy::SETTINGS.iter().map(|setting| of_policy_variable(setting.name));
    let others = OTHERS.into_iter().chain(SHORT.iter().map(|(short, _)| *short)).map(str::to_owned);
    broker
        .chain(store)
        .chain(policy)
        .chain(others)
        .chain([CONNECTORS, NETWORK_CONNECTORS].map(of_broker_variable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store_address::StoreAddress;

    fn applied(said: &[(&str, &str)]) -> (Effective, Result<Vec<String>, Vec<String>>) {
        let environment = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut effective = Effective::default();
        let result = apply(&environment, &mut effective);
        (effective, result)
    }

    #[test]
    fn each_setting_has_a_variable_and_no_two_have_the_same() {
        let mut all: Vec<String> = variables().collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(
            of_policy_variable("inactiveTimeoutBeforeGC"),
            "KAHAWAI_POLICY_INACTIVE_TIMEOUT_BEFORE_GC"
        );
        assert_eq!(of_store_variable("journalIo"), "KAHAWAI_STORE_JOURNAL_IO");
    }

    #[test]
    fn what_variables_say_is_set_and_named() {
        let (effective, result) = applied(&[
            ("KAHAWAI_NAME", "a"),
            ("KAHAWAI_MEMORY_USAGE", "32 mb"),
            ("KAHAWAI_STORE_ADDRESS", "/x"),
            ("KAHAWAI_POLICY_MEMORY_LIMIT", "1 mb"),
            ("KAHAWAI_POLICY_QUEUE_PREFETCH", ""),
            ("KAHAWAI_TRANSPORT_CONNECTORS", "tcp://a:1?maximumConnections=5 nio://b:2"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(result.expect("it is right").len(), 1, "nio is told of");
        let broker = &effective.configuration.broker;
        assert_eq!((broker.broker_name.as_str(), broker.limits.memory_bytes_max), ("a", 32 << 20));
        assert_eq!((broker.bind.join(" "), broker.maximum_connections), ("a:1 b:2".to_owned(), 5));
        assert_eq!(effective.configuration.store.address, StoreAddress::Journal("/x".into()));
        let policy = broker.policies.default_policy();
        assert_eq!((policy.memory_limit, policy.window_bytes_max), (Some(1 << 20), 1 << 20));
        for (key, expected) in [
            ("brokerName", "KAHAWAI_NAME"),
            ("store.address", "KAHAWAI_STORE_ADDRESS"),
            ("maximumConnections", "KAHAWAI_TRANSPORT_CONNECTORS"),
            ("policy[default].memoryLimit", "KAHAWAI_POLICY_MEMORY_LIMIT"),
            ("policy[default].queuePrefetch", "default"),
        ] {
            assert_eq!(effective.origin(key).to_string(), expected);
        }
    }

    #[test]
    fn a_limit_that_counts_more_than_a_files_bounds_a_policy_as_if_it_alone_were_said() {
        let mut effective = Effective::default();
        let small = Policy { memory_limit: Some(1 << 20), ..Policy::default() };
        effective.configuration.broker.policies.set_default(small);
        let said = [("KAHAWAI_POLICY_MEMORY_LIMIT".to_owned(), "8 mb".to_owned())];
        assert_eq!(apply(&said.into(), &mut effective), Ok(vec![]));
        let expected = Policy { memory_limit: Some(8 << 20), ..Policy::default() };
        let expected = kahawai_broker::core::policy::Policies::new(expected);
        assert_eq!(effective.configuration.broker.policies, expected);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_variable_and_what_was_meant_is_guessed() {
        for (said, expected) in [
            (vec![("KAHAWAI_MEMORY_USAGE", "much")], "KAHAWAI_MEMORY_USAGE needs"),
            (vec![("KAHAWAI_STORE", "a"), ("KAHAWAI_STORE_ADDRESS", "b")], "KAHAWAI_STORE and"),
            (vec![("KAHAWAI_BIND", "a")], "KAHAWAI_BIND "),
            (
                vec![("KAHAWAI_BIND", "a:1"), ("KAHAWAI_TRANSPORT_CONNECTORS", "tcp://a:1")],
                "KAHAWAI_BIND and",
            ),
            (
                vec![("KAHAWAI_TRANSPORT_CONNECTORS", "ssl://a:1 tcp://a:2")],
                "KAHAWAI_TRANSPORT_CONNECTORS: ssl://",
            ),
            (vec![("KAHAWAI_TRANSPORT_CONNECTORS", " ")], "KAHAWAI_TRANSPORT_CONNECTORS needs"),
        ] {
            let problems = applied(&said).1.expect_err("it is wrong");
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}");
        }
        let remarks = applied(&[
            ("KAHAWAI_MEMORY_USE", "1"),
            ("KAHAWAI_STORE_LEASE_DURATON", "1"),
            ("KAHAWAI_SEED", "1"),
            ("KAHAWAI_TEST_SCALE", "1"),
        ]);
        let remarks = remarks.1.expect("nothing is wrong");
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(remarks[0].contains("is KAHAWAI_MEMORY_USAGE meant?"), "{remarks:?}");
        assert!(remarks[1].contains("is KAHAWAI_STORE_LEASE_DURATION meant?"), "{remarks:?}");
    }
}
