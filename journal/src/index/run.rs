//! A run: a part of the index in a file that never changes, and which of its messages are gone since.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use kahawai_store::names::{Cursor, DestinationId, MessageId};

use super::location::{Found, Place};
use crate::disk::{Disk, FinishedFile};
use crate::format::RandomId;
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::format::run::{self, BLOCK, END_LENGTH, ENTRY_LENGTH, ID_LENGTH, Tail};

/// Why a run cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// What was found wrong with an index while it was in use; the first thing stays.
pub(crate) type Fault = Arc<OnceLock<String>>;

/// A run's file, open.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) name: FileName,
    pub(crate) tail: Tail,
    /// The checksum of the tail: it stands for the whole file.
    pub(crate) checksum: u32,
    file: Arc<dyn FinishedFile>,
    /// One bit for each block of entries, then one for each block of ids: whether it was verified.
    verified: Vec<AtomicU64>,
    fault: Fault,
}

impl Run {
    /// Opens a run and reads its tail. Blocks are verified when they are first read.
    pub(crate) fn open(
        disk: &dyn Disk,
        name: FileName,
        store: &RandomId,
        fault: Fault,
    ) -> Result<Self, RunError> {
        let file = disk.open_file(name)?;
        let damaged =
            |problem: &str| FormatError::Damaged { what: "run of the index", problem: problem.into() };
        let length = file.length();
        let mut end = [0; END_LENGTH];
        let tail_end = length.checked_sub(END_LENGTH as u64).ok_or_else(|| damaged("cut short"))?;
        file.read(tail_end, &mut end)?;
        let tail_length = u64::from_le_bytes(end);
        let tail_start = tail_end.checked_sub(tail_length).ok_or_else(|| damaged("cut short"))?;
        let mut bytes = vec![0; tail_length as usize];
        file.read(tail_start, &mut bytes)?;
        let tail = run::decode_tail(&bytes)?;
        let is_named = name == FileName::Run { epoch: tail.epoch, number: tail.number };
        if tail.store != *store
            || !is_named
            || u64::from(tail.count) * (ENTRY_LENGTH + ID_LENGTH) as u64 != tail_start
        {
            return Err(damaged("it is not what its name says").into());
        }
        let words = (2 * tail.blocks.len()).div_ceil(64);
        let verified = (0..words).map(|_| AtomicU64::new(0)).collect();
        let checksum = bytes.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
        Ok(Self { name, tail, checksum, file, verified, fault })
    }

    /// How many bytes its entries take.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.tail.count) * (ENTRY_LENGTH + ID_LENGTH) as u64
    }

    /// How many entries it has.
    pub(crate) fn count(&self) -> u32 {
        self.tail.count
    }

    /// Where a range ends.
    fn range_end(&self, range: usize) -> u32 {
        self.tail.ranges.get(range + 1).map_or(self.tail.count, |next| next.first)
    }

    /// The range that holds an entry.
    fn range_of(&self, entry: u32) -> usize {
        self.tail.ranges.partition_point(|range| range.first <= entry).saturating_sub(1)
    }

    /// The ranges of a destination, in the order of their ranks.
    fn ranges_of(&self, destination: DestinationId) -> std::ops::Range<usize> {
        let ranges = &self.tail.ranges;
        let first = ranges.partition_point(|range| range.destination < destination);
        let count = ranges[first..].partition_point(|range| range.destination == destination);
        first..first + count
    }

    /// Reads bytes of a block that was verified, or verifies it first. `None` where it is damaged; then the fault is noted.
    fn read<const N: usize>(&self, base: u64, item: u32, bit: usize, expected: u32) -> Option<[u8; N]> {
        let (word, mask) = (&self.verified[bit / 64], 1 << (bit % 64));
        let result = if word.load(Ordering::Relaxed) & mask == 0 {
            self.verify::<N>(base, item / BLOCK, expected).map(|()| {
                word.fetch_or(mask, Ordering::Relaxed);
            })
        } else {
            Ok(())
        };
        let mut bytes = [0; N];
        let read = |bytes: &mut [u8; N]| {
            self.file
                .read(base + u64::from(item) * N as u64, bytes)
                .map_err(|error| format!("{} cannot be read: {error}", self.name))
        };
        match result.and_then(|()| read(&mut bytes)) {
            Ok(()) => Some(bytes),
            Err(problem) => {
                let _ = self.fault.set(problem);
                None
            }
        }
    }

    fn verify<const N: usize>(&self, base: u64, block: u32, expected: u32) -> Result<(), String> {
        let first = block * BLOCK;
        let count = BLOCK.min(self.tail.count - first) as usize;
        let mut bytes = vec![0; count * N];
        let read = self.file.read(base + u64::from(first) * N as u64, &mut bytes);
        read.map_err(|error| format!("{} cannot be read: {error}", self.name))?;
        if crc32fast::hash(&bytes) == expected {
            Ok(())
        } else {
            Err(format!("{} is damaged: block {block} fails its checksum", self.name))
        }
    }

    /// An entry whose rank is known.
    fn entry_of(&self, entry: u32, rank: u8) -> Option<Found> {
        let block = (entry / BLOCK) as usize;
        let bytes = self.read::<ENTRY_LENGTH>(0, entry, block, self.tail.blocks[block].entries_crc)?;
        Some(run::decode_entry(&bytes, rank))
    }

    /// An entry and its destination.
    pub(super) fn entry(&self, entry: u32) -> Option<(DestinationId, Found)> {
        let range = self.tail.ranges.get(self.range_of(entry))?;
        Some((range.destination, self.entry_of(entry, range.rank)?))
    }

    /// An entry of the array by id.
    pub(super) fn id(&self, item: u32) -> Option<(MessageId, u32)> {
        let block = (item / BLOCK) as usize;
        let base = u64::from(self.tail.count) * ENTRY_LENGTH as u64;
        let bit = self.tail.blocks.len() + block;
        let bytes = self.read::<ID_LENGTH>(base, item, bit, self.tail.blocks[block].ids_crc)?;
        let (id, entry) = run::decode_id(&bytes);
        // What verifies was written so; the check keeps a bug there from being one here.
        (entry < self.tail.count).then_some((id, entry))
    }

    /// Which entry a message is, gone or not.
    pub(super) fn find(&self, id: MessageId) -> Option<u32> {
        if self.tail.count == 0 || !(self.tail.id_lowest..=self.tail.id_highest).contains(&id) {
            return None;
        }
        let (mut low, mut high) = (0, self.tail.count);
        // Ids are often given one after another, so that the place follows from the id: look there first.
        let guess = (id.0 - self.tail.id_lowest.0).min(u64::from(self.tail.count - 1)) as u32;
        let mut middle = guess;
        while low < high {
            let (found, entry) = self.id(middle)?;
            match found.cmp(&id) {
                std::cmp::Ordering::Equal => return Some(entry),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
            middle = low + (high.saturating_sub(low)) / 2;
        }
        None
    }
}

/// A run in use: which of its messages are gone.
#[derive(Debug)]
pub(super) struct RunInUse {
    pub(super) run: Arc<Run>,
    /// One bit for each entry.
    pub(super) gone: Vec<u64>,
    /// How many are not gone.
    pub(super) live: u64,
    /// For each range, the first entry that may not be gone.
    heads: Vec<u32>,
}

impl RunInUse {
    /// Takes a run into use; `gone` as kept before, or nothing is.
    pub(super) fn new(run: Arc<Run>, gone: Option<Vec<u64>>) -> Self {
        let words = run.count().div_ceil(64) as usize;
        let mut gone = gone.unwrap_or_default();
        gone.resize(words, 0);
        let count = u64::from(run.count());
        let live = count - gone.iter().map(|word| u64::from(word.count_ones())).sum::<u64>().min(count);
        let heads = run.tail.ranges.iter().map(|range| range.first).collect();
        let mut used = Self { run, gone, live, heads };
        for range in 0..used.heads.len() {
            used.heads[range] = used.live_from(used.heads[range], used.run.range_end(range));
        }
        used
    }

    pub(super) fn is_gone(&self, entry: u32) -> bool {
        self.gone[entry as usize / 64] & 1 << (entry % 64) != 0
    }

    /// The first entry from `from` on that is not gone, or `end`.
    fn live_from(&self, from: u32, end: u32) -> u32 {
        let mut at = from;
        while at < end {
            let left = !self.gone[at as usize / 64] >> (at % 64);
            if left != 0 {
                return (at + left.trailing_zeros()).min(end);
            }
            at = (at / 64 + 1) * 64;
        }
        end
    }

    pub(super) fn mark_gone(&mut self, entry: u32) {
        if self.is_gone(entry) {
            return;
        }
        self.gone[entry as usize / 64] |= 1 << (entry % 64);
        self.live -= 1;
        let range = self.run.range_of(entry);
        if self.heads[range] == entry {
            self.heads[range] = self.live_from(entry, self.run.range_end(range));
        }
    }

    /// Which entry a message is that is not gone.
    pub(super) fn find(&self, id: MessageId) -> Option<u32> {
        self.run.find(id).filter(|&entry| !self.is_gone(entry))
    }

    pub(super) fn place(&self, entry: u32) -> Option<Place> {
        let (destination, found) = self.run.entry(entry)?;
        Some(Place { destination, cursor: found.cursor, location: found.location })
    }

    /// The first entry of a range that arrived at or after this number and is not gone, or the range's end.
    fn first_from(&self, range: usize, arrival: u64) -> u32 {
        let rank = self.run.tail.ranges[range].rank;
        let end = self.run.range_end(range);
        let (mut low, mut high) = (self.heads[range], end);
        let arrival_of =
            |entry| self.run.entry_of(entry, rank).map_or(u64::MAX, |found| found.cursor.arrival);
        // Most look for what comes next at the head.
        if low < high && arrival_of(low) >= arrival {
            return low;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if arrival_of(middle) < arrival {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.live_from(low, end)
    }

    /// A destination's messages beyond a cursor, in order.
    pub(super) fn after(
        &self,
        destination: DestinationId,
        after: Option<Cursor>,
    ) -> impl Iterator<Item = Found> {
        let lowest_rank = after.map_or(0, |after| after.rank);
        let ranges = self.run.ranges_of(destination);
        ranges.filter(move |&range| self.run.tail.ranges[range].rank >= lowest_rank).flat_map(move |range| {
            let rank = self.run.tail.ranges[range].rank;
            let mut at = match after {
                Some(after) if after.rank == rank => match after.arrival.checked_add(1) {
                    Some(arrival) => self.first_from(range, arrival),
                    None => self.run.range_end(range),
                },
                _ => self.heads[range],
            };
            let end = self.run.range_end(range);
            std::iter::from_fn(move || {
                at = self.live_from(at, end);
                let entry = (at < end).then_some(at)?;
                at += 1;
                self.run.entry_of(entry, rank)
            })
        })
    }

    /// Of a destination's messages that arrived at or after this number, the first to arrive.
    pub(super) fn next_arrival(&self, destination: DestinationId, from: u64) -> Option<Found> {
        let firsts = self.run.ranges_of(destination).filter_map(|range| {
            let entry = self.first_from(range, from);
            let rank = self.run.tail.ranges[range].rank;
            if entry < self.run.range_end(range) { self.run.entry_of(entry, rank) } else { None }
        });
        firsts.min_by_key(|found| found.cursor.arrival)
    }

    /// Takes out up to so many of a destination's messages that arrived below this number; tells how many.
    pub(super) fn take_out(
        &mut self,
        destination: DestinationId,
        below: u64,
        most: usize,
        told: &mut impl FnMut(Found),
    ) -> usize {
        let mut count = 0;
        for range in self.run.ranges_of(destination) {
            let rank = self.run.tail.ranges[range].rank;
            let end = self.run.range_end(range);
            while count < most && self.heads[range] < end {
                let entry = self.heads[range];
                // One that cannot be read is a fault of the run, which ends the store.
                if let Some(found) = self.run.entry_of(entry, rank) {
                    if found.cursor.arrival >= below {
                        break;
                    }
                    told(found);
                }
                self.mark_gone(entry);
                count += 1;
            }
        }
        count
    }

    /// Whether a destination has messages here that arrived below this number.
    pub(super) fn is_any_below(&self, destination: DestinationId, below: u64) -> bool {
        self.run.ranges_of(destination).any(|range| {
            let head = self.heads[range];
            let rank = self.run.tail.ranges[range].rank;
            head < self.run.range_end(range)
                && self.run.entry_of(head, rank).is_some_and(|found| found.cursor.arrival < below)
        })
    }

    /// The entries that are not gone and whose bytes stand in segments up to this number.
    pub(super) fn within(&self, segment: u64) -> Vec<(DestinationId, Found)> {
        let mut found = Vec::new();
        for (block, check) in self.run.tail.blocks.iter().enumerate() {
            if check.segment_lowest > segment {
                continue;
            }
            let first = block as u32 * BLOCK;
            let end = (first + BLOCK).min(self.run.count());
            let mut entry = self.live_from(first, end);
            while entry < end {
                found.extend(self.run.entry(entry).filter(|(_, found)| found.location.segment <= segment));
                entry = self.live_from(entry + 1, end);
            }
        }
        found
    }
}
