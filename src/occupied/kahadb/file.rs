//! One file of the journal: batches, each with a checksum over its records, and what is between them where some are damaged.
//!
//! A record is its length and a type (5 bytes, both counted) and its content. A batch is a record of type 2 that holds `WRITE BATCH`, the
//! length of the records that follow and their Adler-32 (0: none was made). A file ends at an end mark, at zeros that were written before it
//! was used, or where it ends.

use std::io::{self, BufReader, Read, Seek};

/// A batch's own record up to the length of what follows.
const BATCH: &[u8; 16] = b"\0\0\0\x1c\x02WRITE BATCH";
/// With that length and the checksum.
const BATCH_HEAD: u64 = 28;
/// What stands where the next batch will come.
const END: &[u8; 5] = b"-qMa4";
/// The length and the type of a record.
const RECORD_HEAD: u64 = 5;
/// An entry's beginning: what is read of it has names and keys, the message itself is skipped.
const ENTRY_BYTES_MAX: u64 = 64 << 10;
/// After so many damaged places the rest of a file is given up: each may cost reading all of it.
const DAMAGE_MAX: u32 = 64;
const BUFFER_BYTES: usize = 256 << 10;

/// What is found in a file.
pub(super) enum Found<'a> {
    /// The beginning of an entry, and how long it is.
    Entry(&'a [u8], u64),
    /// Something that cannot be read.
    Damage,
}

/// What to do after something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    /// Reading goes on.
    On,
    /// The rest of the file does not count.
    Stop,
}

/// Reads a file of this length to its end.
///
/// # Errors
/// The system's.
pub(super) fn read(
    source: impl Read + Seek,
    length: u64,
    found: &mut dyn FnMut(Found<'_>) -> Go,
) -> io::Result<()> {
    let mut bytes = Bytes { source: BufReader::with_capacity(BUFFER_BYTES, source), at: 0, length };
    let mut damage = 0;
    while bytes.left() > 0 {
        match batch(&mut bytes)? {
            Batch::End => return Ok(()),
            Batch::Records(size) => {
                if records(&mut bytes, size, found)? == Go::Stop {
                    return Ok(());
                }
            }
            Batch::None { is_blank } => {
                let is_more = find_batch(&mut bytes)?;
                // Zeros to the end were written before the file was used.
                if is_blank && !is_more {
                    return Ok(());
                }
                damage += 1;
                if found(Found::Damage) == Go::Stop || !is_more || damage == DAMAGE_MAX {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

enum Batch {
    /// Records of so many bytes follow, and are what was written.
    Records(u64),
    /// This is the end.
    End,
    /// Here is no batch, and reading stands behind its first byte.
    None {
        /// There are zeros.
        is_blank: bool,
    },
}

fn batch<R: Read + Seek>(bytes: &mut Bytes<R>) -> io::Result<Batch> {
    let begin = bytes.at;
    let mut head = [0; BATCH_HEAD as usize];
    let here = bytes.left().min(BATCH_HEAD) as usize;
    bytes.take(&mut head[..here])?;
    if head.starts_with(END) {
        return Ok(Batch::End);
    }
    if here == head.len() && head.starts_with(BATCH) {
        let size = u64::from(u32::from_be_bytes([head[16], head[17], head[18], head[19]]));
        let mut sum = [0; 8];
        sum.copy_from_slice(&head[20..]);
        let sum = u64::from_be_bytes(sum);
        if size <= bytes.left() && (sum == 0 || u64::from(bytes.sum_of(size)?) == sum) {
            bytes.go_to(begin + BATCH_HEAD)?;
            return Ok(Batch::Records(size));
        }
    }
    bytes.go_to(begin + 1)?;
    Ok(Batch::None { is_blank: head[..here].iter().all(|byte| *byte == 0) })
}

fn records<R: Read + Seek>(
    bytes: &mut Bytes<R>,
    size: u64,
    found: &mut dyn FnMut(Found<'_>) -> Go,
) -> io::Result<Go> {
    let end = bytes.at + size;
    let mut entry = Vec::new();
    while bytes.at < end {
        let mut head = [0; RECORD_HEAD as usize];
        let is_whole = end - bytes.at >= RECORD_HEAD;
        if is_whole {
            bytes.take(&mut head)?;
        }
        let length = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let content = length.checked_sub(RECORD_HEAD).filter(|content| bytes.at + content <= end);
        let Some(content) = content.filter(|_| is_whole && head[4] == 1) else {
            bytes.go_to(end)?;
            return Ok(found(Found::Damage));
        };
        let next = bytes.at + content;
        entry.resize(content.min(ENTRY_BYTES_MAX) as usize, 0);
        bytes.take(&mut entry)?;
        bytes.go_to(next)?;
        if found(Found::Entry(&entry, content)) == Go::Stop {
            return Ok(Go::Stop);
        }
    }
    Ok(Go::On)
}

/// Goes to the next place where a batch begins, or to the end; says whether there is one.
fn find_batch<R: Read + Seek>(bytes: &mut Bytes<R>) -> io::Result<bool> {
    let mut window = vec![0; BUFFER_BYTES];
    loop {
        let (begin, here) = (bytes.at, bytes.left().min(BUFFER_BYTES as u64) as usize);
        if here < BATCH.len() {
            bytes.go_to(bytes.length)?;
            return Ok(false);
        }
        bytes.take(&mut window[..here])?;
        if let Some(place) = window[..here].windows(BATCH.len()).position(|bytes| bytes == BATCH) {
            bytes.go_to(begin + place as u64)?;
            return Ok(true);
        }
        // One that begins in this window and ends in the next is not missed.
        bytes.go_to(begin + (here - BATCH.len() + 1) as u64)?;
    }
}

/// A file that is read on, with steps back.
struct Bytes<R> {
    source: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Bytes<R> {
    fn left(&self) -> u64 {
        self.length.saturating_sub(self.at)
    }

    fn take(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.source.read_exact(into)?;
        self.at += into.len() as u64;
        Ok(())
    }

    fn go_to(&mut self, place: u64) -> io::Result<()> {
        self.source.seek_relative(place as i64 - self.at as i64)?;
        self.at = place;
        Ok(())
    }

    /// The Adler-32 of the next bytes.
    fn sum_of(&mut self, size: u64) -> io::Result<u32> {
        const PRIME: u32 = 65_521;
        // So many can be summed up before 32 bits are not enough.
        let mut part = [0; 5552];
        let (mut a, mut b, mut left) = (1, 0, size);
        while left > 0 {
            let here = left.min(part.len() as u64) as usize;
            self.take(&mut part[..here])?;
            for byte in &part[..here] {
                a += u32::from(*byte);
                b += a;
            }
            (a, b) = (a % PRIME, b % PRIME);
            left -= here as u64;
        }
        Ok(b << 16 | a)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn batch_of(entries: &[&[u8]]) -> Vec<u8> {
        let mut records = Vec::new();
        for entry in entries {
            records.extend((entry.len() as u32 + 5).to_be_bytes());
            records.push(1);
            records.extend(*entry);
        }
        let mut batch = BATCH.to_vec();
        batch.extend((records.len() as u32).to_be_bytes());
        let mut bytes = Bytes { source: BufReader::new(Cursor::new(&records)), at: 0, length: u64::MAX };
        batch.extend(u64::from(bytes.sum_of(records.len() as u64).expect("memory")).to_be_bytes());
        batch.extend(records);
        batch
    }

    fn read_all(bytes: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        let done = read(Cursor::new(bytes), bytes.len() as u64, &mut |found| {
            all.push(match found {
                Found::Entry(entry, length) => {
                    assert!(entry.len() as u64 <= length);
                    String::from_utf8_lossy(entry).into_owned()
                }
                Found::Damage => "damage".to_owned(),
            });
            Go::On
        });
        done.expect("memory can be read");
        all
    }

    #[test]
    fn the_checksum_is_that_of_the_book() {
        let mut bytes = Bytes { source: BufReader::new(Cursor::new(b"Wikipedia")), at: 0, length: 9 };
        assert_eq!(bytes.sum_of(9).expect("memory"), 0x11E6_0398);
    }

    #[test]
    fn a_file_ends_at_its_mark_at_zeros_or_where_it_ends() {
        let written = [batch_of(&[b"a", b"b"]), batch_of(&[b"c"])].concat();
        assert_eq!(read_all(&written), ["a", "b", "c"]);
        // What an earlier life of the place left is behind the mark.
        assert_eq!(read_all(&[&written[..], END, &batch_of(&[b"x"])].concat()), ["a", "b", "c"]);
        assert_eq!(read_all(&[&written[..], &[0; 1000]].concat()), ["a", "b", "c"]);
        assert!(read_all(b"").is_empty());
        // But zeros in the middle are none.
        assert_eq!(
            read_all(&[&written[..], &[0; 1000], &batch_of(&[b"x"])].concat()),
            ["a", "b", "c", "damage", "x"]
        );
    }

    #[test]
    fn damage_is_told_and_reading_goes_on_behind_it() {
        let (first, second) = (batch_of(&[b"first"]), batch_of(&[b"second"]));
        let written = [&first[..], &second[..], END].concat();
        for at in 0..first.len() {
            let mut flipped = written.clone();
            flipped[at] ^= 1;
            assert_eq!(read_all(&flipped), ["damage", "second"], "at {at}");
        }
        // Three bytes are zeros, as where nothing was written.
        for length in 4..first.len() {
            assert_eq!(read_all(&written[..length]), ["damage"], "cut at {length}");
        }
    }

    #[test]
    fn much_damage_ends_a_file() {
        // Each says that all the rest is its own.
        let one = [&BATCH[..], &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]].concat();
        let all = read_all(&one.repeat(10_000));
        assert_eq!(all.len(), DAMAGE_MAX as usize);
    }
}
