//! Writing runs: from a table, or from runs of before, leaving out what is gone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;

use kahawai_store::names::{DestinationId, Epoch, MessageId};

use super::location::Found;
use super::merge_input::MergeInput;
use super::messages::Messages;
use super::run::{Fault, Run, RunError};
use super::table::Table;
use crate::disk::{Disk, NewFile, is_full};
use crate::format::RandomId;
use crate::format::name::FileName;
use crate::format::run::{self, BLOCK, Block, Range, Tail};

/// Whose run it is to be, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunName {
    pub(crate) store: RandomId,
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
}

impl RunName {
    pub(crate) fn file(&self) -> FileName {
        FileName::Run { epoch: self.epoch, number: self.number }
    }
}

/// A run on its way into its file.
struct RunWriter {
    file: Box<dyn NewFile>,
    block: Vec<u8>,
    segment_lowest: u64,
    tail: Tail,
    ids_written: u32,
}

impl RunWriter {
    fn begin(disk: &dyn Disk, name: &RunName) -> io::Result<Self> {
        let tail = Tail {
            store: name.store,
            epoch: name.epoch,
            number: name.number,
            count: 0,
            id_lowest: MessageId(u64::MAX),
            id_highest: MessageId(0),
            ranges: Vec::new(),
            blocks: Vec::new(),
        };
        let file = disk.create_file(name.file())?;
        Ok(Self { file, block: Vec::new(), segment_lowest: u64::MAX, tail, ids_written: 0 })
    }

    fn entry(&mut self, destination: DestinationId, found: &Found) -> io::Result<()> {
        let (rank, first) = (found.cursor.rank, self.tail.count);
        if self.tail.ranges.last().is_none_or(|last| (last.destination, last.rank) != (destination, rank)) {
            self.tail.ranges.push(Range { destination, rank, first });
        }
        self.tail.count = first.checked_add(1).ok_or_else(|| io::Error::other("a run is full"))?;
        self.tail.id_lowest = self.tail.id_lowest.min(found.id);
        self.tail.id_highest = self.tail.id_highest.max(found.id);
        self.segment_lowest = self.segment_lowest.min(found.location.segment);
        self.block.extend_from_slice(&run::encode_entry(found));
        if self.tail.count.is_multiple_of(BLOCK) { self.end_entries() } else { Ok(()) }
    }

    fn end_entries(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            let segment_lowest = std::mem::replace(&mut self.segment_lowest, u64::MAX);
            let entries_crc = crc32fast::hash(&self.block);
            self.tail.blocks.push(Block { entries_crc, ids_crc: 0, segment_lowest });
            self.file.write(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }

    fn id(&mut self, id: MessageId, entry: u32) -> io::Result<()> {
        self.block.extend_from_slice(&run::encode_id(id, entry));
        self.ids_written += 1;
        if self.ids_written.is_multiple_of(BLOCK) { self.end_ids() } else { Ok(()) }
    }

    fn end_ids(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            let block = (self.ids_written.div_ceil(BLOCK) - 1) as usize;
            self.tail.blocks[block].ids_crc = crc32fast::hash(&self.block);
            self.file.write(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.end_ids()?;
        let tail = run::encode_tail(&self.tail);
        self.file.write(&tail)?;
        self.file.write(&(tail.len() as u64).to_le_bytes())?;
        self.file.finish()
    }
}

/// Writes a table into a run, durably but for its name.
pub(crate) fn write_table(
    disk: &dyn Disk,
    name: &RunName,
    table: &Table,
    fault: &Fault,
) -> Result<Arc<Run>, RunError> {
    let mut writer = RunWriter::begin(disk, name)?;
    let mut ids = Vec::with_capacity(table.len());
    for (destination, found) in table.all() {
        ids.push((found.id, writer.tail.count));
        writer.entry(destination, &found)?;
    }
    writer.end_entries()?;
    ids.sort_unstable();
    for (id, entry) in ids {
        writer.id(id, entry)?;
    }
    writer.finish()?;
    Ok(Arc::new(Run::open(disk, name.file(), &name.store, Arc::clone(fault))?))
}

/// Writes what is left of several runs into one, durably but for its name. A damaged input gives an error of kind `InvalidData`.
pub(crate) fn merge(
    disk: &dyn Disk,
    name: &RunName,
    inputs: &[MergeInput],
    fault: &Fault,
) -> Result<Arc<Run>, RunError> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a run of the index is damaged");
    let mut writer = RunWriter::begin(disk, name)?;
    // Where each entry goes: 4 bytes for each, while the merge lasts.
    let mut places: Vec<Vec<u32>> = inputs.iter().map(|input| vec![0; input.run.count() as usize]).collect();
    let next = |input: usize, from: u32| -> Result<Option<_>, RunError> {
        let MergeInput { run, .. } = &inputs[input];
        let Some(entry) = (from..run.count()).find(|&entry| !inputs[input].is_gone(entry)) else {
            return Ok(None);
        };
        let (destination, found) = run.entry(entry).ok_or_else(damaged)?;
        Ok(Some(Reverse((destination, found.cursor, input, entry))))
    };
    let mut heads = BinaryHeap::new();
    for input in 0..inputs.len() {
        heads.extend(next(input, 0)?);
    }
    while let Some(Reverse((destination, _, input, entry))) = heads.pop() {
        let (_, found) = inputs[input].run.entry(entry).ok_or_else(damaged)?;
        places[input][entry as usize] = writer.tail.count;
        writer.entry(destination, &found)?;
        heads.extend(next(input, entry + 1)?);
    }
    writer.end_entries()?;
    let next_id = |input: usize, from: u32| -> Result<Option<_>, RunError> {
        let run = &inputs[input].run;
        for item in from..run.count() {
            let (id, entry) = run.id(item).ok_or_else(damaged)?;
            if !inputs[input].is_gone(entry) {
                return Ok(Some(Reverse((id, input, item, entry))));
            }
        }
        Ok(None)
    };
    let mut heads = BinaryHeap::new();
    for input in 0..inputs.len() {
        heads.extend(next_id(input, 0)?);
    }
    while let Some(Reverse((id, input, item, entry))) = heads.pop() {
        writer.id(id, places[input][entry as usize])?;
        heads.extend(next_id(input, item + 1)?);
    }
    writer.finish()?;
    Ok(Arc::new(Run::open(disk, name.file(), &name.store, Arc::clone(fault))?))
}

/// The runs of an epoch, as they are written while the log is replayed: so that what is held in memory stays bounded.
#[derive(Debug)]
pub(crate) struct RunsOf {
    /// The name of the next.
    pub(crate) next: RunName,
    /// From how many messages on a table is written.
    pub(crate) table_max: usize,
}

impl RunsOf {
    /// The name of the next run.
    pub(crate) fn name(&mut self) -> RunName {
        let name = self.next;
        self.next.number += 1;
        name
    }

    /// Writes the table into a run if it is too large, and merges runs where that is worth it. Where the disk is full, the store opens all
    /// the same, with more of its index in memory: acknowledgements make room, and nobody could give them otherwise.
    pub(crate) fn bound(&mut self, disk: &dyn Disk, messages: &mut Messages) -> Result<(), RunError> {
        if messages.table_count() < self.table_max {
            return Ok(());
        }
        let fault = Arc::clone(messages.fault());
        if let Some(table) = messages.freeze() {
            let name = self.name();
            let written = write_table(disk, &name, &table, &fault);
            drop(table);
            match written {
                Ok(run) => {
                    messages.install(run);
                }
                Err(error) => {
                    messages.thaw();
                    return give_up_where_full(disk, &name, error);
                }
            }
        }
        loop {
            let inputs = messages.choose_merge();
            if inputs.is_empty() {
                return Ok(());
            }
            let name = self.name();
            let run = match merge(disk, &name, &inputs, &fault) {
                Ok(run) => run,
                Err(error) => return give_up_where_full(disk, &name, error),
            };
            messages.install_merged(&inputs, run);
            for input in inputs {
                // No checkpoint names it: it was written since this replay began.
                if matches!(input.run.name, FileName::Run { epoch, .. } if epoch == self.next.epoch) {
                    disk.remove(input.run.name)?;
                }
            }
        }
    }
}

/// What is left of a run that found no room is removed, and its error forgotten.
fn give_up_where_full(disk: &dyn Disk, name: &RunName, error: RunError) -> Result<(), RunError> {
    match error {
        RunError::Io(error) if is_full(&error) => {
            tracing::warn!(%error, "no room for the index while the journal is read: more of it is kept in memory");
            Ok(disk.remove(name.file())?)
        }
        error => Err(error),
    }
}
