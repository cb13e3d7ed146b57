//! What a slave that catches up is to get later, in order: the first of it in memory, the rest in a spool.
//!
//! A slave that gets a copy of many messages is behind by all that was sent meanwhile, which may be gigabytes. They are written behind one
//! another into a [`Spool`] and read from it in pieces, outside the lock of whoever asks.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use kahawai_store::contract::Limits;
use kahawai_store::replica::Taken;

use crate::frame::{Frame, FrameReader};

/// So many bytes are gathered before they are written to the spool.
const WRITE_BYTES: usize = 256 << 10;
/// And read from it at once.
const READ_BYTES: u64 = 1 << 20;

/// Bytes that are kept out of memory, for as long as the process lives. Calls may come from two threads: one appends, another reads what was appended.
pub trait Spool: Send + Sync {
    /// Adds bytes at the end. Needs not be durable.
    ///
    /// # Errors
    /// Where there is no room, or the disk fails. Nothing more is appended then.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Bytes that were appended, from there on, exactly so many.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>>;
}

/// A spool in memory: for tests, and for whoever has no disk.
#[derive(Debug, Default)]
pub struct MemorySpool(Mutex<Vec<u8>>);

impl Spool for MemorySpool {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(())
    }

    fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..length));
        piece.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A piece that is to be read.
pub(super) struct Piece {
    spool: Arc<dyn Spool>,
    at: u64,
    length: usize,
}

impl Piece {
    pub(super) fn read(self) -> io::Result<Vec<u8>> {
        self.spool.read(self.at, self.length)
    }
}

/// What comes next of it.
pub(super) enum Next {
    Batch(Taken),
    /// This is to be read and [fed](Behind::feed) before anything comes.
    Read(Piece),
    /// A piece is being read.
    Wait,
    Nothing,
}

/// What a slave is to get later.
pub(super) struct Behind {
    first: VecDeque<Taken>,
    first_bytes: usize,
    in_memory: usize,
    /// All of it.
    batches: u64,
    bytes: u64,
    spooled: Option<Spooled>,
    limits: Limits,
}

/// What is behind the first.
struct Spooled {
    spool: Arc<dyn Spool>,
    /// What is to be written.
    gathered: Vec<u8>,
    written: u64,
    read: u64,
    reader: FrameReader,
    reads: bool,
}

impl Behind {
    /// About so many bytes of it are in memory.
    pub(super) fn new(in_memory: usize, limits: Limits) -> Self {
        Self {
            first: VecDeque::new(),
            first_bytes: 0,
            in_memory,
            batches: 0,
            bytes: 0,
            spooled: None,
            limits,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches == 0
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds one; `make` makes a spool where it takes one.
    pub(super) fn push(
        &mut self,
        taken: Taken,
        make: impl FnOnce() -> io::Result<Arc<dyn Spool>>,
    ) -> io::Result<()> {
        let bytes = taken.encoded.len();
        self.batches += 1;
        self.bytes += bytes as u64;
        let fits = self.first.is_empty() || self.first_bytes + bytes <= self.in_memory;
        let spooled = match &mut self.spooled {
            None if fits => {
                self.first_bytes += bytes;
                self.first.push_back(taken);
                return Ok(());
            }
            None => {
                let mut reader = FrameReader::default();
                reader.expect_batches(self.limits);
                let spool = make()?;
                let gathered = Vec::with_capacity(WRITE_BYTES);
                self.spooled.insert(Spooled { spool, gathered, written: 0, read: 0, reader, reads: false })
            }
            Some(spooled) => spooled,
        };
        Frame::Batch(taken).encode(&mut spooled.gathered);
        if spooled.gathered.len() >= WRITE_BYTES {
            spooled.spool.append(&spooled.gathered)?;
            spooled.written += spooled.gathered.len() as u64;
            spooled.gathered.clear();
        }
        Ok(())
    }

    /// What comes next.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        if let Some(taken) = self.first.pop_front() {
            self.first_bytes -= taken.encoded.len();
            return Ok(self.give(taken));
        }
        let Some(spooled) = &mut self.spooled else { return Ok(Next::Nothing) };
        if spooled.reads {
            return Ok(Next::Wait);
        }
        loop {
            if let Some(frame) = spooled.reader.take().map_err(io::Error::other)? {
                let Frame::Batch(taken) = frame else {
                    return Err(io::Error::other(format!("a {} was found among batches", frame.kind())));
                };
                return Ok(self.give(taken));
            }
            let left = spooled.written - spooled.read;
            if left > 0 {
                spooled.reads = true;
                let (spool, at) = (Arc::clone(&spooled.spool), spooled.read);
                return Ok(Next::Read(Piece { spool, at, length: left.min(READ_BYTES) as usize }));
            }
            if spooled.gathered.is_empty() {
                debug_assert_eq!((self.batches, self.bytes), (0, 0), "all of it has been given");
                self.spooled = None;
                return Ok(Next::Nothing);
            }
            spooled.reader.push(&spooled.gathered);
            spooled.gathered.clear();
        }
    }

    fn give(&mut self, taken: Taken) -> Next {
        self.batches -= 1;
        self.bytes -= taken.encoded.len() as u64;
        Next::Batch(taken)
    }

    /// Takes what was read of the piece that was given last.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let Some(spooled) = self.spooled.as_mut().filter(|spooled| spooled.reads) else {
            debug_assert!(false, "nothing is being read");
            return;
        };
        spooled.reads = false;
        spooled.read += bytes.len() as u64;
        spooled.reader.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use kahawai_store::batch::Urgency;
    use kahawai_store::names::{BatchName, Term};

    use super::*;

    fn taken(number: u64, bytes: usize) -> Taken {
        Taken {
            name: BatchName { term: Term(1), number },
            arrival_first: number,
            encoded: vec![number as u8; bytes].into(),
            urgency: Urgency::default(),
            durability: None,
        }
    }

    fn limits() -> Limits {
        Limits { batch_bytes_max: 1 << 20, message_bytes_max: 1 << 20 }
    }

    /// All that can be taken now.
    fn drain(behind: &mut Behind) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        loop {
            match behind.next().unwrap() {
                Next::Batch(taken) => found.push((taken.name.number, taken.encoded.len())),
                Next::Read(piece) => {
                    assert!(matches!(behind.next().unwrap(), Next::Wait));
                    behind.feed(&piece.read().unwrap());
                }
                Next::Wait => unreachable!("whatever is read is fed"),
                Next::Nothing => return found,
            }
        }
    }

    #[test]
    fn what_is_pushed_comes_in_its_order_whatever_is_taken_in_between() {
        const BATCHES: u64 = 600;
        let size = |number: u64| (number as usize * 7919) % 30_000;
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::default());
        let mut behind = Behind::new(100_000, limits());
        let mut found = Vec::new();
        for number in 1..=BATCHES {
            behind.push(taken(number, size(number)), || Ok(Arc::clone(&spool))).unwrap();
            if number % 50 == 0 {
                for _ in 0..20 {
                    match behind.next().unwrap() {
                        Next::Batch(taken) => found.push((taken.name.number, taken.encoded.len())),
                        Next::Read(piece) => behind.feed(&piece.read().unwrap()),
                        Next::Wait | Next::Nothing => unreachable!("there is more"),
                    }
                }
            }
        }
        found.extend(drain(&mut behind));
        assert_eq!(found, (1..=BATCHES).map(|number| (number, size(number))).collect::<Vec<_>>());
        assert!(behind.is_empty() && behind.spooled.is_none());
    }

    #[test]
    fn what_little_there_is_takes_no_spool_and_a_spool_is_let_go_of() {
        let mut behind = Behind::new(1000, limits());
        let none = || -> io::Result<Arc<dyn Spool>> { unreachable!("it fits") };
        behind.push(taken(1, 5000), none).unwrap();
        assert!(behind.push(taken(2, 1), || Err(io::Error::other("no room"))).is_err());
        let mut behind = Behind::new(1000, limits());
        for _ in 0..3 {
            behind.push(taken(1, 900), none).unwrap();
            let spool: Arc<dyn Spool> = Arc::new(MemorySpool::default());
            behind.push(taken(2, 900), || Ok(Arc::clone(&spool))).unwrap();
            assert_eq!(drain(&mut behind), [(1, 900), (2, 900)]);
            assert_eq!(Arc::strong_count(&spool), 1);
        }
    }
}
