//! Walks the records of one segment through a window, so that a segment of any length takes no more memory than its largest record.
//!
//! It sees what recovery sees (`log::scan`), and says two things more: a record that reaches beyond the end of its file, which
//! proves that the file was cut, and padding that is not zero.

use std::io;

use kahawai_store::names::Epoch;

use crate::disk::SegmentFile;
use crate::format::RandomId;
use crate::format::body::{self, Held, Verdict};
use crate::format::record::{self, HEADER_LENGTH, Place, RecordHeader};
use crate::format::segment;

/// What stands at a place of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record that verifies but for these messages; whether the zeros behind it are zeros. Its body can be had from [`Walk::body`].
    Record { header: RecordHeader, offset: u64, padded: bool, bad: Vec<Held> },
    /// A record whose header verifies and the skeleton of whose body does not.
    BodyDamaged { header: RecordHeader, offset: u64 },
    /// Bytes that are no record; a valid one follows at `to`, or the end that is known. Where the first of them are the header
    /// of a record that reaches beyond the file: which.
    Gap { from: u64, to: u64, cut: Option<RecordHeader> },
    /// The last step where the file ends within a record and none follows.
    Cut { header: RecordHeader, offset: u64 },
}

/// How much is read at once.
const WINDOW: usize = 1 << 20;

/// A walk through one segment.
pub(crate) struct Walk<'a> {
    file: &'a dyn SegmentFile,
    log: RandomId,
    epoch: Epoch,
    number: u64,
    offset: u64,
    end: Option<u64>,
    window: Vec<u8>,
    window_at: u64,
    body: Vec<u8>,
    finished: bool,
}

impl<'a> Walk<'a> {
    /// Begins at the first record. `end` is where records are known to end; without it they end where none verifies any more.
    pub(crate) fn new(
        file: &'a dyn SegmentFile,
        log: RandomId,
        epoch: Epoch,
        number: u64,
        end: Option<u64>,
    ) -> Self {
        Self {
            file,
            log,
            epoch,
            number,
            offset: segment::HEADER_LENGTH,
            end,
            window: Vec::new(),
            window_at: 0,
            body: Vec::new(),
            finished: false,
        }
    }

    /// The id of the log that is walked.
    pub(crate) fn log(&self) -> RandomId {
        self.log
    }

    /// Where the walk stands: after the last step, or before the first.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The body of the record that was stepped over last, verified or not.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The next step; `None` at the end.
    ///
    /// # Errors
    /// Of reading. A file that was cut while it was read is one of them.
    pub(crate) fn next(&mut self) -> io::Result<Option<Step>> {
        let offset = self.offset;
        if self.finished {
            return Ok(None);
        }
        if offset >= self.limit() {
            // A file that ends before its records are known to.
            let Some(to) = self.end.filter(|end| offset < *end) else { return Ok(None) };
            self.offset = to;
            return Ok(Some(Step::Gap { from: offset, to, cut: None }));
        }
        let header = match self.header_at(offset)? {
            Header::Whole(header) => header,
            found => {
                let cut = if let Header::Cut(header) = found { Some(header) } else { None };
                let Some(to) = self.next_header(offset + 8)?.or(self.end) else {
                    self.finished = true;
                    return Ok(cut.map(|header| Step::Cut { header, offset }));
                };
                self.offset = to;
                return Ok(Some(Step::Gap { from: offset, to, cut }));
            }
        };
        self.offset += header.record_length();
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let length = header.record_length() as usize - HEADER_LENGTH;
        body.extend_from_slice(self.bytes(offset + HEADER_LENGTH as u64, length)?);
        let padded = body[header.body_length as usize..].iter().all(|byte| *byte == 0);
        body.truncate(header.body_length as usize);
        self.body = body;
        let bad = match body::verify(header.kind, &self.body, header.body_crc) {
            Verdict::Whole => Vec::new(),
            Verdict::Without(bad) => bad,
            Verdict::Damaged => return Ok(Some(Step::BodyDamaged { header, offset })),
        };
        Ok(Some(Step::Record { header, offset, padded, bad }))
    }

    /// Forgets what was read ahead: a writer may have gone on.
    pub(crate) fn look_again(&mut self, from: u64) {
        self.window.clear();
        self.offset = from;
        self.finished = false;
    }

    /// Bytes of the segment, at most as many as there are.
    ///
    /// # Errors
    /// Of reading.
    pub(crate) fn read(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let to = to.min(self.file.length());
        let mut bytes = vec![0; to.saturating_sub(from) as usize];
        self.file.read(from.min(to), &mut bytes)?;
        Ok(bytes)
    }

    fn limit(&self) -> u64 {
        let length = self.file.length();
        self.end.map_or(length, |end| end.min(length))
    }

    fn header_at(&mut self, offset: u64) -> io::Result<Header> {
        if offset.saturating_add(HEADER_LENGTH as u64) > self.limit() {
            return Ok(Header::None);
        }
        let place = Place { log: self.log, number: self.number, offset };
        let (epoch, length) = (self.epoch, self.file.length());
        let limit = self.limit();
        let Some(header) = record::decode(self.bytes(offset, HEADER_LENGTH)?, &place) else {
            return Ok(Header::None);
        };
        if header.epoch != epoch {
            return Ok(Header::None);
        }
        Ok(match offset.checked_add(header.record_length()) {
            Some(end) if end <= limit => Header::Whole(header),
            Some(end) if end <= length => Header::None,
            _ => Header::Cut(header),
        })
    }

    /// Where the next header that verifies stands; the epoch rules out nearly all places before a checksum is made.
    fn next_header(&mut self, from: u64) -> io::Result<Option<u64>> {
        let epoch = self.epoch.0.to_le_bytes();
        let Some(last) = self.limit().checked_sub(HEADER_LENGTH as u64) else { return Ok(None) };
        let mut offset = from;
        while offset <= last {
            if self.bytes(offset, HEADER_LENGTH)?[16..24] == epoch
                && let Header::Whole(_) = self.header_at(offset)?
            {
                return Ok(Some(offset));
            }
            offset += 8;
        }
        Ok(None)
    }

    /// Bytes that are within the file, through the window.
    fn bytes(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let within =
            offset >= self.window_at && offset + count as u64 <= self.window_at + self.window.len() as u64;
        if !within {
            let left = self.file.length().saturating_sub(offset);
            let length = left.min(WINDOW.max(count) as u64) as usize;
            self.window.resize(length, 0);
            self.window_at = offset;
            if let Err(error) = self.file.read(offset, &mut self.window) {
                self.window.clear();
                return Err(error);
            }
        }
        let at = (offset - self.window_at) as usize;
        self.window.get(at..at + count).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

enum Header {
    None,
    Whole(RecordHeader),
    /// It verifies, and its record reaches beyond the end of the file.
    Cut(RecordHeader),
}
