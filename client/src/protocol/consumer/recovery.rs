//! What a consumer keeps to go on with another broker: which messages the application has, so that it gets none of
//! them twice.
//!
//! A broker delivers again what it does not know to be acknowledged. What was handed out and acknowledged by itself is
//! acknowledged again, silently. What the application has in hand and has not acknowledged is its own still: the
//! message that comes again takes the place of the one it has. What it tried to acknowledge in vain was told to be in
//! doubt: if it comes again, it is handed out again.

use std::collections::{HashMap, HashSet};

use kahawai_openwire::message::MessageAck;

use crate::protocol::consumer::entry::Entry;
use crate::protocol::consumer::known::{Known, REMEMBERED_MAX};
use crate::protocol::consumer::{Consumer, Mode};
use crate::protocol::event::Extent;

impl Consumer {
    /// The link to the broker was lost.
    pub(in crate::protocol) fn interrupt(&mut self) {
        self.waiting.clear();
        self.is_pull_pending = false;
        self.due = None;
        self.unreported = 0;
        self.reported_through = self.arrivals;
        let delivered = std::mem::take(&mut self.delivered);
        let mode = self.mode;
        // To begin again at the front would show messages twice.
        self.is_ended |= self.info.browser && !self.is_finished;
        let Some(recovery) = &mut self.recovery else { return };
        recovery.acknowledged.extend(recovery.remembered.drain(..));
        if recovery.acknowledged.len() > 2 * REMEMBERED_MAX {
            // From losses long ago.
            recovery.acknowledged.clear();
        }
        if mode == Mode::Explicit {
            let named: HashMap<u64, u64> =
                std::mem::take(&mut recovery.renamed).into_iter().map(|(name, now)| (now, name)).collect();
            for (arrival, entry) in delivered {
                let name = named.get(&arrival).copied().unwrap_or(arrival);
                recovery.in_hand.extend(Known::of(&entry).map(|known| (known, name)));
            }
        }
    }

    /// A message came over a later link: it is given back if the application does not have it.
    pub(super) fn recognise(&mut self, entry: Entry) -> Option<Entry> {
        let recovery = self.recovery.as_mut()?;
        let Some(known) = Known::of(&entry) else { return Some(entry) };
        if recovery.acknowledged.remove(&known) {
            // Once more, alone: what was handed out in between is not told yet, and the order is another.
            recovery.remember(&entry);
            self.again.push(entry);
            return None;
        }
        let Some(name) = recovery.in_hand.remove(&known) else { return Some(entry) };
        recovery.renamed.insert(name, self.arrivals);
        self.delivered.insert(self.arrivals, entry);
        self.unreported += 1;
        None
    }

    /// Acknowledgements of messages that came a second time and that the application has.
    pub(in crate::protocol) fn take_again(&mut self) -> Vec<MessageAck> {
        let again = std::mem::take(&mut self.again);
        again.iter().map(|entry| self.ack(MessageAck::INDIVIDUAL, entry, entry, 1, None)).collect()
    }

    /// Whether the application has this message from a broker that was lost, and no other broker has sent it since:
    /// it cannot be acknowledged. If it comes, it is handed out.
    pub(in crate::protocol) fn forget_in_hand(&mut self, name: u64, extent: Extent) -> bool {
        let Some(recovery) = &mut self.recovery else { return false };
        let before = recovery.in_hand.len();
        recovery.in_hand.retain(|_, known| match extent {
            Extent::One => *known != name,
            Extent::UpToHere => *known > name,
        });
        before > recovery.in_hand.len()
    }

    /// The place in the broker's order of a message as the application names it.
    pub(super) fn arrival_now(&self, name: u64) -> u64 {
        let renamed = self.recovery.as_ref().and_then(|recovery| recovery.renamed.get(&name));
        renamed.copied().unwrap_or(name)
    }

    /// As `acknowledge`, where messages have come a second time; none where none has.
    pub(super) fn acknowledge_recovered(&mut self, name: u64, extent: Extent) -> Option<Vec<MessageAck>> {
        let recovery = self.recovery.as_mut().filter(|recovery| !recovery.renamed.is_empty())?;
        let arrivals: Vec<u64> = match extent {
            Extent::One => vec![recovery.renamed.remove(&name).unwrap_or(name)],
            Extent::UpToHere => {
                let later = recovery.renamed.split_off(&(name + 1));
                let named = std::mem::replace(&mut recovery.renamed, later);
                // Those that keep another name are not meant, wherever they stand.
                let others: HashSet<u64> = recovery.renamed.values().copied().collect();
                let mut arrivals: Vec<u64> = named.into_values().collect();
                arrivals.extend(
                    self.delivered.range(..=name).map(|(at, _)| *at).filter(|at| !others.contains(at)),
                );
                arrivals.sort_unstable();
                arrivals.dedup();
                arrivals
            }
        };
        let taken: Vec<_> = arrivals.iter().filter_map(|at| self.delivered.remove_entry(at)).collect();
        self.forget_unreported(&taken);
        Some(self.one_by_one(&taken, None))
    }
}
