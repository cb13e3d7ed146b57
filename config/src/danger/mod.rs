//! Combinations of settings that do what they say, and more than whoever wrote them may have meant: each rule says what may happen and what to
//! write instead.
//!
//! | module | rules about |
//! |---|---|
//! | [`rule`] | what a rule is |
//! | [`connectors`] | where clients connect |
//! | [`stores`] | where messages are kept |
//! | [`networks`] | network connectors |
//! | [`pairs`] | master and slave without a shared store |
//! | [`policies`] | single policies |
//! | [`entries`] | which policy applies |

mod connectors;
mod entries;
mod networks;
mod pairs;
mod policies;
mod rule;
mod stores;

use crate::model::Configuration;
use crate::origin::{Effective, Origin};
pub use rule::{Danger, Rule};

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [connectors::RULES, networks::RULES, stores::RULES, pairs::RULES, policies::RULES, entries::RULES]
        .into_iter()
        .flatten()
}

/// What every rule finds.
pub fn find(configuration: &Configuration) -> Vec<Danger> {
    rules().flat_map(|rule| (rule.find)(configuration)).collect()
}

/// What every rule finds in what a broker is told, whoever said it, and where it comes from.
pub fn told(effective: &Effective) -> Vec<(Origin, Danger)> {
    let found = find(&effective.configuration).into_iter();
    found.map(|danger| (effective.origin_of_any(&danger.key), danger)).collect()
}

/// As one line for people. What nobody said has no place.
pub fn line(origin: &Origin, danger: &Danger) -> String {
    match origin {
        Origin::Default => format!("{}: {}", danger.what, danger.advice),
        origin => format!("{origin}: {}: {}", danger.what, danger.advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::of_policy;

    #[test]
    fn what_is_told_names_where_it_comes_from() {
        let mut effective = Effective::default();
        assert_eq!(told(&effective), []);
        let environment = [
            ("KAHAWAI_STORE_LOCK_ACQUIRE_SLEEP_INTERVAL", "10s"),
            ("KAHAWAI_POLICY_GC_INACTIVE_DESTINATIONS", "true"),
        ];
        let environment = environment.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        assert_eq!(crate::environment::apply(&environment, &mut effective), Ok(vec![]));
        let lines = |effective: &Effective| -> Vec<String> {
            told(effective).iter().map(|(origin, danger)| line(origin, danger)).collect()
        };
        let found = lines(&effective);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("KAHAWAI_STORE_LOCK_ACQUIRE_SLEEP_INTERVAL: lockAcquireSleepInterval: "),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("KAHAWAI_POLICY_GC_INACTIVE_DESTINATIONS: gcInactiveDestinations in the policy of all others: "),
            "{found:?}"
        );
        effective.note("store.lockAcquireSleepInterval", Origin::Option("--lock-acquire-sleep-interval"));
        assert!(lines(&effective)[0].starts_with("--lock-acquire-sleep-interval: "));
        // With no policy that says so nothing of it is left, and where nobody said anything there is no place.
        let other = Effective::default();
        effective.take_policies(other);
        assert_eq!(lines(&effective).len(), 1);
        assert!(!effective.origins.contains_key(&of_policy(None, "gcInactiveDestinations")));
        effective.origins.clear();
        assert!(lines(&effective)[0].starts_with("lockAcquireSleepInterval: "));
    }
}
