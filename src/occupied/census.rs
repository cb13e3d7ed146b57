//! How many messages lie in a store of another broker, and how sure that is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::figures::counted;

/// How many destinations a report names.
const NAMED_MAX: usize = 5;
/// How much of a destination's name it shows.
const NAME_CHARACTERS_MAX: usize = 120;

/// What lies in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// The destinations with messages, `queue://NAME` or `topic://NAME`, and how many. On a topic: those that some subscription has
    /// not acknowledged.
    pub(crate) destinations: BTreeMap<String, u64>,
    /// Durable subscriptions.
    pub(crate) subscriptions: u64,
    /// Transactions that are prepared and not decided.
    pub(crate) prepared: u64,
    /// Messages that these will send where they are committed; in none of `destinations`.
    pub(crate) prepared_messages: u64,
    /// Messages that are to be sent later; in none of `destinations`.
    pub(crate) scheduled: u64,
    /// Whether there is nothing else. Otherwise there are at least these.
    pub(crate) is_exact: bool,
}

impl Census {
    /// Nothing is known.
    pub(crate) fn unknown() -> Self {
        Self::default()
    }

    /// Nothing is there.
    pub(crate) fn nothing() -> Self {
        Self { is_exact: true, ..Self::default() }
    }

    /// Messages in all destinations.
    pub(crate) fn messages(&self) -> u64 {
        self.destinations.values().sum()
    }

    /// Whether it is sure that no message is there.
    pub(crate) fn has_no_message(&self) -> bool {
        *self == Self { subscriptions: self.subscriptions, ..Self::nothing() }
    }

    /// Another store beside this one.
    pub(crate) fn add(&mut self, other: Self) {
        for (destination, messages) in other.destinations {
            *self.destinations.entry(destination).or_default() += messages;
        }
        self.subscriptions += other.subscriptions;
        self.prepared += other.prepared;
        self.prepared_messages += other.prepared_messages;
        self.scheduled += other.scheduled;
        self.is_exact &= other.is_exact;
    }

    /// In words: `at least 7 messages in 2 destinations (queue://A 4, topic://B 3), 1 durable subscription`.
    pub(crate) fn words(&self) -> String {
        let messages = self.messages();
        let mut text = match (self.is_exact, messages) {
            (true, 0) => "no message".to_owned(),
            (false, 0) => "a number of messages that is unknown".to_owned(),
            (true, some) => counted(some, "message"),
            (false, some) => format!("at least {}", counted(some, "message")),
        };
        if messages > 0 {
            let mut largest: Vec<_> = self.destinations.iter().collect();
            // Those with the same number stay by their names.
            largest.sort_by_key(|(_, messages)| std::cmp::Reverse(**messages));
            let named: Vec<_> = largest
                .iter()
                .take(NAMED_MAX)
                .map(|(destination, messages)| format!("{} {messages}", shown(destination)))
                .collect();
            let all = counted(largest.len() as u64, "destination");
            let more = if largest.len() > NAMED_MAX { ", …" } else { "" };
            let _ = write!(text, " in {all} ({}{more})", named.join(", "));
        }
        if self.subscriptions > 0 {
            let _ = write!(text, ", {}", counted(self.subscriptions, "durable subscription"));
        }
        if self.prepared > 0 {
            let (transactions, messages) =
                (counted(self.prepared, "prepared transaction"), counted(self.prepared_messages, "message"));
            let _ = write!(text, ", {transactions} with {messages}");
        }
        if self.scheduled > 0 {
            let _ = write!(text, ", {} to be sent later", counted(self.scheduled, "message"));
        }
        text
    }
}

/// A name on one line: it comes from outside.
fn shown(name: &str) -> String {
    let mut shown: String = name
        .chars()
        .take(NAME_CHARACTERS_MAX)
        .map(|one| if one.is_control() { char::REPLACEMENT_CHARACTER } else { one })
        .collect();
    if name.chars().nth(NAME_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(counts: &[(&str, u64)]) -> Census {
        let destinations = counts.iter().map(|(name, messages)| ((*name).to_owned(), *messages));
        Census { destinations: destinations.collect(), is_exact: true, ..Census::default() }
    }

    #[test]
    fn a_census_is_told_in_words() {
        assert_eq!(Census::nothing().words(), "no message");
        assert_eq!(Census::unknown().words(), "a number of messages that is unknown");
        let mut all = census(&[("queue://A", 1)]);
        assert_eq!(all.words(), "1 message in 1 destination (queue://A 1)");
        all.add(Census {
            subscriptions: 1,
            prepared: 2,
            prepared_messages: 3,
            scheduled: 4,
            ..census(&[("queue://A", 2), ("topic://a\nb", 9)])
        });
        assert_eq!(
            all.words(),
            "12 messages in 2 destinations (topic://a\u{fffd}b 9, queue://A 3), 1 durable subscription, \
             2 prepared transactions with 3 messages, 4 messages to be sent later"
        );
        all.add(Census::unknown());
        assert!(all.words().starts_with("at least 12 messages"), "{}", all.words());
    }

    #[test]
    fn the_largest_are_named_and_long_names_are_cut() {
        let long = "x".repeat(1000);
        let many = census(&[("a", 1), ("b", 6), (&long, 5), ("d", 4), ("e", 3), ("f", 2)]);
        let words = many.words();
        assert!(words.starts_with("21 messages in 6 destinations (b 6, xxx"), "{words}");
        assert!(words.contains("x… 5, d 4, e 3, f 2, …)") && words.len() < 300, "{words}");
    }

    #[test]
    fn only_what_is_sure_to_be_empty_has_no_message() {
        assert!(Census::nothing().has_no_message());
        assert!(!Census::unknown().has_no_message());
        assert!(!Census { scheduled: 1, ..Census::nothing() }.has_no_message());
        assert!(!Census { prepared: 1, ..Census::nothing() }.has_no_message());
        let subscribed = Census { subscriptions: 1, ..Census::nothing() };
        assert!(subscribed.has_no_message() && subscribed.words() == "no message, 1 durable subscription");
    }
}
