//! Reads a whole store, as it stands or beside its running master, and says what it holds and what is damaged.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use kahawai_store::batch::Operation;
use kahawai_store::codec::header;
use kahawai_store::contract::Recovered;
use kahawai_store::names::{Epoch, MessageId};

use super::aside;
use super::contents::{Applied, Contents};
use super::directory::ReadOnlyDirectory;
use super::finding::{Finding, Lost, Severity};
use super::lineage::{self, Lineage, LineageError};
use super::read::{self, Met, ReadError, Reading};
use super::small::{self, SmallFiles};
use crate::disk::Disk;
use crate::disk::on_demand::OpenFiles;
use crate::format::batch::decode_batch_body;
use crate::format::body;
use crate::format::claim::Beat;
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::format::record::Kind;
use crate::format::relocation;

/// Why a store cannot be examined.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is no such directory.
    #[error("{path} cannot be opened: {error}", path = path.display())]
    Directory {
        /// What was given.
        path: std::path::PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It holds nothing of a store's.
    #[error("{0} is not a Kahawai store: it has no file 'kahawai-store' and no journal")]
    NotAStore(String),
    /// A newer program wrote it.
    #[error("{0}")]
    Newer(#[from] FormatError),
    /// A file cannot be read.
    #[error(
        "cannot read {name}: {error}; this is the disk or the file system, not the store's content: see the system's log"
    )]
    Io {
        /// Which.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// Its master changes it faster than it can be read.
    #[error(
        "the store's master changes it faster than it can be read: run this on a backup (kahawai store backup)"
    )]
    Busy,
    /// What was asked for does not go on a store that is in use, or into a directory that is.
    #[error("{0}")]
    Refused(String),
}

impl InspectError {
    pub(super) fn io(name: impl ToString) -> impl FnOnce(io::Error) -> Self {
        let name = name.to_string();
        move |error| Self::Io { name, error }
    }
}

impl From<LineageError> for InspectError {
    fn from(error: LineageError) -> Self {
        match error {
            LineageError::Io(name, error) => Self::Io { name: name.to_string(), error },
            LineageError::Newer(_, error) => Self::Newer(error),
        }
    }
}

impl From<ReadError> for InspectError {
    fn from(error: ReadError) -> Self {
        Self::Io { name: error.name.to_string(), error: error.error }
    }
}

/// How far a pass has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of segments done with.
    pub done: u64,
    /// Bytes of segments there are.
    pub total: u64,
}

/// Told how far a pass has come.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

/// A store, to be looked at.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) name: String,
}

/// What examining a store found.
#[derive(Clone, Debug)]
pub struct Examination {
    /// What is damaged, doubtful or worth knowing, in the order of the log.
    pub findings: Vec<Finding>,
    /// The segments that count and were read.
    pub segments: Vec<SegmentFound>,
    /// Segments up to this number are released.
    pub released: u64,
    /// The sequence of the last record that counts.
    pub sequence_last: u64,
    /// Up to this sequence the log itself says that all was on the disk.
    pub durable_through: u64,
    /// Whether the log ends with the note that it was closed in good order.
    pub closed: bool,
    /// The highest epoch claimed.
    pub epoch_claimed: Epoch,
    /// The epochs whose logs still count.
    pub epochs: Vec<Epoch>,
    /// The store's id, where anything says it.
    pub id: Option<[u8; 16]>,
    /// What is deliverable (messages that wait and cannot be read are not counted): destinations and subscriptions with what waits in them, transactions, tables.
    pub holds: Recovered,
    pub(super) contents: Contents,
}

/// A segment that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFound {
    /// Its file's name.
    pub file: String,
    /// The epoch that wrote it.
    pub epoch: Epoch,
    /// Its number.
    pub number: u64,
    /// How long the file is.
    pub length: u64,
    /// Where its last record ends.
    pub end: u64,
    /// How many records verify.
    pub records: u64,
    /// How many bytes of them were written only to write again what lived in earlier segments.
    pub written_again: u64,
}

impl Examination {
    /// Whether anything is damaged.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Damage)
    }
}

/// How many segments a tool has open. As many as can be: beside a running master, what is open can be read though it is given up.
const OPEN_MAX: usize = if cfg!(test) { 1 } else { 256 };

/// A listing, with what it leads to.
pub(super) struct Listed {
    pub(super) names: Vec<FileName>,
    pub(super) small: SmallFiles,
}

impl Inspection {
    /// Opens a store's directory to look at it. Nothing is written, ever.
    ///
    /// # Errors
    /// Where there is no such directory or it is no store.
    pub fn open(path: &Path) -> Result<Self, InspectError> {
        let directory = ReadOnlyDirectory::open(path)
            .map_err(|error| InspectError::Directory { path: path.to_owned(), error })?;
        Self::on(Arc::new(directory), path.display().to_string())
    }

    /// A store on any disk, under a name for messages.
    ///
    /// # Errors
    /// Where it is no store.
    pub fn on(disk: Arc<dyn Disk>, name: String) -> Result<Self, InspectError> {
        let names = disk.list().map_err(InspectError::io(&name))?;
        let tells = |found: &FileName| {
            matches!(found, FileName::Identity | FileName::Seal(_) | FileName::Segment { .. })
        };
        if names.iter().any(tells) { Ok(Self { disk, name }) } else { Err(InspectError::NotAStore(name)) }
    }

    pub(super) fn list(&self) -> Result<Listed, InspectError> {
        let mut names = self.disk.list().map_err(InspectError::io(&self.name))?;
        names.sort_unstable();
        let small = small::read(self.disk.as_ref(), &names).map_err(InspectError::io(&self.name))??;
        if small.store.is_none() && names.iter().any(|name| matches!(name, FileName::Segment { .. })) {
            let text = format!("{}: nothing in it can be read as a store's", self.name);
            return Err(InspectError::Refused(text));
        }
        Ok(Listed { names, small })
    }

    pub(super) fn lineage(&self, listed: &Listed) -> Result<Lineage, InspectError> {
        let files = OpenFiles::new(Arc::clone(&self.disk), OPEN_MAX);
        Ok(lineage::find(&files, &listed.names, &listed.small)?)
    }

    /// Reads the log once.
    pub(super) fn pass(
        &self,
        lineage: Lineage,
        visit: &mut dyn FnMut(Met<'_>),
        progress: OnProgress<'_>,
    ) -> Result<Reading, InspectError> {
        let lengths = lineage.logs.iter().flat_map(|(_, found)| found).map(|found| found.file.length());
        let mut at = Progress { done: 0, total: lengths.sum() };
        progress(at);
        let is_gone = |name| self.disk.ask(name).map(|there| !there);
        let mut advance = |bytes| {
            at.done += bytes;
            progress(at);
        };
        Ok(read::read(lineage, &is_gone, visit, &mut advance)?)
    }

    /// Reads everything. Beside a running master too: what it gives up or adds meanwhile is not taken for damage; where
    /// something looks damaged and the store has changed meanwhile, it is read again.
    ///
    /// # Errors
    /// [`InspectError`]: where it cannot be read, not where it is damaged.
    pub fn examine(&self, progress: OnProgress<'_>) -> Result<Examination, InspectError> {
        const TRIES: usize = 8;
        let mut before = None;
        for _ in 0..TRIES {
            let listed = self.list()?;
            let (found, reading_given_up) = self.examine_once(&listed, progress)?;
            let damage: Vec<_> = found
                .findings
                .iter()
                .filter(|finding| finding.severity == Severity::Damage)
                .cloned()
                .collect();
            if damage.is_empty() && reading_given_up.is_empty() {
                return self.name_what_is_lost(found, &listed, progress);
            }
            let now = self.list()?;
            let unchanged = now.names == listed.names && reading_given_up.is_empty();
            if unchanged || before.as_ref() == Some(&damage) {
                return self.name_what_is_lost(found, &listed, progress);
            }
            before = Some(damage);
        }
        Err(InspectError::Busy)
    }

    fn examine_once(
        &self,
        listed: &Listed,
        progress: OnProgress<'_>,
    ) -> Result<(Examination, Vec<u64>), InspectError> {
        let lineage = self.lineage(listed)?;
        let epochs: Vec<Epoch> = lineage.logs.iter().map(|(log, _)| log.epoch).collect();
        let mut contents = Contents::default();
        let mut odd = Vec::new();
        let mut written_again: HashMap<u64, u64> = HashMap::new();
        let mut visit = |met: Met<'_>| {
            if met.header.kind == Kind::Relocation {
                *written_again.entry(met.segment).or_default() += met.header.record_length();
            }
            let finding = match contents.apply(&met) {
                Applied::Whole => None,
                Applied::Skipped(lost) => {
                    let problem = "the record is whole, and names what an earlier loss left unknown: that part of it comes to nothing";
                    Some(Finding { lost, ..Finding::damage(met.name, problem) })
                }
                Applied::Unreadable => Some(Finding::damage(
                    met.name,
                    "a record verifies and holds nothing this program can read",
                )),
            };
            let lost_with = || match (met.header.kind, relocation::decode_lost(met.body)) {
                (Kind::Lost, Some((segment, messages))) => {
                    let problem = format!(
                        "it says that these lived in segment {segment}, which was damaged, and are lost"
                    );
                    let lost = messages.into_iter().map(|(destination, id)| Lost::message(id, destination));
                    Some(Finding { lost: lost.collect(), ..Finding::damage(met.name, problem) })
                }
                _ => None,
            };
            if let Some(finding) = finding.or_else(lost_with) {
                let sequence = met.header.sequence;
                let end = met.offset + met.header.record_length();
                odd.push(finding.in_segment(met.segment).at(met.offset, end).records(sequence, sequence));
            }
        };
        let reading = self.pass(lineage, &mut visit, progress)?;
        let small = &listed.small;
        let mut findings = small.findings.clone();
        let left_out = aside::look(self.disk.as_ref(), &listed.names);
        findings.extend(left_out.map_err(|(name, error)| InspectError::io(name)(error))?);
        findings.extend(reading.findings);
        findings.extend(odd);
        let epoch_claimed = small.claims.last().copied().unwrap_or_default();
        findings.extend(not_closed(small.beat.as_ref(), &epochs, reading.closed));
        let segments = reading.segments.iter().map(|found| SegmentFound {
            file: found.name.to_string(),
            epoch: found.epoch,
            number: found.number,
            length: found.length,
            end: found.end,
            records: found.records,
            written_again: written_again.get(&found.number).copied().unwrap_or_default(),
        });
        let examination = Examination {
            findings,
            segments: segments.collect(),
            released: reading.released,
            sequence_last: reading.sequence_last,
            durable_through: reading.durable,
            closed: reading.closed,
            epoch_claimed,
            holds: contents.recovered(epochs_last(&epochs)),
            epochs,
            id: small.store,
            contents,
        };
        Ok((examination, reading.given_up))
    }

    /// Finds out which of the lost messages the log says later were acknowledged or written once more: nothing is lost with those; and
    /// the ids that clients see, of whatever lost operation is about a message that can be read.
    fn name_what_is_lost(
        &self,
        mut found: Examination,
        listed: &Listed,
        progress: OnProgress<'_>,
    ) -> Result<Examination, InspectError> {
        let contents = &found.contents;
        for finding in found.findings.iter_mut().filter(|finding| finding.certain) {
            finding.lost.retain(|lost| match lost {
                Lost::Message { id, .. } => !contents.is_readable(*id),
                _ => true,
            });
        }
        let mut names: HashMap<MessageId, Option<String>> = HashMap::new();
        let mut lost = BTreeSet::new();
        for what in found.findings.iter_mut().flat_map(|finding| &mut finding.lost) {
            if let Lost::Message { id, destination, .. } = what {
                lost.insert((*id, *destination));
            }
            if let Some((id, None)) = what.about().map(|(id, name)| (id, name.clone())) {
                names.insert(id, None);
            }
        }
        if lost.is_empty() && names.is_empty() {
            return Ok(found);
        }
        let mut done = BTreeSet::new();
        let mut visit = |met: Met<'_>| {
            if !names.is_empty() {
                for held in body::held_in(met.header.kind, met.body).unwrap_or_default() {
                    if let Some(name) = names.get_mut(&held.id)
                        && let Some(message) = met.body.get(held.span.range())
                    {
                        *name = header::message_id(message).map(|text| text.to_string());
                    }
                }
            }
            if met.header.kind == Kind::Batch
                && let Some((operations, _)) = decode_batch_body(met.body)
            {
                for operation in operations {
                    if let Operation::Acknowledge { destination, id, subscription: None, .. } = operation
                        && lost.contains(&(id, destination))
                    {
                        done.insert((id, destination));
                    }
                }
            }
        };
        self.pass(self.lineage(listed)?, &mut visit, progress)?;
        for lost in found.findings.iter_mut().flat_map(|finding| &mut finding.lost) {
            if let Lost::Message { id, destination, acknowledged, .. } = lost {
                *acknowledged = done.contains(&(*id, *destination));
            }
            if let Some((id, name @ None)) = lost.about() {
                *name = names.get(&id).cloned().flatten();
            }
        }
        Ok(found)
    }
}

fn epochs_last(epochs: &[Epoch]) -> Epoch {
    epochs.last().copied().unwrap_or_default()
}

/// A last master that released the store had mostly closed its log: where that note is missing, the end may be.
fn not_closed(beat: Option<&Beat>, epochs: &[Epoch], closed: bool) -> Option<Finding> {
    let beat = beat.filter(|beat| beat.released && !closed && Some(&beat.holder.epoch) == epochs.last())?;
    let problem = "its master released the store, and the log does not end with the note that it was closed: either the master stopped \
                   for an error (its own log says so), or the last records are lost";
    Some(Finding::new(Severity::Note, FileName::Beat(beat.holder.epoch), problem))
}
