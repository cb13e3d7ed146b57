//! Reads the head of the log and finds what lives there.
//!
//! It only looks: what it finds may be gone by the time the writer has it, which looks again. The bytes it gives were verified.

use std::io;

use bytes::{Bytes, BytesMut};
use kahawai_store::batch::{Batch, Operation};
use kahawai_store::codec::{self, Span};
use kahawai_store::names::{DestinationId, Epoch, MessageId, Xid};

use crate::format::RandomId;
use crate::format::record::HEADER_LENGTH;
use crate::format::{body, relocation, segment};
use crate::index::state::PreparedChunk;
use crate::index::{Location, RecordAt};
use crate::log::scan::{Item, Scanner};
use crate::log::segment::{Body, Segment};
use crate::shared::Shared;

/// About how many bytes of the log are looked at for one piece, and so how much at most a round takes from the cleaner.
const PIECE_BYTES: u64 = 256 << 10;

/// How many messages are looked up while the index is held.
const LOOKED_UP_AT_ONCE: usize = 256;

/// A message that lives in the head.
#[derive(Clone, Debug)]
pub(crate) struct Living {
    pub(crate) id: MessageId,
    pub(crate) location: Location,
    /// Its checksum, which goes with it.
    pub(crate) checksum: u32,
    /// Its bytes, verified by that.
    pub(crate) message: Bytes,
}

/// A chunk of an undecided transaction, written anew.
#[derive(Debug)]
pub(crate) struct ChunkAgain {
    pub(crate) xid: Xid,
    /// Where it stood.
    pub(crate) from: RecordAt,
    pub(crate) number: u32,
    /// Room for a record's header, then its body.
    pub(crate) record: Vec<u8>,
    /// With their messages as spans of the body.
    pub(crate) operations: Vec<Operation<Span>>,
}

/// What was found in a part of the head.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// The head's number.
    pub(crate) segment: u64,
    /// How many bytes of it were read.
    pub(crate) read: u64,
    pub(crate) messages: Vec<Living>,
    pub(crate) chunk: Option<ChunkAgain>,
    /// What lives in the head and cannot be read.
    pub(crate) lost: Vec<(DestinationId, MessageId)>,
}

impl Piece {
    /// About how many bytes it takes in the log.
    pub(crate) fn length(&self) -> usize {
        let chunk = self.chunk.as_ref().map_or(0, |chunk| chunk.record.len());
        self.messages.iter().map(|living| living.message.len() + relocation::MESSAGE_OVERHEAD).sum::<usize>()
            + chunk
    }
}

/// Goes through the log from its head.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    pass: Option<Pass>,
    /// What the last head was read into, for the next: memory that is new to the process takes longer than reading.
    buffer: BytesMut,
    /// The head for which the writer was told that nothing is left in it.
    told: u64,
}

/// One walk through a head. Not the segment itself is kept: it is recycled only if nobody else has it.
#[derive(Debug)]
struct Pass {
    epoch: Epoch,
    log: RandomId,
    number: u64,
    bytes: Bytes,
    offset: u64,
    end: Option<u64>,
    found: usize,
}

impl HeadReader {
    /// Gives its memory back; to be called when there is nothing to do.
    pub(crate) fn rest(&mut self) {
        self.pass = None;
        self.buffer = BytesMut::new();
    }

    /// Keeps the memory for the next head, unless somebody still has a message in it.
    fn end_pass(&mut self) {
        let bytes = self.pass.take().map(|pass| pass.bytes);
        if let Some(Ok(buffer)) = bytes.map(Bytes::try_into_mut) {
            self.buffer = buffer;
        }
    }

    /// What the next part of the head holds; `None` where there is no head that could be cleaned, or nothing to say of it.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn next(&mut self, shared: &Shared) -> io::Result<Option<Piece>> {
        let Some((epoch, number)) = head_of(shared) else {
            self.pass = None;
            return Ok(None);
        };
        if self.pass.as_ref().is_some_and(|pass| pass.number != number) {
            self.end_pass();
        }
        let empty = Piece { segment: number, ..Piece::default() };
        if !shared.index().is_live(number) {
            self.end_pass();
            // A round gives it up.
            return Ok((std::mem::replace(&mut self.told, number) != number).then_some(empty));
        }
        let chunk = shared.index().state.chunk_in(number).map(|(xid, chunk)| (xid.clone(), chunk.clone()));
        let segment = || shared.segments().get(&number).cloned();
        if let Some((xid, chunk)) = chunk {
            let Some(segment) = segment() else { return Ok(None) };
            let (chunk, lost) = write_again(&segment, xid, chunk)?;
            return Ok(Some(Piece { chunk: Some(chunk), lost, ..empty }));
        }
        let pass = match &mut self.pass {
            Some(pass) => pass,
            None => {
                let Some(segment) = segment() else { return Ok(None) };
                let mut bytes = std::mem::take(&mut self.buffer);
                bytes.resize(segment.file.length() as usize, 0);
                segment.file.read(0, &mut bytes)?;
                self.pass.insert(Pass {
                    epoch,
                    log: segment.log,
                    number,
                    bytes: bytes.freeze(),
                    offset: segment::HEADER_LENGTH,
                    end: segment.end(),
                    found: 0,
                })
            }
        };
        let piece = pass.next(shared);
        if piece.read == 0 {
            let nothing_found = pass.found == 0;
            self.end_pass();
            if nothing_found {
                // It lives, and is not where it should be.
                let index = shared.index();
                if index.messages.is_sweeping() {
                    // What counts as living here may be gone: that is known soon.
                    return Ok(None);
                }
                let lost = index.messages.living_in(number);
                if index.messages.fault().get().is_some() {
                    // It is the index that cannot be read: the writer sees to that.
                    return Ok(None);
                }
                return Ok(Some(Piece { lost, ..empty }));
            }
        }
        Ok(Some(piece))
    }
}

/// The head of the log, unless it is being written.
pub(crate) fn head_of(shared: &Shared) -> Option<(Epoch, u64)> {
    let segments = shared.segments();
    let (&number, head) = segments.first_key_value()?;
    (segments.len() > 1).then_some((head.epoch, number))
}

impl Pass {
    /// Goes on for a piece; one of no bytes is the end.
    fn next(&mut self, shared: &Shared) -> Piece {
        let scanner = Scanner::new(&self.bytes, self.log, self.epoch, self.number, self.end);
        let mut scanner = scanner.from(self.offset);
        let begin = scanner.offset();
        let mut held = Vec::new();
        while scanner.offset() - begin < PIECE_BYTES
            && let Some(item) = scanner.next()
        {
            let (header, offset, bad) = match item {
                Item::Record { header, offset } => (header, offset, Vec::new()),
                Item::PartlyDamaged { header, offset, bad } => (header, offset, bad),
                Item::BodyDamaged { .. } | Item::Gap { .. } => continue,
            };
            let start = offset as usize + HEADER_LENGTH;
            let body = self.bytes.slice(start..start + header.body_length as usize);
            for found in body::held_in(header.kind, &body).unwrap_or_default() {
                // Verified when it was met.
                if !bad.contains(&found)
                    && let Some((checksum, message)) = codec::message_with_checksum(&body, found.span)
                {
                    let location = Location { segment: self.number, record: offset, span: found.span };
                    held.push(Living { id: found.id, location, checksum, message: body.slice_ref(message) });
                }
            }
        }
        let read = scanner.offset() - begin;
        self.offset = scanner.offset();
        let mut messages = Vec::new();
        for some in held.chunks(LOOKED_UP_AT_ONCE) {
            let index = shared.index();
            let lives = |living: &&Living| {
                index.messages.place(living.id).is_some_and(|place| place.location == living.location)
            };
            messages.extend(some.iter().filter(lives).cloned());
        }
        self.found += messages.len();
        Piece { segment: self.number, read, messages, ..Piece::default() }
    }
}

/// Writes a chunk of an undecided transaction again. Messages of it that cannot be read are left out, and told.
fn write_again(
    segment: &Segment,
    xid: Xid,
    chunk: PreparedChunk,
) -> io::Result<(ChunkAgain, Vec<(DestinationId, MessageId)>)> {
    let body = match segment.read_record(chunk.at.offset)? {
        Body::Whole(body) => body,
        Body::Damaged => Bytes::new(),
    };
    let mut lost = Vec::new();
    let mut kept = Vec::new();
    for operation in chunk.operations {
        let named = match &operation {
            Operation::Enqueue { id, destination, .. } => Some((*destination, *id)),
            _ => None,
        };
        let read = operation.try_map_message(&mut |id, span: Span| {
            let message = codec::checked_message(&body, id, span).map(|range| body.slice_ref(range));
            let message = message.and_then(|message| codec::decode_message(&message).ok());
            message.map(std::sync::Arc::new).ok_or(())
        });
        match read {
            Ok(operation) => kept.push(operation),
            Err(()) => lost.extend(named),
        }
    }
    let mut record = vec![0; HEADER_LENGTH];
    let prepare = Operation::Prepare { xid: xid.clone(), operations: kept };
    let encoded = codec::encode_batch(Batch::new(vec![prepare]), &mut record).pop();
    record.extend_from_slice(&chunk.number.to_le_bytes());
    let operations = match encoded {
        Some(Operation::Prepare { operations, .. }) => operations,
        _ => Vec::new(),
    };
    Ok((ChunkAgain { xid, from: chunk.at, number: chunk.number, record, operations }, lost))
}
