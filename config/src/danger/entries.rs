//! Which policy applies.

use kahawai_broker::core::address::Address;

use super::rule::{Danger, Rule};
use crate::model::Configuration;
use crate::origin::of_policy;

pub(super) static RULES: &[Rule] = &[
    Rule { name: "a policy that never applies", find: never_applies },
    Rule { name: "a name that looks like a pattern", find: looks_like_a_pattern },
];

/// An element of a name that no entry names.
const FRESH: &str = "\u{1}";

/// Names that stand for all that a pattern matches: whatever takes one of them from it takes all that are as long. None of a plain name.
fn stands_for(pattern: &str, longest: usize) -> Vec<String> {
    let elements: Vec<&str> = pattern.split('.').collect();
    let end = elements.iter().rposition(|element| *element != ">").map_or(0, |last| last + 1);
    let fixed: Vec<&str> =
        elements[..end].iter().map(|element| if *element == "*" { FRESH } else { *element }).collect();
    if end == elements.len() {
        return if elements.contains(&"*") { vec![fixed.join(".")] } else { Vec::new() };
    }
    let lengths = fixed.len().max(1)..=longest.max(fixed.len()) + 1;
    let named = |length: usize| {
        let more = std::iter::repeat_n(FRESH, length.saturating_sub(fixed.len()));
        fixed.iter().copied().chain(more).collect::<Vec<_>>().join(".")
    };
    lengths.map(named).collect()
}

fn never_applies(configuration: &Configuration) -> Vec<Danger> {
    /// Beyond these it is not looked at: with so many patterns it would take longer than a person waits.
    const PATTERNS_MAX: usize = 1000;
    let policies = &configuration.broker.policies;
    let entries = policies.entries();
    let longest = entries.keys().map(|address| address.name.split('.').count()).max().unwrap_or(1).min(64);
    let mut found = Vec::new();
    let patterns = entries.iter().filter(|(address, _)| address.is_pattern());
    if patterns.clone().count() > PATTERNS_MAX {
        return found;
    }
    for (address, policy) in patterns {
        let names = stands_for(&address.name, longest);
        let is_taken = |name: &String| {
            let chosen = policies.of(&Address::new(address.kind, name.as_str()));
            !std::ptr::eq(chosen.as_ref(), *policy)
        };
        if !names.is_empty() && names.iter().all(is_taken) {
            let advice = "it never applies: another entry is chosen for all that it matches, and nothing is taken from a second one; remove it, or \
                          write a narrower pattern";
            found.push(Danger::new(of_policy(Some(address), ""), format!("the policy of {address}"), advice));
        }
    }
    found
}

fn looks_like_a_pattern(configuration: &Configuration) -> Vec<Danger> {
    let mut found = Vec::new();
    for address in configuration.broker.policies.entries().into_keys() {
        let has_one = address.name.contains(['*', '>']);
        if has_one && stands_for(&address.name, 1).is_empty() {
            let advice = "it is for a destination of just this name: * and > stand for whole elements between dots, and > at the end only; write \
                          A.* or A.>";
            found.push(Danger::new(of_policy(Some(address), ""), format!("the policy of {address}"), advice));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::rule::{finds, found};
    use super::*;

    /// A policy each for these queues, no two alike.
    fn policies(names: &[&str]) -> String {
        let entries = names.iter().enumerate();
        entries
            .map(|(number, name)| format!("[[policy]]\nqueue = \"{name}\"\nmaxPageSize = {}\n", number + 1))
            .collect()
    }

    #[test]
    fn a_policy_that_another_always_wins_over_is_told_of() {
        let fine =
            [&[">", "A.>", "A.*", "A.B", "*.C"][..], &["*.*", "*.>", "A.*"], &["*", ">"]].map(policies);
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(never_applies, &policies(&["A.>", "A.>.>"]), &["the policy of queue://A.>"], &fine);
        // For names of each length another one is chosen.
        let found = found(never_applies, &policies(&["A.*.>", "A", "A.>"]));
        assert!(
            found.len() == 1 && found[0].starts_with("the policy of queue://A.>: it never applies"),
            "{found:?}"
        );
    }

    #[test]
    fn a_name_that_only_looks_like_a_pattern_is_told_of() {
        let fine = policies(&["A.*", "A.>", ">", "A", "*.B"]);
        finds(looks_like_a_pattern, &policies(&["A*"]), &["queue://A*", "just this name"], &[&fine]);
        finds(looks_like_a_pattern, &policies(&["A.>.B"]), &["A.>.B"], &[]);
    }
}
