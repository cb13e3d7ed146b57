//! The small files: who the store is, which epochs are taken, who holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use kahawai_store::names::Epoch;

use super::finding::{Finding, Severity};
use crate::disk::Disk;
use crate::format::claim::{self, Beat};
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::format::seal::Seal;
use crate::format::{FORMAT_VERSION, RandomId, identity, seal, segment};

/// What the small files say.
pub(crate) struct SmallFiles {
    /// The store's id, from its identity or, where that is damaged, from what else bears it.
    pub(crate) store: Option<RandomId>,
    /// Each seal that is there: what it says, if it can be read.
    pub(crate) seals: BTreeMap<Epoch, Option<Seal>>,
    pub(crate) claims: BTreeSet<Epoch>,
    /// The beat of the highest claim, if it can be read.
    pub(crate) beat: Option<Beat>,
    pub(crate) findings: Vec<Finding>,
}

/// Whether bytes whose version is newer than this program verify as what they say: if not, the version itself is damaged.
pub(crate) fn is_newer(error: &FormatError, bytes: &[u8]) -> bool {
    matches!(error, FormatError::Newer { .. })
        && bytes
            .split_last_chunk::<4>()
            .is_some_and(|(content, crc)| crc32fast::hash(content) == u32::from_le_bytes(*crc))
}

/// What is wrong with bytes that do not decode.
pub(crate) fn problem_of(error: &FormatError) -> String {
    match error {
        FormatError::Newer { what, found } => format!(
            "{what} is damaged: its checksum does not match, and its format version says {found} (this program: {FORMAT_VERSION})"
        ),
        other => other.to_string(),
    }
}

/// Reads all of them.
///
/// # Errors
/// `Ok(Err)` where one verifies as of a newer format.
pub(crate) fn read(disk: &dyn Disk, names: &[FileName]) -> io::Result<Result<SmallFiles, FormatError>> {
    let mut found = SmallFiles {
        store: None,
        seals: BTreeMap::new(),
        claims: BTreeSet::new(),
        beat: None,
        findings: Vec::new(),
    };
    match disk.read(FileName::Identity)? {
        None => found.findings.push(
            Finding::damage(FileName::Identity, "it is missing: nothing says that this is a store")
                .preventing_start(),
        ),
        Some(content) => match identity::decode(&content) {
            Ok(id) => found.store = Some(id),
            Err(error) if is_newer(&error, &content) => return Ok(Err(error)),
            Err(error) => found.findings.push(
                Finding::damage(FileName::Identity, problem_of(&error))
                    .at(0, content.len() as u64)
                    .preventing_start(),
            ),
        },
    }
    let mut seals = BTreeMap::new();
    for name in names {
        match *name {
            FileName::Claim(epoch) => {
                found.claims.insert(epoch);
                let Some(content) = disk.read(*name)? else { continue };
                match claim::decode_claim(&content) {
                    Ok(said) if said == epoch => {}
                    Ok(said) => found.findings.push(
                        Finding::damage(
                            name,
                            format!("it is the claim of epoch {said} under another's name"),
                        )
                        .at(0, content.len() as u64),
                    ),
                    Err(error) if is_newer(&error, &content) => return Ok(Err(error)),
                    Err(error) => found
                        .findings
                        .push(Finding::damage(name, problem_of(&error)).at(0, content.len() as u64)),
                }
            }
            FileName::Seal(epoch) => {
                if let Some(content) = disk.read(*name)? {
                    seals.insert(epoch, content);
                }
            }
            _ => {}
        }
    }
    if found.store.is_none() {
        found.store = guess_id(disk, names, &seals)?;
    }
    for (epoch, content) in seals {
        let name = FileName::Seal(epoch);
        let problem = match seal::decode(&content) {
            Ok(seal) if seal.epoch != epoch => {
                format!("it is the seal of epoch {} under another's name", seal.epoch)
            }
            Ok(seal) if Some(seal.store) != found.store => "it belongs to another store".to_owned(),
            Ok(seal) => {
                found.seals.insert(epoch, Some(seal));
                continue;
            }
            Err(error) if is_newer(&error, &content) => return Ok(Err(error)),
            Err(error) => problem_of(&error),
        };
        found.seals.insert(epoch, None);
        found.findings.push(Finding::damage(name, problem).at(0, content.len() as u64).preventing_start());
    }
    found.report_missing_claims();
    found.read_beats(disk, names)?;
    Ok(Ok(found))
}

impl SmallFiles {
    /// Claims are never deleted and leave no gaps; an epoch that sealed had claimed before.
    fn report_missing_claims(&mut self) {
        let highest = self.claims.last().copied().max(self.seals.keys().next_back().copied());
        let Some(highest) = highest.filter(|_| !self.claims.is_empty()) else {
            if !self.seals.is_empty() {
                let name = FileName::Claim(Epoch(1));
                self.findings
                    .push(Finding::damage(name, "no epoch's claim is there, though epochs have sealed"));
            }
            return;
        };
        let mut next = 1;
        let present: Vec<u64> = self.claims.iter().map(|epoch| epoch.0).collect();
        for number in present.into_iter().chain([highest.0.saturating_add(1)]) {
            if number > next {
                let problem = match number - next {
                    1 => "it is missing, and claims are never deleted".to_owned(),
                    count => {
                        format!("it and the {} after it are missing, and claims are never deleted", count - 1)
                    }
                };
                self.findings.push(Finding::damage(FileName::Claim(Epoch(next)), problem));
            }
            next = number.saturating_add(1);
        }
    }

    fn read_beats(&mut self, disk: &dyn Disk, names: &[FileName]) -> io::Result<()> {
        // A beat is overwritten in place: one that is met half written is read again.
        const TRIES: usize = 20;
        let highest = self.claims.last().copied().unwrap_or_default();
        for name in names {
            let FileName::Beat(epoch) = *name else { continue };
            let mut problem = None;
            for _ in 0..TRIES {
                let Some(content) = disk.read(*name)? else { break };
                problem = match claim::decode_beat(&content) {
                    Ok(beat) if beat.holder.epoch == epoch => {
                        if epoch == highest {
                            self.beat = Some(beat);
                        }
                        None
                    }
                    Ok(beat) => {
                        Some((format!("it is the beat of epoch {}", beat.holder.epoch), content.len()))
                    }
                    Err(error) => Some((problem_of(&error), content.len())),
                };
                if problem.is_none() {
                    break;
                }
            }
            if let Some((problem, length)) = problem {
                let consequence =
                    "a slave waits for the lease before it takes over; nothing else is concerned";
                let problem = format!("{problem}; {consequence}");
                self.findings.push(Finding::new(Severity::Note, name, problem).at(0, length as u64));
            }
        }
        Ok(())
    }
}

/// The store's id as most of what bears one says.
fn guess_id(
    disk: &dyn Disk,
    names: &[FileName],
    seals: &BTreeMap<Epoch, Vec<u8>>,
) -> io::Result<Option<RandomId>> {
    let mut votes: BTreeMap<RandomId, usize> = BTreeMap::new();
    for seal in seals.values().filter_map(|content| seal::decode(content).ok()) {
        *votes.entry(seal.store).or_default() += 1;
    }
    for name in names.iter().filter(|name| matches!(name, FileName::Segment { .. })) {
        let mut bytes = [0; segment::HEADER_LENGTH as usize];
        match disk.open_segment(*name).and_then(|file| file.read(0, &mut bytes)) {
            Ok(()) => {}
            Err(error) if is_gone_or_short(&error) => continue,
            Err(error) => return Err(error),
        }
        if let Ok(header) = segment::decode(&bytes) {
            *votes.entry(header.store).or_default() += 1;
        }
    }
    Ok(votes.into_iter().max_by_key(|(_, count)| *count).map(|(id, _)| id))
}

/// Whether a file is not there, or ends before what was asked for.
pub(crate) fn is_gone_or_short(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
}
