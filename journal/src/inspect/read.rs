//! Reads the log from end to end as recovery would, and says exactly what is not as it was written.
//!
//! The rules are those of `log::replay`: what is invalid up to *durable* is damage, what is invalid after it is a torn tail, a
//! valid record behind a torn one is doubtful. Here each finding keeps its place, and what was lost is named.

use std::io;

use kahawai_store::names::Epoch;

use super::finding::{Finding, Lost, Severity};
use super::inside::inside;
use super::lineage::{Found, Lineage};
use super::walk::{Step, Walk};
use crate::format::RandomId;
use crate::format::body::Held;
use crate::format::name::FileName;
use crate::format::record::{HEADER_LENGTH, Kind, Place, RecordHeader};
use crate::format::seal::LogEnd;
use crate::format::segment;

/// A record as it was met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met<'a> {
    pub(crate) name: FileName,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) header: RecordHeader,
    pub(crate) body: &'a [u8],
    /// The messages in it that are not what was written.
    pub(crate) bad: &'a [Held],
    pub(crate) standing: Standing,
}

/// What a record counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The log says that it was on the disk.
    Proven,
    /// It verifies behind what is known to be on the disk: the next master takes it over.
    Unproven,
    /// It stands behind a torn one: left out.
    Doubtful,
}

/// A segment that was read.
#[derive(Clone, Debug)]
pub(crate) struct SegmentRead {
    pub(crate) name: FileName,
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) length: u64,
    /// Where its last record ends.
    pub(crate) end: u64,
    pub(crate) records: u64,
}

/// What reading came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) findings: Vec<Finding>,
    pub(crate) segments: Vec<SegmentRead>,
    /// Segments up to this number are released.
    pub(crate) released: u64,
    /// The last record's sequence, unproven ones included.
    pub(crate) sequence_last: u64,
    /// How far the log says that it is on the disk.
    pub(crate) durable: u64,
    /// Whether the last record says that the log was closed in good order.
    pub(crate) closed: bool,
    /// Segments that were found changed and have lost their name since: given up by the master meanwhile.
    pub(crate) given_up: Vec<u64>,
}

/// Whether the master took a segment away while it was read.
pub(crate) type IsGone<'a> = &'a dyn Fn(FileName) -> io::Result<bool>;

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {error}")]
pub(crate) struct ReadError {
    pub(crate) name: FileName,
    pub(crate) error: io::Error,
}

/// Reads all that was not released. `visit` gets each record, `progress` the count of bytes done with.
pub(crate) fn read(
    mut lineage: Lineage,
    is_gone: IsGone<'_>,
    visit: &mut dyn FnMut(Met<'_>),
    progress: &mut dyn FnMut(u64),
) -> Result<Reading, ReadError> {
    let mut reading = Reading { findings: std::mem::take(&mut lineage.findings), ..Reading::default() };
    if let Some((log, youngest)) = lineage.logs.last_mut() {
        leave_out_what_was_being_begun(log.log, log.epoch, youngest, &mut reading.findings)?;
    }
    let last = lineage.logs.iter().rev().find_map(|(log, found)| found.last().map(|found| (log, found)));
    let survey = match last {
        Some((log, found)) => survey(found, log.log, log.epoch)?,
        None => Survey::default(),
    };
    let headers = lineage.logs.iter().flat_map(|(_, found)| found).filter_map(|found| found.header.as_ref());
    let said = headers.map(|header| header.released).max().unwrap_or_default().max(survey.released);
    let (released, odd) = lineage.released(said);
    reading.released = released;
    for &name in &lineage.set_aside {
        let FileName::Quarantine { number, .. } = name else { continue };
        let problem = match odd.contains(&name) {
            true => "not set aside from this log: it does not count",
            false => {
                "damaged, and set aside: what could be read of it was kept, and no broker reads it any more"
            }
        };
        reading.findings.push(Finding::damage(name, problem).in_segment(number));
    }
    reading.durable = survey.durable_through;
    for missing in [lineage.before, lineage.seal_missing].into_iter().flatten() {
        if missing.number > reading.released {
            let name = FileName::Seal(missing.epoch);
            let problem =
                format!("it is missing, though segments up to {} were not released", missing.number);
            let finding = Finding::damage(name, problem).preventing_start();
            if !reading.findings.contains(&finding) {
                reading.findings.push(finding);
            }
        }
    }
    let logs = lineage.logs.len();
    let mut pass = Pass { reading, visit, progress, sequence: 0, known: false, pending: Vec::new(), is_gone };
    let mut expected = lineage.logs.first().map_or(0, |(log, _)| log.first_number);
    for (position, (log, segments)) in lineage.logs.iter().enumerate() {
        for (index, found) in segments.iter().enumerate() {
            if found.number <= pass.reading.released {
                continue;
            }
            pass.missing(log.epoch, expected.max(pass.reading.released + 1), found.number);
            expected = found.number.saturating_add(1);
            let next = segments.get(index + 1);
            let is_last = position + 1 == logs && next.is_none();
            let before_next = next.and_then(|next| next.header.as_ref()).and_then(|header| header.before);
            let end = if next.is_some() { before_next } else { log.end };
            let end = end.filter(|end| end.number == found.number);
            let is_first = found.number == log.first_number;
            let said = found.header.as_ref().map(|header| header.first_sequence);
            let first_sequence = said.or(is_first.then_some(log.first_sequence));
            pass.begin(found, first_sequence);
            match pass.segment(found, log.log, log.epoch, end, is_last) {
                // Given up since it was found, and not open then.
                Err(ReadError { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                    pass.reading.given_up.push(found.number);
                }
                read => read?,
            }
        }
        if let Some(end) = log.end {
            pass.missing(log.epoch, expected.max(pass.reading.released + 1), end.number.saturating_add(1));
            expected = expected.max(end.number.saturating_add(1));
        } else if position + 1 == logs && segments.is_empty() {
            let from = expected.max(pass.reading.released + 1);
            pass.missing(log.epoch, from, log.first_number.saturating_add(1));
        }
    }
    Ok(pass.reading)
}

/// What the last segment says.
#[derive(Debug, Default)]
struct Survey {
    first_sequence: Option<u64>,
    durable_through: u64,
    released: u64,
}

fn survey(found: &Found, log: RandomId, epoch: Epoch) -> Result<Survey, ReadError> {
    let mut survey = Survey::default();
    let mut torn = false;
    let mut released = Vec::new();
    let mut walk = Walk::new(found.file.as_ref(), log, epoch, found.number, None);
    while let Some(step) = walk.next().map_err(|error| ReadError { name: found.name, error })? {
        let (header, is_whole) = match step {
            Step::Record { header, bad, .. } => (header, bad.is_empty()),
            Step::BodyDamaged { header, .. } => (header, false),
            Step::Gap { .. } | Step::Cut { .. } => {
                torn = true;
                continue;
            }
        };
        torn |= !is_whole;
        survey.first_sequence.get_or_insert(header.sequence);
        survey.durable_through = survey.durable_through.max(header.durable_through);
        if header.kind == Kind::Release
            && is_whole
            && let Ok(number) = walk.body().try_into().map(u64::from_le_bytes)
        {
            released.push((torn, header.sequence, number));
        }
    }
    let counts = |&&(torn, sequence, _): &&(bool, u64, u64)| !torn || sequence <= survey.durable_through;
    survey.released = released.iter().filter(counts).map(|found| found.2).max().unwrap_or_default();
    Ok(survey)
}

/// How far the log's end says that segments are released. The last segment may have its name and not yet its header, which its
/// master writes with the first records: then the one before it is the last that says anything.
pub(crate) fn released_now(lineage: &Lineage) -> Result<u64, ReadError> {
    let headers = lineage.logs.iter().flat_map(|(_, found)| found).filter_map(|found| found.header.as_ref());
    let mut released = headers.map(|header| header.released).max().unwrap_or_default();
    let backwards =
        lineage.logs.iter().rev().flat_map(|(log, found)| found.iter().rev().map(move |one| (log, one)));
    for (log, found) in backwards.take(2) {
        released = released.max(survey(found, log.log, log.epoch)?.released);
    }
    Ok(lineage.released(released).0)
}

/// As recovery does: a last segment with its name and without its header was being begun when its master died, unless a record in
/// it proves that it was flushed.
fn leave_out_what_was_being_begun(
    log: RandomId,
    epoch: Epoch,
    segments: &mut Vec<Found>,
    findings: &mut Vec<Finding>,
) -> Result<(), ReadError> {
    let [.., _, last] = segments.as_slice() else { return Ok(()) };
    if last.header.is_some() {
        return Ok(());
    }
    let survey = survey(last, log, epoch)?;
    match survey.first_sequence {
        None => {
            let problem = "it was being begun when its master ended: it holds nothing";
            findings.push(Finding::new(Severity::Note, last.name, problem).in_segment(last.number));
            segments.pop();
        }
        Some(first) if survey.durable_through < first => {
            let problem = format!(
                "its records from {first} on stand without a header, in a flush whose end nobody saw; they are left out"
            );
            findings.push(Finding::new(Severity::Doubtful, last.name, problem).in_segment(last.number));
            segments.pop();
        }
        Some(_) => {}
    }
    Ok(())
}

struct Pass<'a> {
    reading: Reading,
    visit: &'a mut dyn FnMut(Met<'_>),
    progress: &'a mut dyn FnMut(u64),
    /// The sequence of the record before.
    sequence: u64,
    /// Whether that is known: it is not before the first record of a log whose beginning is damaged.
    known: bool,
    /// Findings whose records are not known before the next record is met.
    pending: Vec<Finding>,
    is_gone: IsGone<'a>,
}

impl Pass<'_> {
    fn missing(&mut self, epoch: Epoch, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let name = FileName::Segment { epoch, number: from };
        let problem = match to - from {
            1 => "the segment is missing".to_owned(),
            _ => format!("segments {from} to {} are missing", to - 1),
        };
        let mut finding = Finding::damage(name, problem).in_segment(from);
        finding.unreadable = true;
        self.pending.push(finding);
    }

    /// Says of what was found since the record before which records it took.
    fn lost(&mut self, first: u64, last: u64, name: FileName, number: u64, offset: u64) {
        if self.pending.is_empty() {
            let mut finding =
                Finding::damage(name, "records are missing before this place").in_segment(number);
            finding.bytes = Some((offset, offset));
            finding.unreadable = true;
            self.pending.push(finding);
        }
        for finding in self.pending.drain(..) {
            self.reading.findings.push(finding.records(first, last));
        }
    }

    /// Nothing was lost with what was found since the record before.
    fn settle(&mut self) {
        self.reading.findings.append(&mut self.pending);
    }

    /// Takes note of where a segment's records begin: what is missing between it and the one before is lost.
    fn begin(&mut self, found: &Found, first_sequence: Option<u64>) {
        let Some(before) = first_sequence.map(|first| first.saturating_sub(1)) else { return };
        if before > self.reading.sequence_last {
            if self.known || !self.pending.is_empty() {
                self.lost(self.reading.sequence_last + 1, before, found.name, found.number, 0);
            }
            self.reading.sequence_last = before;
        } else {
            self.settle();
        }
        self.sequence = self.sequence.max(before);
        self.known = true;
    }

    fn segment(
        &mut self,
        found: &Found,
        log: RandomId,
        epoch: Epoch,
        end: Option<LogEnd>,
        is_last: bool,
    ) -> Result<(), ReadError> {
        let findings_before = self.reading.findings.len() + self.pending.len();
        let failed = |error| ReadError { name: found.name, error };
        if let Some(problem) = &found.problem {
            let finding = Finding::damage(found.name, problem.clone());
            self.reading.findings.push(finding.in_segment(found.number).at(0, segment::HEADER_LENGTH));
        } else {
            self.check_behind_header(found).map_err(failed)?;
        }
        let durable = if is_last { self.reading.durable } else { u64::MAX };
        let durable = durable.max(self.reading.sequence_last);
        self.sequence = self.sequence.max(self.reading.sequence_last);
        let end = end.map(|end| end.offset);
        let mut walk = Walk::new(found.file.as_ref(), log, epoch, found.number, end);
        let mut here = SegmentRead {
            name: found.name,
            epoch,
            number: found.number,
            length: found.file.length(),
            end: walk.offset(),
            records: 0,
        };
        // A writer may be at work: what is torn at the end is looked at again as long as that brings more.
        let mut looked_again_at = None;
        self.reading.closed = false;
        while let Some(step) = walk.next().map_err(failed)? {
            let proven_before = self.sequence < durable;
            match step {
                Step::Record { header, offset, padded, bad }
                    if bad.is_empty() || header.sequence <= durable =>
                {
                    if self.known && header.sequence != self.sequence.saturating_add(1) {
                        if self.sequence >= durable {
                            self.doubt(found, &header, offset, &walk);
                            self.doubt_the_rest(found, &mut walk).map_err(failed)?;
                            break;
                        }
                        let first = self.sequence + 1;
                        self.lost(first, header.sequence.saturating_sub(1), found.name, found.number, offset);
                    }
                    self.settle();
                    if !padded {
                        let end = offset + header.record_length();
                        let from = offset + HEADER_LENGTH as u64 + u64::from(header.body_length);
                        let problem = "the zeros behind a record are not zero; the record itself is whole";
                        let finding =
                            Finding::damage(found.name, problem).in_segment(found.number).at(from, end);
                        self.reading.findings.push(finding.records(header.sequence, header.sequence));
                    }
                    for bad in &bad {
                        let finding = damaged_message(found, &header, offset, walk.body(), bad);
                        self.reading.findings.push(finding);
                    }
                    self.sequence = header.sequence;
                    self.known = true;
                    self.reading.sequence_last = header.sequence;
                    self.reading.closed = header.kind == Kind::Close;
                    here.end = walk.offset();
                    here.records += 1;
                    let standing =
                        if header.sequence <= durable { Standing::Proven } else { Standing::Unproven };
                    let (name, segment) = (found.name, found.number);
                    (self.visit)(Met {
                        name,
                        segment,
                        offset,
                        header,
                        body: walk.body(),
                        bad: &bad,
                        standing,
                    });
                }
                Step::BodyDamaged { header, offset } if header.sequence <= durable => {
                    if self.known && header.sequence != self.sequence.saturating_add(1) {
                        let first = self.sequence + 1;
                        self.lost(first, header.sequence.saturating_sub(1), found.name, found.number, offset);
                    }
                    self.settle();
                    let what = format!("a record's body ({} bytes) fails its checksum", header.body_length);
                    let finding = Finding::damage(found.name, what)
                        .in_segment(found.number)
                        .at(offset, walk.offset())
                        .records(header.sequence, header.sequence)
                        .held(header.kind, walk.body())
                        .uncertain();
                    self.reading.findings.push(finding);
                    self.sequence = header.sequence;
                    self.known = true;
                    self.reading.sequence_last = header.sequence;
                    here.end = walk.offset();
                }
                Step::Gap { from, to, cut } if proven_before => {
                    let finding = self.gap(found, from, to, cut, &walk).map_err(failed)?;
                    self.pending.push(finding);
                    here.end = to;
                }
                Step::Cut { header, offset } => {
                    let finding = self.cut(found, &header, offset);
                    self.reading.findings.push(finding);
                }
                Step::Record { .. } | Step::BodyDamaged { .. } | Step::Gap { .. }
                    if looked_again_at != Some(here.end) =>
                {
                    looked_again_at = Some(here.end);
                    walk.look_again(here.end);
                }
                Step::Record { header, offset, .. } | Step::BodyDamaged { header, offset } => {
                    let problem = "the last record is torn: the flush it was in did not end, and nobody was answered from it";
                    let finding = Finding::new(Severity::Note, found.name, problem)
                        .in_segment(found.number)
                        .at(offset, walk.offset());
                    self.reading.findings.push(finding.records(header.sequence, header.sequence));
                    self.doubt_the_rest(found, &mut walk).map_err(failed)?;
                    break;
                }
                Step::Gap { from, to, .. } => {
                    let problem =
                        "a torn record: the flush it was in did not end, and nobody was answered from it";
                    let finding = Finding::new(Severity::Note, found.name, problem);
                    self.reading.findings.push(finding.in_segment(found.number).at(from, to));
                    walk.look_again(to);
                    self.doubt_the_rest(found, &mut walk).map_err(failed)?;
                    break;
                }
            }
        }
        if !is_last && end.is_none() && walk.offset() < segment::HEADER_LENGTH + HEADER_LENGTH as u64 {
            // Not one record verifies: what it held is known when the next record is met.
            let mut finding = Finding::damage(found.name, "none of its records verifies");
            finding.unreadable = true;
            let length = found.file.length();
            self.pending.push(finding.in_segment(found.number).at(segment::HEADER_LENGTH, length));
        }
        if is_last && here.records == 0 && found.problem.is_none() {
            let problem = "no record of it verifies: its first flush did not end, or all of it is lost";
            let finding = Finding::new(Severity::Note, found.name, problem);
            self.reading.findings.push(finding.in_segment(found.number));
        }
        if findings_before < self.reading.findings.len() + self.pending.len()
            && (self.is_gone)(found.name).map_err(failed)?
        {
            self.reading.given_up.push(found.number);
        }
        (self.progress)(here.length);
        self.reading.segments.push(here);
        Ok(())
    }

    fn check_behind_header(&mut self, found: &Found) -> io::Result<()> {
        const ENCODED: u64 = 102;
        let mut bytes = [0; (segment::HEADER_LENGTH - ENCODED) as usize];
        let length = found.file.length();
        if length < segment::HEADER_LENGTH {
            let problem = format!("the file ends at {length}, within its header: it was cut short");
            let mut finding = Finding::damage(found.name, problem).in_segment(found.number);
            finding.unreadable = true;
            self.reading.findings.push(finding.at(length, segment::HEADER_LENGTH));
            return Ok(());
        }
        found.file.read(ENCODED, &mut bytes)?;
        if bytes.iter().any(|byte| *byte != 0) {
            let problem = "the zeros behind the segment's header are not zero; the header itself is whole";
            let finding = Finding::damage(found.name, problem).in_segment(found.number);
            self.reading.findings.push(finding.at(ENCODED, segment::HEADER_LENGTH));
        }
        Ok(())
    }

    fn gap(
        &self,
        found: &Found,
        from: u64,
        to: u64,
        cut: Option<RecordHeader>,
        walk: &Walk<'_>,
    ) -> io::Result<Finding> {
        let length = found.file.length();
        let problem = match cut {
            Some(_) => format!("the file ends at {length}, within a record: it was cut short"),
            None if to > length => {
                format!("the file ends at {length}, and its records reached {to}: it was cut short")
            }
            None => "no record verifies here".to_owned(),
        };
        let mut finding = Finding::damage(found.name, problem).in_segment(found.number).at(from, to);
        let place = Place { log: walk.log(), number: found.number, offset: from };
        let expected = self.known.then_some(self.sequence + 1);
        let inside = inside(&walk.read(from, to)?, place, expected);
        finding.lost = inside.lost;
        finding.certain = inside.certain;
        finding.unreadable = inside.unreadable || to > length;
        Ok(finding)
    }

    fn cut(&self, found: &Found, header: &RecordHeader, offset: u64) -> Finding {
        let length = found.file.length();
        let problem = format!(
            "the file ends at {length}, within a record: it was cut short; what stood behind is lost, and nothing is left that says how much"
        );
        let mut finding = Finding::damage(found.name, problem)
            .in_segment(found.number)
            .at(offset, length)
            .records(header.sequence, header.sequence);
        finding.unreadable = true;
        finding
    }

    fn doubt(&mut self, found: &Found, header: &RecordHeader, offset: u64, walk: &Walk<'_>) {
        let problem = "stands behind a torn record in the last flush, whose end nobody saw; it is left out";
        let finding = Finding::new(Severity::Doubtful, found.name, problem)
            .in_segment(found.number)
            .at(offset, offset + header.record_length())
            .records(header.sequence, header.sequence)
            .held(header.kind, walk.body());
        self.reading.findings.push(finding);
        let (name, segment, standing) = (found.name, found.number, Standing::Doubtful);
        (self.visit)(Met { name, segment, offset, header: *header, body: walk.body(), bad: &[], standing });
    }

    fn doubt_the_rest(&mut self, found: &Found, walk: &mut Walk<'_>) -> io::Result<()> {
        while let Some(step) = walk.next()? {
            if let Step::Record { header, offset, bad, .. } = step
                && bad.is_empty()
            {
                self.doubt(found, &header, offset, walk);
            }
        }
        Ok(())
    }
}

/// A message that is not what was written, in a record that is otherwise.
fn damaged_message(found: &Found, header: &RecordHeader, offset: u64, content: &[u8], bad: &Held) -> Finding {
    let body = offset + HEADER_LENGTH as u64;
    let from = body + u64::from(bad.span.start);
    let to = from + u64::from(bad.span.length);
    let mut finding =
        Finding::damage(found.name, "a message fails its checksum; the rest of its record is whole")
            .in_segment(found.number)
            .at(from, to)
            .records(header.sequence, header.sequence);
    finding.lost.push(Lost::message(bad.id, bad.destination));
    finding.name_messages(header.kind, content);
    finding
}
