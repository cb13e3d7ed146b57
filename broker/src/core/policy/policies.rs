//! Which policy a destination has.
//!
//! As with ActiveMQ's `PolicyMap` **one entry applies**: nothing is merged with others, nothing inherited from them. An entry for exactly the
//! destination's name comes first; of two patterns that match, the one that contains the other loses to it (`ORDERS.EU.*` is chosen before
//! `ORDERS.>`); where neither does, the first by name is chosen. Queues, topics and the two temporary kinds have entries of their own.
//!
//! ActiveMQ's order has two faults, of which one is kept. Its filters find `A.*` and `A.>` to contain each other, so that chance decides
//! between them: here `A.*` is chosen. And it takes `A.*.B.>` to contain `A.X.*.C`, as a `*` in the second meets anything in the first: that is
//! certain with ActiveMQ, and so it is here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::entry::Policy;
use crate::core::address::Address;

/// The entries. See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    by_address: HashMap<Address, Arc<Policy>>,
    /// Those whose name is a pattern: in their own order, so that in which they were added changes nothing, not what is equal either.
    patterns: BTreeSet<Address>,
    default: Arc<Policy>,
}

impl Policies {
    /// No entry but this one, for all that no other is for (`<defaultEntry>`).
    pub fn new(default: Policy) -> Self {
        Self { default: Arc::new(default.bounded()), ..Self::default() }
    }

    /// Adds an entry for a destination or a pattern (`queue="A.>"` is `Address::queue("A.>")`, `tempQueue="true"` is every temporary
    /// queue: `>`); of a composite name each part gets it. Gives whether all of it was new: what has an entry keeps the one it has.
    #[must_use = "an entry that is there twice is a mistake of whoever wrote it"]
    pub fn add(&mut self, address: &Address, policy: Policy) -> bool {
        let policy = Arc::new(policy.bounded());
        let mut new = true;
        for part in address.parts() {
            if self.by_address.contains_key(&part) {
                new = false;
                continue;
            }
            if is_pattern(&part.name) {
                self.patterns.insert(part.clone());
            }
            self.by_address.insert(part, Arc::clone(&policy));
        }
        new
    }

    /// The policy for all that no other is for.
    pub fn default_policy(&self) -> &Policy {
        &self.default
    }

    /// Puts another one in its place.
    pub fn set_default(&mut self, policy: Policy) {
        self.default = Arc::new(policy.bounded());
    }

    /// The others, each with the one destination or pattern that it is for, in their order.
    pub fn entries(&self) -> BTreeMap<&Address, &Policy> {
        self.by_address.iter().map(|(address, policy)| (address, policy.as_ref())).collect()
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.by_address.values().chain([&self.default]).map(AsRef::as_ref)
    }

    /// The policy of a destination, or of a consumer of this address, which may be a pattern too; of a composite the first part counts.
    pub fn of(&self, address: &Address) -> &Arc<Policy> {
        if address.is_composite() {
            return address.parts().first().map_or(&self.default, |first| self.of(first));
        }
        if let Some(exactly) = self.by_address.get(address) {
            return exactly;
        }
        let covering =
            |pattern: &&Address| pattern.kind == address.kind && covers(&pattern.name, &address.name);
        let matching = self.patterns.iter().filter(covering);
        let chosen = matching.reduce(|best, other| match order(&best.name, &other.name) {
            Ordering::Greater => other,
            _ => best,
        });
        chosen.and_then(|pattern| self.by_address.get(pattern)).unwrap_or(&self.default)
    }
}

const ANY_CHILD: &str = "*";
const ANY_DESCENDENT: &str = ">";

/// What a name of an entry stands for, as ActiveMQ's `DestinationFilter` reads it: a `>` that is not at the end is an element like any other.
enum Shape<'a> {
    /// These elements, and whatever comes behind them.
    Prefix(Vec<&'a str>),
    /// As many elements.
    Elements(Vec<&'a str>),
    Plain,
}

fn shape(name: &str) -> Shape<'_> {
    let mut elements: Vec<_> = name.split('.').collect();
    if elements.last() == Some(&ANY_DESCENDENT) {
        while elements.pop_if(|last| *last == ANY_DESCENDENT).is_some() {}
        Shape::Prefix(elements)
    } else if elements.contains(&ANY_CHILD) {
        Shape::Elements(elements)
    } else {
        Shape::Plain
    }
}

fn is_pattern(name: &str) -> bool {
    !matches!(shape(name), Shape::Plain)
}

/// Whether a pattern matches a name, or seems to contain another pattern: ActiveMQ asks both in the same way.
fn covers(pattern: &str, name: &str) -> bool {
    let path: Vec<_> = name.split('.').collect();
    let meets = |(wanted, found): (&&str, &&str)| *wanted == ANY_CHILD || wanted == found;
    match shape(pattern) {
        Shape::Prefix(elements) => {
            path.len() >= elements.len()
                && elements
                    .iter()
                    .zip(&path)
                    .all(|(wanted, found)| *found == ANY_CHILD || meets((wanted, found)))
        }
        Shape::Elements(elements) => path.len() == elements.len() && elements.iter().zip(&path).all(meets),
        Shape::Plain => pattern == name,
    }
}

/// Whether whatever one pattern matches is matched by another.
fn contains(outer: &str, inner: &str) -> bool {
    let meets = |(wanted, found): (&&str, &&str)| *wanted == ANY_CHILD || wanted == found;
    match (shape(outer), shape(inner)) {
        (Shape::Prefix(outer), Shape::Prefix(inner) | Shape::Elements(inner)) => {
            inner.len() >= outer.len() && outer.iter().zip(&inner).all(meets)
        }
        (Shape::Elements(outer), Shape::Elements(inner)) => {
            inner.len() == outer.len() && outer.iter().zip(&inner).all(meets)
        }
        _ => false,
    }
}

/// Which of two patterns comes first, the lesser.
fn order(one: &str, other: &str) -> Ordering {
    let by = |within: fn(&str, &str) -> bool| within(one, other).cmp(&within(other, one));
    by(contains).then_with(|| by(covers)).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::address::AddressKind;

    /// Entries for queues whose policy's page size says which one it is: 1 for the first.
    fn policies(names: &[&str]) -> Policies {
        let mut policies = Policies::new(numbered(0));
        for (number, name) in (1..).zip(names) {
            assert!(policies.add(&Address::queue(*name), numbered(number)), "{name}");
        }
        policies
    }

    fn numbered(number: usize) -> Policy {
        Policy { page_messages_max: number, ..Policy::default() }
    }

    fn chosen(policies: &Policies, address: &Address) -> usize {
        policies.of(address).page_messages_max
    }

    /// In whichever order they were added the entry with this name is chosen for a queue.
    fn is_chosen(entries: &[&str], name: &str, expected: &str) {
        let reversed: Vec<_> = entries.iter().rev().copied().collect();
        for entries in [entries, &reversed] {
            let number = chosen(&policies(entries), &Address::queue(name));
            let found = number.checked_sub(1).and_then(|index| entries.get(index));
            assert_eq!(found.copied().unwrap_or("default"), expected, "{name} of {entries:?}");
        }
    }

    #[test]
    fn an_exact_name_comes_first_and_a_pattern_that_contains_another_loses_to_it() {
        let entries = [">", "ORDERS.>", "ORDERS.EU.*", "ORDERS.EU.NEW", "*.EU.OLD"];
        is_chosen(&entries, "ORDERS.EU.NEW", "ORDERS.EU.NEW");
        is_chosen(&entries, "ORDERS.EU.X", "ORDERS.EU.*");
        is_chosen(&entries, "ORDERS.EU.X.Y", "ORDERS.>");
        is_chosen(&entries, "ORDERS", "ORDERS.>");
        is_chosen(&entries, "BILLS.EU.OLD", "*.EU.OLD");
        is_chosen(&entries, "BILLS", ">");
        is_chosen(&["A.*", "A.>"], "A.B", "A.*");
        is_chosen(&["A.B"], "A.C", "default");
    }

    #[test]
    fn where_no_pattern_contains_the_other_the_name_decides() {
        is_chosen(&["A.*.*", "*.B.C"], "A.B.C", "*.B.C");
        is_chosen(&["A.*.C", "A.B.*"], "A.B.C", "A.*.C");
        // ActiveMQ finds the first to contain the second, though it does not.
        is_chosen(&["A.*.B.>", "A.X.*.C"], "A.X.B.C", "A.X.*.C");
    }

    #[test]
    fn what_only_looks_like_a_pattern_is_a_name() {
        is_chosen(&["A.>.B", "A*"], "A.X.B", "default");
        is_chosen(&["A.>.B", "A*"], "AB", "default");
        is_chosen(&["A.>.B", "A*"], "A.>.B", "A.>.B");
        is_chosen(&["A.>.>"], "A", "A.>.>");
    }

    #[test]
    fn consumers_of_a_pattern_have_the_entry_that_covers_it() {
        is_chosen(&["A.>", "A.B.*", ">"], "A.>", "A.>");
        is_chosen(&["A.>", "A.B.*", ">"], "A.*", "A.>");
        is_chosen(&["A.B.*"], "A.>", "default");
        is_chosen(&["A.>", "C"], "A.X,C", "A.>");
    }

    #[test]
    fn each_kind_has_its_own_entries_and_a_second_one_for_the_same_changes_nothing() {
        let mut policies = policies(&["A.>"]);
        assert_eq!(chosen(&policies, &Address::topic("A.B")), 0);
        assert!(policies.add(&Address::topic("A.B, A.C"), numbered(2)));
        assert!(policies.add(&Address::new(AddressKind::TemporaryQueue, ">"), numbered(3)));
        assert!(!policies.add(&Address::queue("A.>,D"), numbered(4)));
        assert_eq!(chosen(&policies, &Address::topic("A.C")), 2);
        assert_eq!(chosen(&policies, &Address::new(AddressKind::TemporaryQueue, "ID:host-1:1:1")), 3);
        assert_eq!(chosen(&policies, &Address::new(AddressKind::TemporaryTopic, "ID:host-1:1:1")), 0);
        assert_eq!(chosen(&policies, &Address::queue("A.B")), 1);
        assert_eq!(chosen(&policies, &Address::queue("D")), 4);
    }

    #[test]
    fn in_which_order_entries_were_added_makes_no_difference() {
        let entries = [("A.>", 1), ("B", 2), ("*.C", 3), ("A.*", 4)];
        let made = |entries: &mut dyn Iterator<Item = (&str, usize)>| {
            let mut policies = Policies::new(numbered(0));
            for (name, number) in entries {
                assert!(policies.add(&Address::queue(name), numbered(number)), "{name}");
            }
            policies
        };
        let policies = made(&mut entries.into_iter());
        assert_eq!(policies, made(&mut entries.into_iter().rev()));
        // What is equal holds the same.
        assert_ne!(policies, made(&mut entries.into_iter().skip(1)));
        assert_ne!(policies, made(&mut entries.into_iter().map(|(name, number)| (name, number.max(2)))));
    }
}
