//! Messages in order and by id, wherever they are held: in the table, in a frozen table that is being written, in runs.
//!
//! A message is in exactly one of them. What leaves a frozen table or a run is only marked as gone there; a message whose place changes
//! goes into the table. So the parts need no order among themselves, and any runs may be merged.

use std::collections::HashSet;
use std::sync::Arc;

use kahawai_store::names::{Cursor, DestinationId, MessageId};

use super::going::{Reach, TakenOut};
use super::location::{Found, Place};
use super::merge_input::MergeInput;
use super::run::{Fault, Run, RunInUse};
use super::table::Table;
use crate::format::name::FileName;

/// The messages of all destinations.
#[derive(Debug, Default)]
pub(super) struct Entries {
    table: Table,
    frozen: Option<Frozen>,
    runs: Vec<RunInUse>,
    /// What was found wrong with a run.
    fault: Fault,
}

/// A table that is being written.
#[derive(Debug)]
struct Frozen {
    table: Arc<Table>,
    gone: HashSet<MessageId>,
}

/// Runs of about one size: how many of them are merged together, and how the sizes rise.
const TIER: usize = 4;

impl Entries {
    pub(super) fn insert(&mut self, destination: DestinationId, message: Found) {
        self.table.insert(destination, message);
    }

    pub(super) fn place(&self, id: MessageId) -> Option<Place> {
        if let Some(place) = self.table.place(id) {
            return Some(place);
        }
        if let Some(frozen) = &self.frozen
            && !frozen.gone.contains(&id)
            && let Some(place) = frozen.table.place(id)
        {
            return Some(place);
        }
        self.runs.iter().rev().find_map(|run| run.place(run.find(id)?))
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Place> {
        if let Some(place) = self.table.remove(id) {
            return Some(place);
        }
        if let Some(frozen) = &mut self.frozen
            && let Some(place) = frozen.table.place(id)
            && frozen.gone.insert(id)
        {
            return Some(place);
        }
        for run in self.runs.iter_mut().rev() {
            if let Some(entry) = run.find(id)
                && let Some(place) = run.place(entry)
            {
                run.mark_gone(entry);
                return Some(place);
            }
        }
        None
    }

    /// A destination's messages beyond a cursor, in order.
    pub(super) fn after(
        &self,
        destination: DestinationId,
        after: Option<Cursor>,
    ) -> impl Iterator<Item = Found> {
        type Part<'a> = std::iter::Peekable<Box<dyn Iterator<Item = Found> + 'a>>;
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(self.runs.len() + 2);
        for run in &self.runs {
            let part: Box<dyn Iterator<Item = Found>> = Box::new(run.after(destination, after));
            parts.push(part.peekable());
        }
        if let Some(Frozen { table, gone }) = &self.frozen {
            let live = table.after(destination, after).filter(|found| !gone.contains(&found.id));
            let part: Box<dyn Iterator<Item = Found>> = Box::new(live);
            parts.push(part.peekable());
        }
        let part: Box<dyn Iterator<Item = Found>> = Box::new(self.table.after(destination, after));
        parts.push(part.peekable());
        std::iter::from_fn(move || {
            let mut next: Option<(Cursor, usize)> = None;
            for (number, part) in parts.iter_mut().enumerate() {
                if let Some(found) = part.peek()
                    && next.is_none_or(|(cursor, _)| found.cursor < cursor)
                {
                    next = Some((found.cursor, number));
                }
            }
            parts[next?.1].next()
        })
    }

    /// Of a destination's messages that arrived at or after this number, the first to arrive.
    pub(super) fn next_arrival(&self, destination: DestinationId, from: u64) -> Option<Found> {
        let mut first = self.table.next_arrival(destination, from);
        let mut consider = |found: Option<Found>| {
            if let Some(found) = found
                && first.is_none_or(|first| found.cursor.arrival < first.cursor.arrival)
            {
                first = Some(found);
            }
        };
        if let Some(Frozen { table, gone }) = &self.frozen {
            let mut next = table.next_arrival(destination, from);
            while let Some(found) = next.filter(|found| gone.contains(&found.id)) {
                next = table.next_arrival(destination, found.cursor.arrival + 1);
            }
            consider(next);
        }
        for run in &self.runs {
            consider(run.next_arrival(destination, from));
        }
        first
    }

    /// Takes out about so many of a destination's messages that arrived below this number, of the parts within reach.
    pub(super) fn take_out(
        &mut self,
        destination: DestinationId,
        below: u64,
        most: usize,
        reach: Reach,
        told: &mut impl FnMut(Found),
    ) -> TakenOut {
        let mut count = self.table.take_out(destination, below, most, told);
        let mut is_all = self.table.first_below(destination, below).is_none();
        if let Some(Frozen { table, gone }) = &mut self.frozen {
            if reach.frozen {
                // All at once, as nothing tells where the step before ended.
                let within = table.after(destination, None).filter(|found| found.cursor.arrival < below);
                for found in within {
                    if gone.insert(found.id) {
                        told(found);
                        count += 1;
                    }
                }
            } else {
                is_all &= table.first_below(destination, below).is_none();
            }
        }
        for run in &mut self.runs {
            if reach.runs {
                count += run.take_out(destination, below, most.saturating_sub(count), told);
            }
            is_all &= !run.is_any_below(destination, below);
        }
        TakenOut { count, is_all }
    }

    /// Every message whose bytes stand in segments up to this number. Reads the whole tables, and of runs the blocks that
    /// name such segments.
    pub(super) fn within(&self, segment: u64) -> Vec<(DestinationId, Found)> {
        let mut found: Vec<_> = self.table.all().collect();
        if let Some(Frozen { table, gone }) = &self.frozen {
            found.extend(table.all().filter(|(_, found)| !gone.contains(&found.id)));
        }
        found.retain(|(_, found)| found.location.segment <= segment);
        for run in &self.runs {
            found.extend(run.within(segment));
        }
        found
    }

    /// How many messages are in the table.
    pub(super) fn table_count(&self) -> usize {
        self.table.len()
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Sets the table aside to be written, and begins an empty one. Nothing while one is being written, or it is empty.
    pub(super) fn freeze(&mut self) -> Option<Arc<Table>> {
        if self.frozen.is_some() || self.table.len() == 0 {
            return None;
        }
        let table = Arc::new(std::mem::take(&mut self.table));
        self.frozen = Some(Frozen { table: Arc::clone(&table), gone: HashSet::new() });
        Some(table)
    }

    /// The frozen table could not be written, and nothing has happened since: it is the table again. The caller has let go of it.
    pub(super) fn thaw(&mut self) {
        let Some(Frozen { table, gone }) = self.frozen.take() else { return };
        match Arc::try_unwrap(table) {
            Ok(table) if gone.is_empty() && self.table.len() == 0 => self.table = table,
            Ok(table) => self.frozen = Some(Frozen { table: Arc::new(table), gone }),
            Err(table) => self.frozen = Some(Frozen { table, gone }),
        }
    }

    /// The frozen table is in this run now. Gives the table back, to be dropped where it holds nobody up.
    pub(super) fn install(&mut self, run: Arc<Run>) -> Option<Arc<Table>> {
        let Frozen { table, gone } = self.frozen.take()?;
        let mut used = RunInUse::new(run, None);
        for id in gone {
            if let Some(entry) = used.find(id) {
                used.mark_gone(entry);
            }
        }
        self.runs.push(used);
        Some(table)
    }

    /// Takes a run of a checkpoint into use.
    pub(super) fn adopt(&mut self, run: Arc<Run>, gone: Vec<u64>) {
        self.runs.push(RunInUse::new(run, Some(gone)));
    }

    /// The runs in use, with what is gone from them.
    pub(super) fn runs(&self) -> Vec<MergeInput> {
        let input = |used: &RunInUse| MergeInput { run: Arc::clone(&used.run), gone: used.gone.clone() };
        self.runs.iter().map(input).collect()
    }

    /// How many bytes the runs in use take.
    pub(super) fn run_bytes(&self) -> u64 {
        self.runs.iter().map(|used| used.run.bytes()).sum()
    }

    /// The names of the runs in use.
    pub(super) fn run_names(&self) -> Vec<FileName> {
        self.runs.iter().map(|used| used.run.name).collect()
    }

    /// Drops the runs that are all gone, then chooses some to be merged: those of about one size once they are enough.
    pub(super) fn choose_merge(&mut self) -> Vec<MergeInput> {
        self.runs.retain(|used| used.live > 0);
        let mut by_size: Vec<&RunInUse> = self.runs.iter().collect();
        by_size.sort_by_key(|used| used.live);
        // From the smallest up: as many as are within a factor of each other.
        for (position, smallest) in by_size.iter().enumerate() {
            let most = smallest.live.max(1024).saturating_mul(TIER as u64);
            let alike = by_size[position..].iter().take_while(|used| used.live <= most).count();
            if alike >= TIER {
                let chosen = by_size[position..position + alike].iter();
                return chosen
                    .map(|used| MergeInput { run: Arc::clone(&used.run), gone: used.gone.clone() })
                    .collect();
            }
        }
        // A run most of which is gone costs disk for nothing.
        let wasteful = by_size
            .iter()
            .find(|used| used.live < u64::from(used.run.count()) / 4 && used.run.count() > 4096);
        wasteful
            .map(|used| MergeInput { run: Arc::clone(&used.run), gone: used.gone.clone() })
            .into_iter()
            .collect()
    }

    /// These runs were merged into this one; what has gone from them meanwhile is gone from it.
    pub(super) fn install_merged(&mut self, inputs: &[MergeInput], run: Arc<Run>) {
        let mut merged = RunInUse::new(run, None);
        for input in inputs {
            let Some(at) = self.runs.iter().position(|used| used.run.name == input.run.name) else {
                // All of it was gone and it was dropped meanwhile.
                self.mark_all_gone(&mut merged, input);
                continue;
            };
            let used = self.runs.remove(at);
            for (word, (now, then)) in used.gone.iter().zip(&input.gone).enumerate() {
                let mut since = now & !then;
                while since != 0 {
                    let entry = word as u32 * 64 + since.trailing_zeros();
                    since &= since - 1;
                    if let Some((_, found)) = used.run.entry(entry)
                        && let Some(entry) = merged.run.find(found.id)
                    {
                        merged.mark_gone(entry);
                    }
                }
            }
        }
        self.runs.push(merged);
    }

    fn mark_all_gone(&self, merged: &mut RunInUse, input: &MergeInput) {
        for entry in 0..input.run.count() {
            if input.gone[entry as usize / 64] & 1 << (entry % 64) == 0
                && let Some((_, found)) = input.run.entry(entry)
                && let Some(entry) = merged.run.find(found.id)
            {
                merged.mark_gone(entry);
            }
        }
    }
}
