//! Takes out of the index what is gone, in steps: see [`super::going`].

use kahawai_store::names::DestinationId;

use super::going::Reach;
use super::messages::Messages;

/// What it costs to find and take out one message that others of its topic have acknowledged, in messages that are taken out in order.
const SCATTERED: usize = 4;

impl Messages {
    /// From now on what goes is not taken out at once: whoever applies changes calls [`Self::sweep`]. While a log is read nobody
    /// waits, and nothing is to be left.
    pub(crate) fn sweep_later(&mut self) {
        self.sweeps_later = true;
    }

    /// Whether something is gone and not taken out.
    pub(crate) fn is_sweeping(&self) -> bool {
        !self.going.is_empty()
    }

    /// Takes out about so many messages, of the parts that may be swept; tells how many it looked at: fewer where no more can be done now.
    pub(crate) fn sweep(&mut self, most: usize, reach: Reach) -> usize {
        let mut left = most;
        let mut from = DestinationId(0);
        while left > 0
            && let Some((&destination, _)) = self.going.destinations.range(from..).next()
        {
            left = left.saturating_sub(self.sweep_destination(destination, left, reach));
            from = DestinationId(destination.0.saturating_add(1));
        }
        let mut from = DestinationId(0);
        while left > 0
            && let Some(&topic) = self.going.topics.range(from..).next()
        {
            left = left.saturating_sub(self.sweep_topic(topic, left, reach));
            from = DestinationId(topic.0.saturating_add(1));
        }
        self.settle_taken();
        most - left
    }

    /// Once nothing is left, what was taken out counts as living no more.
    fn settle_taken(&mut self) {
        if self.going.is_empty() {
            for (segment, died) in std::mem::take(&mut self.going.taken) {
                self.live.remove_many(segment, died);
            }
        }
    }

    /// Takes out all of a destination that was removed.
    pub(super) fn sweep_destination_whole(&mut self, destination: DestinationId) {
        while self.going.destinations.contains_key(&destination) {
            self.sweep_destination(destination, usize::MAX, Reach::EVERYTHING);
        }
        self.settle_taken();
    }

    /// Takes out all that is left.
    pub(crate) fn sweep_all(&mut self) {
        while self.is_sweeping() && self.sweep(usize::MAX, Reach::EVERYTHING) > 0 {}
    }

    /// Takes messages out of a destination that was removed; tells how many things it looked at, one at least.
    fn sweep_destination(&mut self, destination: DestinationId, most: usize, reach: Reach) -> usize {
        let going = &mut self.going;
        let taken = self.entries.take_out(destination, u64::MAX, most, reach, &mut |found| {
            going.take(&found.location);
        });
        let mut count = taken.count;
        let is_freed = self.going.destinations.get_mut(&destination).is_none_or(|topic| {
            count += topic.free(most.saturating_sub(count));
            topic.is_free()
        });
        if taken.is_all && is_freed {
            self.going.destinations.remove(&destination);
        }
        count.max(1)
    }

    /// The same for a topic from which subscriptions went: what lies below all floors, and what only they were waiting for.
    fn sweep_topic(&mut self, destination: DestinationId, most: usize, reach: Reach) -> usize {
        let Some(topic) = self.topics.get_mut(&destination) else {
            self.going.topics.remove(&destination);
            return 1;
        };
        let going = &mut self.going;
        let taken = self.entries.take_out(destination, topic.floor_lowest(), most, reach, &mut |found| {
            going.take(&found.location);
        });
        if let Some(count) = self.counts.get_mut(&destination) {
            *count -= taken.count as u64;
        }
        let mut count = taken.count;
        let (looked, done) = topic.strike_off(most.saturating_sub(count).div_ceil(SCATTERED));
        let is_struck = !topic.is_leaving();
        count += looked + (SCATTERED - 1) * done.len();
        for arrival in done {
            let found = self.entries.next_arrival(destination, arrival);
            let Some(found) = found.filter(|found| found.cursor.arrival == arrival) else { continue };
            self.entries.remove(found.id);
            self.going.take(&found.location);
            topic.forget(arrival);
            if let Some(count) = self.counts.get_mut(&destination) {
                *count -= 1;
            }
        }
        if taken.is_all && is_struck {
            self.going.topics.remove(&destination);
        }
        count.max(1)
    }
}
