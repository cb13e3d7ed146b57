//! The laws by which a ledger is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::entry::Entry;
use super::tag::Tag;

/// A law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// What a producer was told to be kept is left in the end for each of its groups, or somebody of that group said to be done with it; unless the
    /// group was to end.
    KeptIsThere,
    /// What a consumer was told to be done with never comes again to its group, nor is it left.
    ConsumedIsGone,
    /// Nothing comes to a group that has ended, nor is it left.
    EndedIsGone,
    /// What a producer was told **not** to be kept comes to nobody, nor is it left.
    RefusedIsGone,
    /// Nobody gets, or is left, what was not sent to its group.
    NothingIsInvented,
    /// Every message comes as it was sent.
    NothingIsGarbled,
    /// A message that comes to a group again says that it may have, unless a connection broke: that of whoever got it before or gets it now,
    /// since it came first; or its producer's, since it was sent.
    AgainIsExcused,
    /// A consumer gets a producer's messages in the order of sending, but for those that say that they come again; and each time that any
    /// connection breaks, order begins anew.
    OrderIsKept,
    /// In each term one broker alone answers.
    OneMasterATerm,
    /// Once somebody has answered in a term, nobody answers in a lower one.
    TermsOnlyRise,
}

/// A breach of a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// By what.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.law, self.what)
    }
}

impl Law {
    /// Every law.
    pub const ALL: [Self; 10] = [
        Self::KeptIsThere,
        Self::ConsumedIsGone,
        Self::EndedIsGone,
        Self::RefusedIsGone,
        Self::NothingIsInvented,
        Self::NothingIsGarbled,
        Self::AgainIsExcused,
        Self::OrderIsKept,
        Self::OneMasterATerm,
        Self::TermsOnlyRise,
    ];

    pub(super) fn breaches(self, entries: &[Entry]) -> Vec<Violation> {
        let found = match self {
            Self::KeptIsThere => kept_is_there(entries),
            Self::ConsumedIsGone => consumed_is_gone(entries),
            Self::EndedIsGone => ended_is_gone(entries),
            Self::RefusedIsGone => refused_is_gone(entries),
            Self::NothingIsInvented => nothing_is_invented(entries),
            Self::NothingIsGarbled => nothing_is_garbled(entries),
            Self::AgainIsExcused => again_is_excused(entries),
            Self::OrderIsKept => order_is_kept(entries),
            Self::OneMasterATerm => one_master_a_term(entries),
            Self::TermsOnlyRise => terms_only_rise(entries),
        };
        found.into_iter().map(|what| Violation { law: self, what }).collect()
    }
}

/// Which message came to which group by an entry, if it is one of that kind.
fn come(entry: &Entry) -> Option<(Tag, u32)> {
    match entry {
        Entry::Received { tag, group, .. } | Entry::Left { tag, group } => Some((*tag, *group)),
        _ => None,
    }
}

/// The groups that each message was sent to.
fn sent(entries: &[Entry]) -> BTreeMap<Tag, &[u32]> {
    let sent = entries.iter().filter_map(|entry| match entry {
        Entry::Sent { tag, groups } => Some((*tag, groups.as_slice())),
        _ => None,
    });
    sent.collect()
}

fn kept_is_there(entries: &[Entry]) -> Vec<String> {
    let there: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Consuming { tag, group } | Entry::Consumed { tag, group } | Entry::Left { tag, group } => {
                Some((*tag, *group))
            }
            _ => None,
        })
        .collect();
    let sent = sent(entries);
    let kept = entries.iter().filter_map(|entry| match entry {
        Entry::Acknowledged { tag } => Some(*tag),
        _ => None,
    });
    let ending: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Ending { group } => Some(*group),
            _ => None,
        })
        .collect();
    let wanted = kept.flat_map(|tag| {
        let groups = sent.get(&tag).copied().unwrap_or_default();
        groups.iter().map(move |group| (tag, *group))
    });
    let lost = wanted.filter(|wanted| !there.contains(wanted) && !ending.contains(&wanted.1));
    lost.map(|(tag, group)| format!("{tag:?} was acknowledged and is lost to group {group}")).collect()
}

fn consumed_is_gone(entries: &[Entry]) -> Vec<String> {
    let mut consumed = BTreeSet::new();
    let mut found = Vec::new();
    for entry in entries {
        if let Entry::Consumed { tag, group } = entry {
            consumed.insert((*tag, *group));
        }
        if come(entry).is_some_and(|came| consumed.contains(&came)) {
            found.push(format!("consumed before: {entry:?}"));
        }
    }
    found
}

fn ended_is_gone(entries: &[Entry]) -> Vec<String> {
    let mut ended = BTreeSet::new();
    let mut found = Vec::new();
    for entry in entries {
        if let Entry::Ended { group } = entry {
            ended.insert(*group);
        }
        if come(entry).is_some_and(|(_, group)| ended.contains(&group)) {
            found.push(format!("its group had ended: {entry:?}"));
        }
    }
    found
}

fn refused_is_gone(entries: &[Entry]) -> Vec<String> {
    let refused: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Refused { tag } => Some(*tag),
            _ => None,
        })
        .collect();
    let came = entries.iter().filter(|entry| come(entry).is_some_and(|(tag, _)| refused.contains(&tag)));
    came.map(|entry| format!("refused: {entry:?}")).collect()
}

fn nothing_is_invented(entries: &[Entry]) -> Vec<String> {
    let mut sent: BTreeSet<(Tag, u32)> = BTreeSet::new();
    let mut found = Vec::new();
    for entry in entries {
        if let Entry::Sent { tag, groups } = entry {
            sent.extend(groups.iter().map(|group| (*tag, *group)));
        }
        if come(entry).is_some_and(|came| !sent.contains(&came)) {
            found.push(format!("never sent there: {entry:?}"));
        }
    }
    found
}

fn nothing_is_garbled(entries: &[Entry]) -> Vec<String> {
    let garbled = entries.iter().filter(|entry| matches!(entry, Entry::Garbled { .. }));
    garbled.map(|entry| format!("{entry:?}")).collect()
}

fn again_is_excused(entries: &[Entry]) -> Vec<String> {
    // At which entry each came last, who got it, and when each client's connection broke last.
    let mut came: BTreeMap<(Tag, u32), (usize, u32)> = BTreeMap::new();
    let mut sent: BTreeMap<Tag, usize> = BTreeMap::new();
    let mut broken: BTreeMap<u32, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (now, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Sent { tag, .. } => drop(sent.insert(*tag, now)),
            Entry::Broken { client } => drop(broken.insert(*client, now)),
            Entry::Received { tag, group, consumer, redelivered } => {
                let before = came.insert((*tag, *group), (now, *consumer));
                let Some((before, by)) = before.filter(|_| !redelivered) else { continue };
                let broke_since =
                    |client: u32, then: usize| broken.get(&client).is_some_and(|when| *when > then);
                let is_excused = broke_since(by, before)
                    || broke_since(*consumer, before)
                    || sent.get(tag).is_some_and(|sent| broke_since(tag.producer, *sent));
                if !is_excused {
                    found.push(format!("got before by {by}: {entry:?}"));
                }
            }
            _ => {}
        }
    }
    found
}

fn order_is_kept(entries: &[Entry]) -> Vec<String> {
    let mut last: BTreeMap<(u32, u32, u32), u64> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Entry::Broken { .. } => last.clear(),
            Entry::Received { tag, group, consumer, redelivered: false } => {
                let before = last.insert((tag.producer, *group, *consumer), tag.number);
                if before.is_some_and(|before| before >= tag.number) {
                    found.push(format!("after number {}: {entry:?}", before.unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
    found
}

/// Who answered in which term, in order.
fn answers(entries: &[Entry]) -> impl Iterator<Item = (u32, u64)> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Answered { broker, term } => Some((*broker, *term)),
        _ => None,
    })
}

fn one_master_a_term(entries: &[Entry]) -> Vec<String> {
    let mut masters: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    for (broker, term) in answers(entries) {
        masters.entry(term).or_default().insert(broker);
    }
    let shared = masters.into_iter().filter(|(_, brokers)| brokers.len() > 1);
    shared.map(|(term, brokers)| format!("in term {term} there answered {brokers:?}")).collect()
}

fn terms_only_rise(entries: &[Entry]) -> Vec<String> {
    let mut highest = 0;
    let mut found = BTreeSet::new();
    for (broker, term) in answers(entries) {
        highest = highest.max(term);
        if term < highest {
            found.insert(format!("{broker} answered in term {term} after somebody had in {highest}"));
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = Tag { producer: 1, number: 5 };

    fn tag(number: u64) -> Tag {
        Tag { producer: 1, number }
    }

    fn sent(number: u64) -> Entry {
        Entry::Sent { tag: tag(number), groups: vec![7, 8] }
    }

    fn got(number: u64, consumer: u32, redelivered: bool) -> Entry {
        Entry::Received { tag: tag(number), group: 7, consumer, redelivered }
    }

    const KEPT: Entry = Entry::Acknowledged { tag: TAG };
    const REFUSED: Entry = Entry::Refused { tag: TAG };

    fn left(group: u32) -> Entry {
        Entry::Left { tag: TAG, group }
    }

    fn consuming(group: u32) -> Entry {
        Entry::Consuming { tag: TAG, group }
    }

    fn consumed(group: u32) -> Entry {
        Entry::Consumed { tag: TAG, group }
    }

    fn broken(client: u32) -> Entry {
        Entry::Broken { client }
    }

    fn answered(broker: u32, term: u64) -> Entry {
        Entry::Answered { broker, term }
    }

    /// What keeps a law, and what breaks it.
    fn examples(law: Law) -> (Vec<Vec<Entry>>, Vec<Vec<Entry>>) {
        match law {
            Law::KeptIsThere => (
                vec![
                    vec![sent(5)],
                    vec![sent(5), REFUSED],
                    vec![sent(5), KEPT, left(7), left(8)],
                    vec![sent(5), KEPT, consuming(7), consumed(8)],
                    vec![sent(5), KEPT, left(7), Entry::Ending { group: 8 }],
                ],
                vec![
                    vec![sent(5), KEPT],
                    vec![sent(5), KEPT, left(7)],
                    vec![sent(5), KEPT, left(7), Entry::Ending { group: 7 }],
                    vec![sent(5), KEPT, consumed(7), got(5, 2, false)],
                    vec![sent(5), KEPT, got(5, 2, false), left(8)],
                ],
            ),
            Law::ConsumedIsGone => (
                vec![
                    vec![got(5, 2, false), consuming(7), got(5, 2, true), consumed(7)],
                    vec![consumed(7), left(8)],
                ],
                vec![vec![consumed(7), got(5, 2, true)], vec![consumed(7), left(7)]],
            ),
            Law::EndedIsGone => (
                vec![
                    vec![Entry::Ending { group: 7 }, got(5, 2, false), Entry::Ended { group: 7 }, left(8)],
                    vec![Entry::Ending { group: 7 }, left(7)],
                ],
                vec![
                    vec![Entry::Ended { group: 7 }, got(5, 2, false)],
                    vec![Entry::Ended { group: 7 }, left(7)],
                ],
            ),
            Law::RefusedIsGone => (
                vec![vec![REFUSED, got(6, 2, false)]],
                vec![
                    vec![REFUSED, got(5, 2, false)],
                    vec![got(5, 2, false), REFUSED],
                    vec![REFUSED, left(7)],
                ],
            ),
            Law::NothingIsInvented => (
                vec![vec![sent(5), got(5, 2, false), left(8)]],
                vec![vec![got(5, 2, false)], vec![got(5, 2, false), sent(5)], vec![sent(5), left(9)]],
            ),
            Law::NothingIsGarbled => {
                (vec![vec![got(5, 2, false)]], vec![vec![Entry::Garbled { consumer: 2 }]])
            }
            Law::AgainIsExcused => (
                vec![
                    vec![sent(5), got(5, 2, false), got(6, 2, false)],
                    vec![sent(5), got(5, 2, false), got(5, 3, true)],
                    vec![sent(5), got(5, 2, false), broken(2), got(5, 3, false)],
                    vec![sent(5), got(5, 2, false), broken(3), got(5, 3, false)],
                    vec![sent(5), broken(1), got(5, 2, false), got(5, 3, false)],
                ],
                vec![
                    vec![sent(5), got(5, 2, false), got(5, 2, false)],
                    vec![sent(5), got(5, 2, false), got(5, 3, false)],
                    vec![sent(5), broken(2), broken(3), got(5, 2, false), got(5, 3, false)],
                    vec![sent(5), got(5, 2, false), broken(4), got(5, 3, false)],
                    vec![broken(1), sent(5), got(5, 2, false), got(5, 3, false)],
                ],
            ),
            Law::OrderIsKept => (
                vec![
                    vec![got(5, 2, false), got(6, 2, false)],
                    vec![got(6, 2, false), got(5, 3, false)],
                    vec![got(6, 2, false), got(5, 2, true)],
                    vec![got(6, 2, false), broken(9), got(5, 2, false)],
                ],
                vec![
                    vec![got(6, 2, false), got(5, 2, false)],
                    vec![got(6, 2, false), got(4, 2, true), got(5, 2, false)],
                ],
            ),
            Law::OneMasterATerm => (
                vec![vec![answered(1, 1), answered(2, 2), answered(1, 3), answered(1, 3)]],
                vec![
                    vec![answered(1, 1), answered(2, 1)],
                    vec![answered(1, 2), answered(1, 3), answered(2, 2)],
                ],
            ),
            Law::TermsOnlyRise => (
                vec![vec![answered(1, 1), answered(1, 1), answered(2, 2)]],
                vec![
                    vec![answered(1, 2), answered(2, 1)],
                    vec![answered(1, 1), answered(1, 3), answered(1, 2)],
                ],
            ),
        }
    }

    #[test]
    fn each_law_finds_what_breaks_it_and_nothing_else() {
        for law in Law::ALL {
            let (kept, broken) = examples(law);
            for entries in kept {
                assert_eq!(law.breaches(&entries), [], "{law:?} in {entries:?}");
            }
            for entries in broken {
                let found = law.breaches(&entries);
                assert!(!found.is_empty(), "{law:?} in {entries:?}");
            }
        }
    }
}
