//! What records held whose headers do not verify.

use super::finding::{Lost, name as name_lost};
use crate::format::batch::decode_batch_body;
use crate::format::body;
use crate::format::record::{self, HEADER_LENGTH, Kind, Place, record_length};

/// What records held whose headers do not verify.
pub(super) struct Inside {
    pub(super) lost: Vec<Lost>,
    /// Whether all of that was read from bytes that verify.
    pub(super) certain: bool,
    /// Whether there was more.
    pub(super) unreadable: bool,
}

/// What the records held whose headers do not verify, as far as it can be read.
///
/// A body is believed where it verifies by the checksum that stands before it, whatever else is wrong with that header, or where
/// all the bytes that are left are one batch; but only if it is this place's: what was copied here from elsewhere says nothing of
/// what stood here.
pub(super) fn inside(bytes: &[u8], place: Place, expected: Option<u64>) -> Inside {
    let mut found = Inside { lost: Vec::new(), certain: true, unreadable: true };
    let (mut at, mut expected) = (0, expected);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let Some(header) = rest.first_chunk::<HEADER_LENGTH>() else { return found };
        let behind = &rest[HEADER_LENGTH..];
        let place = Place { offset: place.offset + at as u64, ..place };
        if expected.is_some_and(|sequence| !belongs_here(header, place, sequence)) {
            return found;
        }
        expected = expected.map(|sequence| sequence + 1);
        if behind.len() < 8 {
            found.lost.push(Lost::Other("a record that holds no message".to_owned()));
            break;
        }
        let field = |from: usize| {
            u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]])
        };
        let (crc, length) = (field(4), field(8) as usize);
        // Its kind is not to be believed either.
        let verifies = |body: &&[u8]| {
            let kinds = [Kind::Idle, Kind::Batch, Kind::Prepared, Kind::Relocation];
            !body.is_empty() && kinds.into_iter().any(|kind| body::verify_skeleton(kind, body, crc))
        };
        let body = behind.get(..length).filter(verifies);
        let decoded = match body {
            Some(body) => {
                decode_batch_body(body).map(|(operations, _)| (name_lost(&operations), record_length(length)))
            }
            None => {
                found.certain = false;
                (0..8).find_map(|padding| {
                    let body = behind.get(..behind.len().checked_sub(padding)?)?;
                    let (operations, _) = decode_batch_body(body)?;
                    Some((name_lost(&operations), rest.len() as u64))
                })
            }
        };
        let (named, taken) = match (decoded, body) {
            (Some(decoded), _) => decoded,
            // It verifies and is no batch: nothing that a consumer waits for.
            (None, Some(_)) => {
                (vec![Lost::Other("a record that holds no message".to_owned())], record_length(length))
            }
            (None, None) => return found,
        };
        found.lost.extend(named);
        at += taken as usize;
    }
    found.unreadable = false;
    found
}

/// Whether a header that does not verify is that of this record all the same: it bears its sequence, or lacks nothing else.
fn belongs_here(header: &[u8; HEADER_LENGTH], place: Place, sequence: u64) -> bool {
    const SEQUENCE: std::ops::Range<usize> = 24..32;
    if header[SEQUENCE] == sequence.to_le_bytes() {
        return true;
    }
    let mut mended = *header;
    mended[SEQUENCE].copy_from_slice(&sequence.to_le_bytes());
    record::decode(&mended, &place).is_some()
}
