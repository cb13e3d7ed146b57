//! Takes checkpoints and keeps the index in runs, beside the rounds and without holding them up.
//!
//! One at a time, in four stages. **Captured** at the end of a round, when everything is durable and proven: the table in
//! memory is set aside and what is small is copied. **Written**: the table becomes a run, elsewhere. **Waiting** until the log
//! itself says, durably, that the captured place is durable, so that no later master can seal the log before it. **Published**:
//! the checkpoint's file is written; then files that neither it nor the one before it names are removed.
//!
//! All of it is disposable: a lack of room ends an attempt, and the next comes later. Any other error of the disk ends the store, as a
//! failed write does.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kahawai_store::contract::StoreError;

use super::checkpoints::{Published, Stage};
use super::{Access, Writer};
use crate::disk::is_full;
use crate::format::checkpoint::{self, Checkpoint, RunKept, Through};
use crate::format::name::FileName;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::format::snapshot;
use crate::index::merge_input::MergeInput;
use crate::index::run::{Run, RunError};
use crate::index::table::Table;
use crate::index::write_run::{merge, write_table};
use crate::steps::Step;

/// A checkpoint costs a few flushes: for less of the log than this none is taken but when so much has gathered in memory.
const LOG_WORTH_IT: u64 = 1 << 20;
/// How long to wait after there was no room.
const REST_WHEN_FULL: Duration = Duration::from_secs(1);

impl Writer {
    /// Takes what is under way one step further, and begins what is due. To be called when a round is over.
    pub(super) fn advance_checkpoints(&mut self) {
        if self.shared.ended().is_some() {
            return;
        }
        if let Some(problem) = self.index_fault() {
            self.give_up_index(&problem);
            return;
        }
        if let Err(error) = self.try_advance() {
            match error {
                RunError::Io(error) if is_full(&error) => {
                    tracing::warn!(%error, "no room for a checkpoint; it is tried again");
                    self.checkpoints.full_until = Some(Instant::now() + REST_WHEN_FULL);
                }
                RunError::Format(error) => self.give_up_index(&error.to_string()),
                RunError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let problem = self.index_fault().unwrap_or_else(|| error.to_string());
                    self.give_up_index(&problem);
                }
                RunError::Io(error) => {
                    self.shared.end(self.failed("write a checkpoint beside", &error));
                }
            }
        }
    }

    /// Whether a checkpoint is under way, or will be due soon though nothing more is written.
    pub(super) fn has_checkpoint_work(&self) -> bool {
        let worth_it = LOG_WORTH_IT.min(self.options.checkpoint_bytes);
        !matches!(self.checkpoints.stage, Stage::Rest)
            || self.checkpoints.merge.is_some()
            || self.appended - self.checkpoints.captured_at >= worth_it
    }

    /// What was found wrong with the index on disk, if anything.
    pub(super) fn index_fault(&self) -> Option<String> {
        self.shared.index().messages.fault().get().cloned()
    }

    /// The index is damaged: what it says cannot be trusted. It goes, so that the next to open the store reads the journal.
    fn give_up_index(&mut self, problem: &str) {
        tracing::error!(%problem, "the index is damaged; it is removed, and the next start reads the whole journal");
        let names: Vec<_> = self.checkpoints.published.drain(..).map(|published| published.name).collect();
        if self.hold.prove().is_ok() {
            for name in names {
                if let Err(error) = self.disk.remove(name) {
                    tracing::error!(%error, "cannot remove {name}; remove it by hand");
                }
            }
        }
        let text = format!("{problem}; the journal itself is untouched: start again");
        self.shared.end(StoreError::Failed(text.into()));
    }

    fn try_advance(&mut self) -> Result<(), RunError> {
        match std::mem::replace(&mut self.checkpoints.stage, Stage::Rest) {
            Stage::Rest => self.capture_if_due(),
            Stage::Writing { captured, table, mut task } => match task.poll() {
                None => self.checkpoints.stage = Stage::Writing { captured, table, task },
                Some(result) => self.take_in_run(captured, table, result)?,
            },
            Stage::NoRoom { table } => {
                if self.checkpoints.rests() || self.spares.has_lacked() {
                    self.checkpoints.stage = Stage::NoRoom { table };
                } else {
                    self.write_run(None, table);
                }
            }
            Stage::Waiting(captured) => {
                if captured.through.sequence <= self.said_flushed {
                    self.publish(*captured);
                } else {
                    self.checkpoints.stage = Stage::Waiting(captured);
                }
            }
            Stage::Publishing { published, mut task } => match task.poll() {
                None => self.checkpoints.stage = Stage::Publishing { published, task },
                Some(result) => self.sweep_index(published, result)?,
            },
        }
        self.advance_merge()
    }

    fn capture_if_due(&mut self) {
        let bytes = self.appended - self.checkpoints.captured_at;
        let table_max = self.checkpoints.runs.table_max;
        let due = bytes >= self.options.checkpoint_bytes
            || self.shared.index().messages.table_count() >= table_max
            || (bytes >= LOG_WORTH_IT.min(self.options.checkpoint_bytes)
                && self.checkpoints.captured_when.elapsed() >= self.options.checkpoint_interval);
        // What is gone is not to be in it, and is taken out soon; but the next start is not to read ever more.
        let is_late = bytes >= self.options.checkpoint_bytes.saturating_mul(2)
            || self.shared.index().messages.table_count() >= table_max.saturating_mul(2);
        let due = due && (is_late || !self.is_sweeping());
        // What room there is, is for the reserves.
        if due && !self.checkpoints.rests() && !self.spares.has_lacked() {
            self.capture();
        }
    }

    /// Sets aside what is to be in a checkpoint. Everything before is durable and proven.
    fn capture(&mut self) {
        // Between rounds only what says that nothing happens is not flushed.
        if self.reaches_beyond_durable() {
            self.flush_and_prove();
        }
        if self.durable + 1 != self.sequence_next || self.shared.ended().is_some() {
            return;
        }
        self.sweep_all();
        self.checkpoints.captured_at = self.appended;
        self.checkpoints.captured_when = Instant::now();
        let end = self.active.end();
        let through = Through { segment: end.number, offset: end.offset, sequence: self.durable };
        let number = self.checkpoints.number_next;
        self.checkpoints.number_next += 1;
        let (table, captured) = {
            let mut index = self.shared.index_mut();
            let runs = index.messages.runs();
            let table = index.messages.freeze();
            let kept = |input: MergeInput| {
                let FileName::Run { epoch, number } = input.run.name else { return None };
                Some(RunKept { epoch, number, checksum: input.run.checksum, gone: input.gone })
            };
            let captured = Checkpoint {
                store: self.store,
                epoch: self.hold.epoch(),
                number,
                log: self.log,
                through,
                state: snapshot::encode(index.state.snapshot()),
                prepared: index.state.prepared_at(),
                kept: index.messages.kept(),
                damaged: self.damaged.iter().copied().collect(),
                damage: self.damage.iter().filter(|line| !line.starts_with("doubtful")).cloned().collect(),
                runs: runs.into_iter().filter_map(kept).collect(),
            };
            (table, Box::new(captured))
        };
        match table {
            Some(table) => self.write_run(Some(captured), table),
            None => self.checkpoints.stage = Stage::Waiting(captured),
        }
        self.options.watch.reached(Step::CheckpointCaptured);
    }

    fn write_run(&mut self, captured: Option<Box<Checkpoint>>, table: Arc<Table>) {
        let name = self.checkpoints.runs.name();
        self.checkpoints.files.insert(name.file());
        let (disk, written) = (Arc::clone(&self.disk), Arc::clone(&table));
        let fault = Arc::clone(self.shared.index().messages.fault());
        let task = self.checkpoints.background.start(move || {
            write_table(disk.as_ref(), &name, &written, &fault).inspect_err(|_| {
                // What is left of it nothing names; if it cannot be removed now, the next epoch does.
                let _ = disk.remove(name.file());
            })
        });
        self.checkpoints.stage = Stage::Writing { captured, table, task };
    }

    fn take_in_run(
        &mut self,
        captured: Option<Box<Checkpoint>>,
        table: Arc<Table>,
        result: Result<Arc<Run>, RunError>,
    ) -> Result<(), RunError> {
        let run = match result {
            Ok(run) => run,
            Err(error) => {
                self.checkpoints.stage = Stage::NoRoom { table };
                return Err(error);
            }
        };
        let frozen = self.shared.index_mut().messages.install(Arc::clone(&run));
        drop(table);
        // Freeing a large table takes longer than a flush.
        self.checkpoints.background.drop_elsewhere(frozen);
        if let (Some(mut captured), FileName::Run { epoch, number }) = (captured, run.name) {
            let gone = vec![0; run.count().div_ceil(64) as usize];
            captured.runs.push(RunKept { epoch, number, checksum: run.checksum, gone });
            self.checkpoints.stage = Stage::Waiting(captured);
        }
        Ok(())
    }

    fn publish(&mut self, captured: Checkpoint) {
        let name = FileName::Checkpoint { epoch: captured.epoch, number: captured.number };
        let file = |run: &RunKept| FileName::Run { epoch: run.epoch, number: run.number };
        let published = Published { name, runs: captured.runs.iter().map(file).collect() };
        let disk = Arc::clone(&self.disk);
        let task = self.checkpoints.background.start(move || {
            let write = || {
                // The runs' names first: a checkpoint is not to be there before what it names.
                disk.sync_names()?;
                let mut file = disk.create_file(name)?;
                file.write(&checkpoint::encode(&captured))?;
                file.finish()?;
                disk.sync_names()
            };
            write().inspect_err(|_| {
                let _ = disk.remove(name);
            })
        });
        self.checkpoints.stage = Stage::Publishing { published, task };
    }

    /// Removes checkpoints but the last two, and runs that neither of them nor the index uses.
    fn sweep_index(&mut self, published: Published, result: io::Result<()>) -> Result<(), RunError> {
        result?;
        self.options.watch.reached(Step::CheckpointPublished);
        self.checkpoints.published.push_back(published);
        self.remove_unused()
    }

    fn remove_unused(&mut self) -> Result<(), RunError> {
        const KEPT: usize = 2;
        self.prove();
        if self.shared.ended().is_some() {
            return Ok(());
        }
        while self.checkpoints.published.len() > KEPT {
            if let Some(old) = self.checkpoints.published.pop_front() {
                self.disk.remove(old.name)?;
            }
        }
        let mut used: BTreeSet<FileName> = self.shared.index().messages.run_names().into_iter().collect();
        used.extend(self.checkpoints.published.iter().flat_map(|published| published.runs.iter().copied()));
        if let Some((_, name, _)) = &self.checkpoints.merge {
            used.insert(*name);
        }
        let unused: Vec<_> = self.checkpoints.files.difference(&used).copied().collect();
        self.checkpoints.files.retain(|name| used.contains(name));
        for name in unused {
            self.disk.remove(name)?;
        }
        Ok(())
    }

    fn advance_merge(&mut self) -> Result<(), RunError> {
        if let Some((inputs, name, mut task)) = self.checkpoints.merge.take() {
            match task.poll() {
                None => self.checkpoints.merge = Some((inputs, name, task)),
                Some(result) => {
                    let run = result?;
                    self.shared.index_mut().messages.install_merged(&inputs, run);
                }
            }
        } else if matches!(self.checkpoints.stage, Stage::Rest)
            && !self.checkpoints.rests()
            && !self.spares.has_lacked()
            && !self.is_sweeping()
        {
            let inputs = self.shared.index_mut().messages.choose_merge();
            if inputs.is_empty() {
                return Ok(());
            }
            let name = self.checkpoints.runs.name();
            self.checkpoints.files.insert(name.file());
            let (disk, merged) = (Arc::clone(&self.disk), inputs.clone());
            let fault = Arc::clone(self.shared.index().messages.fault());
            let task = self.checkpoints.background.start(move || {
                merge(disk.as_ref(), &name, &merged, &fault).inspect_err(|_| {
                    let _ = disk.remove(name.file());
                })
            });
            self.checkpoints.merge = Some((inputs, name.file(), task));
        }
        Ok(())
    }

    /// Ends the log in good order: its last record says that everything before is durable, and where much was written since the last
    /// checkpoint, another spares the next master the reading.
    pub(super) fn close_with_checkpoint(&mut self) {
        if let Some(problem) = self.index_fault() {
            // Found by a reader, and by no round since. Left there, every later start would find it again.
            self.give_up_index(&problem);
            return;
        }
        let worth_it = LOG_WORTH_IT.min(self.options.checkpoint_bytes);
        // What is under way is waited for, but a merge, which can be done again.
        self.checkpoints.merge = None;
        self.settle();
        if self.shared.ended().is_none() && self.appended - self.checkpoints.captured_at >= worth_it {
            self.capture();
        }
        if self.append(Kind::Close, vec![0; HEADER_LENGTH], 0, Access::Freeing).is_ok() {
            self.flush_and_prove();
        }
        self.settle();
    }

    /// Takes the checkpoint under way as far as it gets now.
    fn settle(&mut self) {
        loop {
            if self.shared.ended().is_some() {
                return;
            }
            match &mut self.checkpoints.stage {
                Stage::Rest | Stage::NoRoom { .. } => return,
                Stage::Waiting(captured) if captured.through.sequence > self.said_flushed => return,
                Stage::Waiting(_) => {}
                Stage::Writing { task, .. } => task.wait(),
                Stage::Publishing { task, .. } => task.wait(),
            }
            self.advance_checkpoints();
            if matches!(self.checkpoints.stage, Stage::Rest) {
                return;
            }
        }
    }
}
