//! Combinations of settings that do what they say, and more than whoever wrote them may have meant: each rule says what may happen and what to
//! write instead.
//!
//! | module | rules about |
//! |---|---|
//! | [`rule`] | what a rule is |
//! | [`connectors`] | where clients connect |
//! | [`stores`] | where messages are kept |
//! | [`policies`] | single policies |
//! | [`entries`] | which policy applies |

mod connectors;
mod entries;
mod policies;
mod rule;
mod stores;

use crate::model::Configuration;
pub use rule::{Danger, Rule};

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [connectors::RULES, stores::RULES, policies::RULES, entries::RULES].into_iter().flatten()
}

/// What every rule finds.
pub fn find(configuration: &Configuration) -> Vec<Danger> {
    rules().flat_map(|rule| (rule.find)(configuration)).collect()
}
