//! What one configuration says otherwise than another.

use crate::model::Configuration;
use crate::origin::{CONNECTORS, NETWORK_CONNECTORS};
use crate::settings::{Setting, broker, store};

/// A setting that two configurations say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub name: &'static str,
    /// How the first shows it.
    pub before: String,
    /// How the second shows it.
    pub after: String,
}

/// What they say otherwise of the broker and the store: all but policies. What a secret was is not told, only that it is another.
pub fn beside_policies(before: &Configuration, after: &Configuration) -> Vec<Difference> {
    let mut found = Vec::new();
    differ(store::SETTINGS, before, after, &mut found);
    differ(broker::SETTINGS, &before.broker, &after.broker, &mut found);
    let store = (&before.store, &after.store);
    let mut hidden = |name, is_other: bool| {
        if is_other && found.iter().all(|other| other.name != name) {
            found.push(Difference { name, before: "…".into(), after: "…".into() });
        }
    };
    hidden("address", store.0.address != store.1.address);
    hidden("arbiter", before.broker.pair.arbiter != after.broker.pair.arbiter);
    hidden("password", store.0.password != store.1.password);
    let networks = (&before.broker.network_connectors, &after.broker.network_connectors);
    hidden(NETWORK_CONNECTORS, networks.0 != networks.1);
    let [before, after] = [before, after].map(|config| config.broker.bind.join(", "));
    if before != after {
        found.push(Difference { name: CONNECTORS, before, after });
    }
    found
}

fn differ<T>(settings: &[Setting<T>], before: &T, after: &T, found: &mut Vec<Difference>) {
    for setting in settings {
        let [before, after] =
            [before, after].map(|of| (setting.show)(of).unwrap_or_else(|| "not set".to_owned()));
        if before != after {
            found.push(Difference { name: setting.name, before, after });
        }
    }
}

#[cfg(test)]
mod tests {
    use kahawai_broker::core::policy::{Policies, Policy};
    use kahawai_journal::disk::directory::SegmentIo;

    use super::*;
    use crate::secret::Secret;
    use crate::store_address::StoreAddress;

    #[test]
    fn whatever_is_not_a_policy_is_named_and_no_secret_is_told() {
        let before = Configuration::default();
        let mut after = before.clone();
        after.broker.policies = Policies::new(Policy { page_messages_max: 1, ..Policy::default() });
        assert_eq!(beside_policies(&before, &after), []);
        after.broker.broker_name = "other".into();
        after.store.password = Some(Secret("hush".into()));
        after.store.journal.journal_max_file_length *= 2;
        after.store.segment_io = Some(SegmentIo::Plain);
        after.broker.bind = vec!["a:1".into()];
        let found = beside_policies(&before, &after);
        let names: Vec<_> = found.iter().map(|found| found.name).collect();
        assert_eq!(names, ["journalMaxFileLength", "journalIo", "brokerName", "password", CONNECTORS]);
        assert_eq!((&*found[1].before, &*found[1].after), ("not set", "plain"));
        assert_eq!((&*found[2].before, &*found[2].after), ("localhost", "other"));
        let with = |url: &str| {
            let mut config = before.clone();
            config.store.address = StoreAddress::Postgres(Secret(url.to_owned()));
            config
        };
        let found = beside_policies(&with("postgres://u:hush@h/d"), &with("postgres://u:hash@h/d"));
        assert_eq!(found.len(), 1);
        assert!(found[0].name == "address" && !format!("{found:?}").contains("sh@"), "{found:?}");
    }
}
