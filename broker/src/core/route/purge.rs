//! Destinations that nobody uses and that hold nothing go, where their policy says so (`gcInactiveDestinations`).
//!
//! They are looked at every `schedulePeriodForDestinationPurge`. One that has been unused at a look and at each since for
//! `inactiveTimeoutBeforeGC` is removed; whoever names it again makes it anew. What is on its way counts as use: nothing that was sent is lost.

use std::collections::BTreeSet;

use crate::core::address::Address;
use crate::core::keys::{DestinationKey, SourceKey};
use crate::core::state::Core;
use crate::core::state::destination::Destination;
use crate::core::state::said::Subject;
use crate::core::state::turn::Completed;
use crate::core::timers::Kind;

impl Core {
    /// Looks for what nobody uses a period from now, if that is wanted.
    pub(crate) fn set_purge(&mut self) {
        let period = self.settings.purge_period;
        if period > 0 {
            self.timers.set_only(Kind::Purge, self.now.saturating_add(period));
        }
    }

    /// A prepared transaction that may be committed one day sends where nobody here knows.
    pub(crate) fn purge_no_more(&mut self) {
        if std::mem::take(&mut self.settings.purge_period) > 0 {
            self.say(Subject::Purged, || {
                "no destination is removed for being unused (gcInactiveDestinations): the store holds a prepared transaction".to_owned()
            });
        }
    }

    /// Looks for destinations that nobody uses, and removes those that have not been used for long enough.
    pub(crate) fn purge(&mut self) {
        // So that what is gathered is among what is under way.
        self.flush();
        let busy = self.busy_destinations();
        let most = match self.settings.purged_max {
            0 => usize::MAX,
            most => most,
        };
        let mut unused = Vec::new();
        for (key, destination) in self.directory.iter() {
            unused.push((key, !busy.contains(&key) && self.may_go(destination)));
        }
        let mut gone = Vec::new();
        for (key, unused) in unused {
            let Some(destination) = self.directory.get_mut(key) else {
                debug_assert!(false, "it was there a moment ago");
                continue;
            };
            if !unused {
                destination.unused_since = None;
                continue;
            }
            let since = *destination.unused_since.get_or_insert(self.now);
            let timeout = destination.policy.inactive_timeout_before_gc;
            if self.now.saturating_sub(since) >= timeout && gone.len() < most {
                gone.push((key, destination.address.to_string()));
            }
        }
        if let Some((_, first)) = gone.first() {
            let (count, first) = (gone.len(), first.clone());
            self.say(Subject::Purged, || {
                format!("destinations were removed that nobody used (gcInactiveDestinations): {count}, the first {first}")
            });
        }
        for (key, _) in gone {
            self.drop_destination(key);
        }
    }

    /// A destination is used.
    pub(crate) fn is_used(&mut self, address: &Address) {
        let key = self.directory.find(address);
        if let Some(destination) = key.and_then(|key| self.directory.get_mut(key)) {
            destination.unused_since = None;
        }
    }

    /// Whether a destination may go, and is as if nobody had ever used it, but for what is under way.
    fn may_go(&self, destination: &Destination) -> bool {
        let policy = &destination.policy;
        let source = destination.queue.and_then(|source| self.sources.get(&source));
        policy.gc_inactive_destinations
            && policy.inactive_timeout_before_gc > 0
            && destination.owner.is_none()
            && destination.subscribers.is_empty()
            && destination.durables.is_empty()
            && destination.under_way == 0
            && !self.producer_counts.contains_key(&*destination.address)
            && source.is_none_or(|source| source.consumers.is_empty() && source.window.is_untouched())
    }

    /// Where something is under way: given to the store, in a transaction, or shown to a browser.
    fn busy_destinations(&self) -> BTreeSet<DestinationKey> {
        let mut busy = BTreeSet::new();
        for completed in self.commits.values() {
            match completed {
                Completed::Sends { sent, .. } => busy.extend(sent.iter().map(|sent| sent.destination)),
                Completed::Created { destination, .. } => drop(busy.insert(*destination)),
                Completed::DeadLetters(letter) => drop(busy.insert(letter.sent.destination)),
                Completed::Transaction(ending) => {
                    busy.extend(ending.sent.iter().map(|sent| sent.destination));
                    busy.extend(ending.memory_only.iter().map(|(destination, _)| *destination));
                    let spooled = ending.spooled.iter();
                    busy.extend(spooled.clone().flat_map(|spooled| spooled.destinations.iter().copied()));
                    busy.extend(spooled.flat_map(|spooled| &spooled.publish).map(|found| found.destination));
                }
                _ => {}
            }
        }
        let of_source = |source: SourceKey| Some(self.sources.get(&source)?.destination);
        for open in self.connections.values().flat_map(|connection| connection.transactions.values()) {
            busy.extend(open.sends.iter().filter_map(|send| self.directory.find(&send.address)));
            let acknowledged = open.acknowledged.iter().filter_map(|(_, entry)| entry.source);
            busy.extend(acknowledged.filter_map(of_source));
            busy.extend(open.spooled.iter().flat_map(|spooled| spooled.destinations.iter().copied()));
            let published = open.spooled.iter().flat_map(|spooled| &spooled.publish);
            busy.extend(published.map(|found| found.destination));
        }
        for browser in self.consumers.values().filter(|consumer| consumer.browser.is_some()) {
            busy.extend(browser.sources.iter().filter_map(|source| of_source(*source)));
        }
        busy
    }
}
