//! Expired messages are looked for every `expireMessagesPeriod` of their destination's policy, at any depth: first among those in memory, then page by page in what the
//! store holds beyond it.
//!
//! To read a whole backlog again and again would cost more than it brings. So each source knows a time before which nothing of what the store
//! holds for it expires: it is learnt by reading everything once after a start, and kept by what arrives. Queues whose messages
//! do not expire are not read a second time. Pages are asked for one at a time with a pause between, and not while the
//! store has much to do: this is nobody's errand.

use std::collections::BTreeSet;

use kahawai_store::contract::{Page, ReadRequest, StoreError};

use crate::core::effects::StoreCall;
use crate::core::keys::{ReadToken, SourceKey};
use crate::core::state::Core;
use crate::core::state::said::Subject;
use crate::core::state::source::Source;
use crate::core::state::sweep::Place;
use crate::core::state::turn::ReadFor;
use crate::core::timers::Kind;

/// How long the sweep pauses between two pages, in milliseconds.
const PAUSE: i64 = 5;
/// How many batches may be under way when it asks for the next.
const BATCHES_UNDER_WAY_MAX: usize = 1000;

impl Core {
    /// Looks for what has expired a period from now, for each period that a policy has.
    pub(crate) fn set_sweeps(&mut self) {
        let periods = self.policies.iter().map(|policy| policy.expire_messages_period);
        if let Some(first) = self.sweep.set_periods(periods, self.now) {
            self.timers.set_only(Kind::Sweep, first);
        }
    }

    /// Looks for what has expired where a period is over: at once in memory; in the store from now on.
    pub(crate) fn begin_sweeps(&mut self) {
        let now = self.now;
        let (over, next) = self.sweep.take_over(now);
        if let Some(next) = next {
            self.timers.set_only(Kind::Sweep, next);
        }
        self.sweep_memory(&over);
        // What the last ones have not come to the end of is gone on with: it meets what has expired since as well.
        let going_on: BTreeSet<_> = self.sweep.places.iter().map(|place| place.source).collect();
        let mut places = Vec::new();
        for (key, source) in &mut self.sources {
            let wanted = over.contains(&source.policy.expire_messages_period) && !going_on.contains(key);
            let beyond_memory = source.window.is_behind() || source.window.has_passed_over();
            if wanted && source.stored.is_some() && beyond_memory && source.expires_from <= now {
                // From here on what arrives says so itself.
                source.expires_from = i64::MAX;
                places.push(Place { source: *key, after: None, first_left: i64::MAX });
            }
        }
        // In the order in which they came to be, as the map has none.
        places.sort_by_key(|place| place.source);
        if going_on.is_empty() && !places.is_empty() {
            self.timers.set_only(Kind::SweepPage, now);
        }
        // Behind the one whose page may be under way.
        self.sweep.places.extend(places);
    }

    /// Asks for the next page, if it is time.
    pub(crate) fn sweep_on(&mut self) {
        if self.timers.take_due(Kind::SweepPage, self.now).is_none() {
            return;
        }
        if self.has_deferred_letters() {
            // The store has no room for dead letters: more of them would only be held in memory.
            self.end_sweep();
            return;
        }
        if self.commits.len() > BATCHES_UNDER_WAY_MAX {
            self.timers.set_only(Kind::SweepPage, self.now.saturating_add(PAUSE));
            return;
        }
        while let Some(place) = self.sweep.places.front() {
            let key = place.source;
            let after = place.after;
            let source = self.sources.get_mut(&key);
            let Some((destination, source)) = source.and_then(|source| Some((source.stored?, source))) else {
                // It has gone since.
                self.sweep.places.pop_front();
                continue;
            };
            source.window.change(&mut self.memory).sweep_asked();
            let subscription = source.subscription;
            let (messages_max, bytes_max) = (source.policy.page_messages_max, source.policy.page_bytes_max);
            let token = ReadToken(self.ids.key());
            self.reads.insert(token, ReadFor::Sweep(key));
            self.flush();
            let request = ReadRequest { destination, subscription, after, messages_max, bytes_max };
            self.effects.store.push(StoreCall::Read(token, request));
            return;
        }
    }

    /// A page for the sweep came.
    pub(crate) fn swept(&mut self, key: SourceKey, result: Result<Page, StoreError>) {
        let now = self.now;
        self.timers.set_only(Kind::SweepPage, now.saturating_add(PAUSE));
        let Some(mut place) = self.sweep.places.pop_front_if(|place| place.source == key) else {
            debug_assert!(false, "nothing passes the place whose page is read");
            return;
        };
        let page = match result {
            Ok(page) => page,
            Err(error) => {
                self.look_again(key);
                self.say(Subject::Unreadable, || {
                    format!(
                        "a page could not be read to look for expired messages; tried again later: {error}"
                    )
                });
                return;
            }
        };
        let (end, last) = (page.end, page.cursor_last());
        // It may have gone since.
        let Some(source) = self.sources.get_mut(&key) else { return };
        let found = source.window.change(&mut self.memory).swept(page, now);
        place.first_left = place.first_left.min(found.first_left);
        place.after = last.or(place.after);
        if end {
            source.expires_from = source.expires_from.min(place.first_left);
        } else {
            self.sweep.places.push_back(place);
        }
        for waiting in found.from_memory.into_iter().chain(found.from_store) {
            self.expire(key, waiting);
        }
    }

    fn end_sweep(&mut self) {
        for place in std::mem::take(&mut self.sweep.places) {
            self.look_again(place.source);
        }
    }

    /// Nobody knows when something of a source expires: it is looked through at the next sweep.
    pub(crate) fn look_again(&mut self, key: SourceKey) {
        if let Some(source) = self.sources.get_mut(&key) {
            source.expires_from = i64::MIN;
        }
    }

    fn sweep_memory(&mut self, periods: &[i64]) {
        let now = self.now;
        let mut expired = Vec::new();
        let swept = |source: &&mut Source| periods.contains(&source.policy.expire_messages_period);
        for (key, source) in self.sources.iter_mut().filter(|(_, source)| swept(source)) {
            let positions: Vec<_> = source
                .window
                .iter()
                .filter(|waiting| waiting.message.header.is_expired(now))
                .map(|waiting| waiting.position)
                .collect();
            for position in positions {
                let taken = source.window.change(&mut self.memory).take(position);
                expired.extend(taken.map(|waiting| (*key, waiting)));
            }
        }
        for (key, waiting) in expired {
            self.expire(key, waiting);
        }
    }
}
