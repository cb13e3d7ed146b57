//! The segments of an epoch's log that are there, and what each says as a whole.

use std::io;
use std::sync::Arc;

use super::chain::EpochLog;
use super::replay_error::ReplayError;
use super::scan::{Item, Scanner};
use super::segment::Segment;
use crate::disk::on_demand::OpenFiles;
use crate::format::fields::FormatError;
use crate::format::name::FileName;
use crate::format::record::{HEADER_LENGTH, Kind};
use crate::format::segment::SegmentHeader;
use crate::format::{RandomId, segment};

/// A segment that is there, and its header if that is valid.
pub(super) struct Found {
    pub(super) segment: Arc<Segment>,
    pub(super) header: Option<SegmentHeader>,
}

/// Opens the segments of an epoch's log that are there.
pub(super) fn read_headers(
    files: &Arc<OpenFiles>,
    store: &RandomId,
    log: &EpochLog,
) -> Result<Vec<Found>, ReplayError> {
    let mut segments = Vec::new();
    for &number in &log.present {
        let io = |error| ReplayError::Io { number, error };
        let name = FileName::Segment { epoch: log.epoch, number };
        let file = match files.find(name) {
            // A stale master may still give up what it released; if it did not, the segment is reported as missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(io)?,
        };
        let mut bytes = [0; segment::HEADER_LENGTH as usize];
        let header = match file.read(0, &mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(io(error)),
            Err(_) => None,
            Ok(()) => match segment::decode(&bytes) {
                Ok(header) => Some(header),
                Err(error @ FormatError::Newer { .. }) if segment::is_borne_out(&bytes) => {
                    return Err(ReplayError::Newer { number, error });
                }
                Err(_) => None,
            },
        };
        let header = header.filter(|header| {
            header.store == *store
                && header.epoch == log.epoch
                && header.log == log.log
                && header.number == number
        });
        let segment = Arc::new(Segment::new(log.epoch, number, log.log, file));
        segments.push(Found { segment, header });
    }
    Ok(segments)
}

/// Takes a last segment that has its name but not its header for one that was being begun when its master died, unless a record
/// in it proves that it was flushed: then the header is damaged.
pub(super) fn leave_out_what_was_being_begun(
    segments: &mut Vec<Found>,
    damage: &mut Vec<String>,
) -> Result<(), ReplayError> {
    let [.., _, last] = segments.as_slice() else { return Ok(()) };
    if last.header.is_some() {
        return Ok(());
    }
    let number = last.segment.number;
    let survey = last.survey(None)?;
    let Some(first) = survey.first_sequence else {
        segments.pop();
        return Ok(());
    };
    if survey.durable_through < first {
        damage.push(format!(
            "doubtful: segment {number}: its records from {first} on stand without a header, in a flush whose end nobody saw; \
             they are left out"
        ));
        segments.pop();
    }
    Ok(())
}

impl Found {
    pub(super) fn bytes(&self) -> Result<Vec<u8>, ReplayError> {
        let number = self.segment.number;
        let mut bytes = vec![0; self.segment.file.length() as usize];
        self.segment.file.read(0, &mut bytes).map_err(|error| ReplayError::Io { number, error })?;
        Ok(bytes)
    }

    pub(super) fn scanner<'a>(&self, bytes: &'a [u8], end: Option<u64>) -> Scanner<'a> {
        Scanner::new(bytes, self.segment.log, self.segment.epoch, self.segment.number, end)
    }

    /// Looks over a segment.
    pub(super) fn survey(&self, end: Option<u64>) -> Result<Survey, ReplayError> {
        let bytes = self.bytes()?;
        let mut survey = Survey::default();
        let mut torn = false;
        let mut released = Vec::new();
        for item in self.scanner(&bytes, end) {
            let (header, offset, is_whole) = match item {
                Item::Record { header, offset } => (header, offset, true),
                Item::PartlyDamaged { header, offset, .. } | Item::BodyDamaged { header, offset } => {
                    (header, offset, false)
                }
                Item::Gap { .. } => {
                    torn = true;
                    continue;
                }
            };
            torn |= !is_whole;
            survey.first_sequence.get_or_insert(header.sequence);
            survey.durable_through = survey.durable_through.max(header.durable_through);
            if header.kind == Kind::Release && is_whole {
                let body = &bytes[offset as usize + HEADER_LENGTH..][..header.body_length as usize];
                if let Ok(number) = body.try_into().map(u64::from_le_bytes) {
                    released.push((torn, header.sequence, number));
                }
            }
        }
        // A release behind a torn record was in a flush that did not end: nothing was given up for it yet.
        released.retain(|&(torn, sequence, _)| !torn || sequence <= survey.durable_through);
        survey.releases = released.into_iter().map(|(_, sequence, number)| (sequence, number)).collect();
        Ok(survey)
    }
}

/// What the records of one segment say together.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The sequence of the first record that verifies.
    first_sequence: Option<u64>,
    /// The highest sequence that any of them says was durable.
    pub(super) durable_through: u64,
    /// Each of them that releases something: its sequence, and the highest segment number that it releases.
    releases: Vec<(u64, u64)>,
}

impl Survey {
    /// The highest segment number that any record up to this sequence releases.
    pub(super) fn released(&self, through: u64) -> u64 {
        let releases = self.releases.iter().filter(|(sequence, _)| *sequence <= through);
        releases.map(|(_, number)| *number).max().unwrap_or_default()
    }
}
