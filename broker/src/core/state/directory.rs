//! Which destinations there are, by key and by name, and who consumes by a pattern what may yet come to be.

use std::collections::{BTreeMap, HashMap};

use kahawai_store::names::DestinationId;

use super::destination::Destination;
use crate::core::address::Address;
use crate::core::keys::{ConsumerKey, DestinationKey};

/// See the module. A destination has one name and a name at most one destination.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    destinations: BTreeMap<DestinationKey, Destination>,
    by_address: HashMap<Address, DestinationKey>,
    /// Consumers whose destination is a pattern, in whole or in part, with these parts of it.
    watchers: BTreeMap<ConsumerKey, Vec<Address>>,
}

impl Directory {
    pub(crate) fn len(&self) -> usize {
        self.destinations.len()
    }

    pub(crate) fn get(&self, key: DestinationKey) -> Option<&Destination> {
        self.destinations.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: DestinationKey) -> Option<&mut Destination> {
        self.destinations.get_mut(&key)
    }

    /// The destination with this plain name.
    pub(crate) fn find(&self, address: &Address) -> Option<DestinationKey> {
        self.by_address.get(address).copied()
    }

    /// Whether there is a destination with this plain name.
    pub(crate) fn has(&self, address: &Address) -> bool {
        self.by_address.contains_key(address)
    }

    /// All of them, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DestinationKey, &Destination)> {
        self.destinations.iter().map(|(key, destination)| (*key, destination))
    }

    /// Those that a pattern stands for, the oldest first.
    pub(crate) fn matching(&self, pattern: &Address) -> Vec<DestinationKey> {
        self.iter().filter(|(_, found)| pattern.matches(&found.address)).map(|(key, _)| key).collect()
    }

    /// The one that the store knows by this name.
    pub(crate) fn find_stored(&self, id: DestinationId) -> Option<DestinationKey> {
        self.iter().find(|(_, found)| found.stored == Some(id)).map(|(key, _)| key)
    }

    /// A destination comes to be.
    pub(crate) fn insert(&mut self, key: DestinationKey, destination: Destination) {
        let other = self.by_address.insert((*destination.address).clone(), key);
        debug_assert!(other.is_none(), "{} is there already", destination.address);
        let other = self.destinations.insert(key, destination);
        debug_assert!(other.is_none(), "{key:?} was used twice");
    }

    /// A destination goes.
    pub(crate) fn remove(&mut self, key: DestinationKey) -> Option<Destination> {
        let destination = self.destinations.remove(&key)?;
        let named = self.by_address.remove(&*destination.address);
        debug_assert_eq!(named, Some(key), "{} was found by its name", destination.address);
        Some(destination)
    }

    /// A consumer gets what comes to be by the patterns among these parts of its destination's name.
    pub(crate) fn watch(&mut self, key: ConsumerKey, parts: &[Address]) {
        // A temporary one that is consumed from elsewhere may go with a line, and come back with the next.
        let may_come = |part: &&Address| part.is_pattern() || part.kind.is_temporary();
        let patterns: Vec<_> = parts.iter().filter(may_come).cloned().collect();
        if !patterns.is_empty() {
            self.watchers.insert(key, patterns);
        }
    }

    /// A consumer is gone.
    pub(crate) fn unwatch(&mut self, key: ConsumerKey) {
        self.watchers.remove(&key);
    }

    /// Whether a consumer gets what comes to be.
    pub(crate) fn watches(&self, key: ConsumerKey) -> bool {
        self.watchers.contains_key(&key)
    }

    /// The consumers that get a destination of this plain name by a pattern, the oldest first.
    pub(crate) fn watchers_of(&self, address: &Address) -> impl Iterator<Item = ConsumerKey> {
        let wants = |patterns: &[Address]| patterns.iter().any(|pattern| pattern.matches(address));
        self.watchers.iter().filter(move |(_, patterns)| wants(patterns)).map(|(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn directory(names: &[&str]) -> Directory {
        let mut directory = Directory::default();
        for (key, name) in (1..).zip(names) {
            directory.insert(DestinationKey(key), destination(name, key));
        }
        directory
    }

    fn destination(name: &str, id: u64) -> Destination {
        Destination {
            address: Arc::new(Address::queue(name)),
            policy: Arc::default(),
            unused_since: None,
            owner: None,
            passed: None,
            stored: Some(DestinationId(id + 100)),
            queue: None,
            subscribers: Vec::new(),
            durables: Vec::new(),
            under_way: 0,
        }
    }

    #[test]
    fn what_is_gone_is_found_by_no_name_and_may_come_again() {
        let mut directory = directory(&["a", "b"]);
        assert_eq!(directory.find(&Address::queue("b")), Some(DestinationKey(2)));
        assert_eq!(directory.find_stored(DestinationId(102)), Some(DestinationKey(2)));
        assert!(!directory.has(&Address::topic("b")), "a topic of the same name is another");
        assert!(directory.remove(DestinationKey(2)).is_some());
        assert!(!directory.has(&Address::queue("b")) && directory.get(DestinationKey(2)).is_none());
        assert_eq!(directory.find_stored(DestinationId(102)), None);
        assert!(directory.remove(DestinationKey(2)).is_none());
        directory.insert(DestinationKey(3), destination("b", 3));
        assert_eq!((directory.find(&Address::queue("b")), directory.len()), (Some(DestinationKey(3)), 2));
    }

    #[test]
    fn a_pattern_stands_for_what_is_there_the_oldest_first() {
        let directory = directory(&["b.one", "a.one", "b", "b.two.three"]);
        let keys = |pattern| -> Vec<_> {
            directory.matching(&Address::queue(pattern)).into_iter().map(|key| key.0).collect()
        };
        assert_eq!(keys("b.>"), [1, 3, 4]);
        assert_eq!(keys("b.*"), [1]);
        assert_eq!(keys("*.one"), [1, 2]);
        assert!(directory.matching(&Address::topic(">")).is_empty());
    }

    #[test]
    fn who_consumes_by_a_pattern_gets_what_comes_to_be_until_it_goes() {
        let mut directory = Directory::default();
        let (one, two, plain) = (ConsumerKey(1), ConsumerKey(2), ConsumerKey(3));
        directory.watch(two, &Address::queue("b.>").parts());
        directory.watch(one, &Address::queue("plain,a.*,b.*").parts());
        directory.watch(plain, &Address::queue("plain").parts());
        let watchers = |directory: &Directory, name: &str| -> Vec<_> {
            directory.watchers_of(&Address::queue(name)).map(|key| key.0).collect()
        };
        assert_eq!(watchers(&directory, "b.c"), [1, 2]);
        assert_eq!(watchers(&directory, "a.c"), [1]);
        assert_eq!(watchers(&directory, "plain"), [0; 0], "what it names is attached by that");
        assert!(directory.watches(one) && !directory.watches(plain));
        directory.unwatch(one);
        assert_eq!(watchers(&directory, "b.c"), [2]);
        assert!(!directory.watches(one));
    }
}
