//! What members say to each other: frames, each with its length and a checksum.
//!
//! ```text
//! frame := length:u32 (of kind and fields), crc:u32 (CRC-32 of kind and fields), kind:u8, fields; all little-endian
//!
//! 1 hello      version:u16, pair:[16] or zeros, member:[16], process:u64, name:text, addresses:list of text, last:name, terms:list of (u64, u64),
//!              whole:flag, holds:u64, master_of:u64 or 0, batch_max:u64, message_max:u64
//! 2 welcome    pair:[16], member:[16], name:text, term:u64, plan:u8 (0 follow, 1 cut, 2 copy), to:name, lease:u64 (ms)
//! 3 refused    why:u8, term:u64, text
//! 4 batch      name, arrival_first:u64, durability:u8 (0 as configured, 1 never, 2 periodic, 3 always), urgency:u8, the encoded batch
//! 5 confirmed  name
//! 6 in sync    term:u64
//! 7 sign of life
//! 8 leaving
//! 9 ask        what:u8 (0 status, 1 switch)
//! 10 told      list of (text, text)
//!
//! name := term:u64, number:u64     text := length:u16, UTF-8     list := count:u16, its items
//! ```

use bytes::{Buf as _, Bytes, BytesMut};
use kahawai_store::batch::{Durability, Urgency};
use kahawai_store::contract::Limits;
use kahawai_store::names::{BatchName, Term};
use kahawai_store::replica::Taken;

use crate::fields::{Fields, Malformed, put_list, put_name, put_text, put_u16, put_u64};
use crate::record::Member;
use crate::standing::TermStart;

/// Of what is said, and in which words.
pub const VERSION: u16 = 1;

/// The longest frame that is taken before a peer said who it is.
pub const OPENING_MAX: usize = 128 << 10;

/// What stands before each frame's kind and fields.
const PREFIX_LENGTH: usize = 8;

/// What a member says.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Who dialled, and what it has.
    Hello(Box<Hello>),
    /// It may follow.
    Welcome(Welcome),
    /// It may not.
    Refused(Refusal),
    /// A batch, of the stream or of a copy.
    Batch(Taken),
    /// Everything up to this batch is durable here.
    Confirmed(BatchName),
    /// The slave is in the set of those that may take over.
    InSync(Term),
    /// Nothing but that somebody is there.
    SignOfLife,
    /// It goes in good order: nobody need wait for it.
    Leaving,
    /// An operator asks, on a line of its own.
    Ask(Asked),
    /// What an operator is told: names and values.
    Told(Vec<(String, String)>),
}

/// Who dialled, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Which words it knows.
    pub version: u16,
    /// The pair it belongs to; none yet for a store that never was in one.
    pub pair: Option<[u8; 16]>,
    /// Its name for life.
    pub member: Member,
    /// Random for each process: who hears its own dialled itself.
    pub process: u64,
    /// Its broker's name.
    pub name: String,
    /// Where its connectors are, when it serves.
    pub addresses: Vec<String>,
    /// The last batch it has.
    pub last: BatchName,
    /// Where the terms that it knows began.
    pub terms: Vec<TermStart>,
    /// Whether it has everything up to its last batch, rather than a copy that was broken off.
    pub whole: bool,
    /// How many messages it holds.
    pub holds: u64,
    /// The term in which it serves, if it does: then it asks for nothing, but tells.
    pub master_of: Option<Term>,
    /// What its store can take.
    pub limits: Limits,
}

/// A slave may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The pair.
    pub pair: [u8; 16],
    /// Who is master.
    pub member: Member,
    /// Its broker's name.
    pub name: String,
    /// The term.
    pub term: Term,
    /// From where the slave goes on.
    pub plan: Plan,
    /// How long the master waits for signs of life, in milliseconds.
    pub lease: u64,
}

/// From where a slave goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// From its last batch: what comes next on this connection follows on it.
    Follow,
    /// What it has beyond this batch was never answered, and is to be cut; then it dials again.
    Cut(BatchName),
    /// From nothing: a copy of everything as of a batch comes next. What it has is to be set aside first; then it dials again.
    Copy,
}

/// Why a member is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub why: Why,
    /// The highest term that is known here.
    pub term: Term,
    /// For people.
    pub text: String,
}

/// Why a member is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not now: dial again.
    Later = 0,
    /// Never as things are: somebody has to look.
    Never = 1,
    /// Whoever dialled is not master any more: a higher term is known.
    Deposed = 2,
}

/// What an operator asks a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// How things stand.
    Status = 0,
    /// To let the slave take over, losing nothing.
    Switch = 1,
}

impl Frame {
    /// What kind it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Welcome(_) => "welcome",
            Self::Refused(_) => "refused",
            Self::Batch(_) => "batch",
            Self::Confirmed(_) => "confirmed",
            Self::InSync(_) => "in sync",
            Self::SignOfLife => "sign of life",
            Self::Leaving => "leaving",
            Self::Ask(_) => "ask",
            Self::Told(_) => "told",
        }
    }

    /// Writes the frame behind what is there.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX_LENGTH]);
        self.put(out);
        let body = &out[start + PREFIX_LENGTH..];
        let (length, crc) = (body.len() as u32, crc32fast::hash(body));
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + PREFIX_LENGTH].copy_from_slice(&crc.to_le_bytes());
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.push(1);
                put_u16(out, hello.version);
                out.extend_from_slice(&hello.pair.unwrap_or_default());
                out.extend_from_slice(&hello.member.0);
                put_u64(out, hello.process);
                put_text(out, &hello.name);
                put_list(out, &hello.addresses, |out, address| put_text(out, address));
                put_name(out, hello.last);
                put_list(out, &hello.terms, |out, term| {
                    put_u64(out, term.term.0);
                    put_u64(out, term.first);
                });
                out.push(u8::from(hello.whole));
                put_u64(out, hello.holds);
                put_u64(out, hello.master_of.map_or(0, |term| term.0));
                put_u64(out, hello.limits.batch_bytes_max as u64);
                put_u64(out, hello.limits.message_bytes_max as u64);
            }
            Self::Welcome(welcome) => {
                out.push(2);
                out.extend_from_slice(&welcome.pair);
                out.extend_from_slice(&welcome.member.0);
                put_text(out, &welcome.name);
                put_u64(out, welcome.term.0);
                let (plan, to) = match welcome.plan {
                    Plan::Follow => (0, BatchName::default()),
                    Plan::Cut(to) => (1, to),
                    Plan::Copy => (2, BatchName::default()),
                };
                out.push(plan);
                put_name(out, to);
                put_u64(out, welcome.lease);
            }
            Self::Refused(refusal) => {
                out.push(3);
                out.push(refusal.why as u8);
                put_u64(out, refusal.term.0);
                put_text(out, &refusal.text);
            }
            Self::Batch(taken) => {
                out.push(4);
                put_name(out, taken.name);
                put_u64(out, taken.arrival_first);
                out.push(match taken.durability {
                    None => 0,
                    Some(Durability::Never) => 1,
                    Some(Durability::Periodic) => 2,
                    Some(Durability::Always) => 3,
                });
                out.push(match taken.urgency {
                    Urgency::Now => 0,
                    Urgency::Soon => 1,
                });
                out.extend_from_slice(&taken.encoded);
            }
            Self::Confirmed(name) => {
                out.push(5);
                put_name(out, *name);
            }
            Self::InSync(term) => {
                out.push(6);
                put_u64(out, term.0);
            }
            Self::SignOfLife => out.push(7),
            Self::Leaving => out.push(8),
            Self::Ask(what) => out.extend_from_slice(&[9, *what as u8]),
            Self::Told(told) => {
                out.push(10);
                put_list(out, told, |out, (name, value)| {
                    put_text(out, name);
                    put_text(out, value);
                });
            }
        }
    }

    fn decode(body: &Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let frame = match fields.u8()? {
            1 => Self::Hello(Box::new(hello(&mut fields)?)),
            2 => {
                let (pair, member, name) = (*fields.array()?, fields.member()?, fields.text()?);
                let term = Term(fields.u64()?);
                let (plan, to) = (fields.u8()?, fields.name()?);
                let plan = match plan {
                    0 if to == BatchName::default() => Plan::Follow,
                    1 => Plan::Cut(to),
                    2 if to == BatchName::default() => Plan::Copy,
                    _ => return Err(Malformed),
                };
                Self::Welcome(Welcome { pair, member, name, term, plan, lease: fields.u64()? })
            }
            3 => {
                let why = match fields.u8()? {
                    0 => Why::Later,
                    1 => Why::Never,
                    2 => Why::Deposed,
                    _ => return Err(Malformed),
                };
                Self::Refused(Refusal { why, term: Term(fields.u64()?), text: fields.text()? })
            }
            4 => {
                let (name, arrival_first) = (fields.name()?, fields.u64()?);
                let durability = match fields.u8()? {
                    0 => None,
                    1 => Some(Durability::Never),
                    2 => Some(Durability::Periodic),
                    3 => Some(Durability::Always),
                    _ => return Err(Malformed),
                };
                let urgency = match fields.u8()? {
                    0 => Urgency::Now,
                    1 => Urgency::Soon,
                    _ => return Err(Malformed),
                };
                let encoded = body.slice_ref(fields.0);
                return Ok(Self::Batch(Taken { name, arrival_first, encoded, urgency, durability }));
            }
            5 => Self::Confirmed(fields.name()?),
            6 => Self::InSync(Term(fields.u64()?)),
            7 => Self::SignOfLife,
            8 => Self::Leaving,
            9 => Self::Ask(match fields.u8()? {
                0 => Asked::Status,
                1 => Asked::Switch,
                _ => return Err(Malformed),
            }),
            10 => Self::Told(fields.list(|fields| Ok((fields.text()?, fields.text()?)))?),
            _ => return Err(Malformed),
        };
        fields.end()?;
        Ok(frame)
    }
}

fn hello(fields: &mut Fields<'_>) -> Result<Hello, Malformed> {
    let version = fields.u16()?;
    let pair = Some(*fields.array()?).filter(|pair| *pair != [0; 16]);
    Ok(Hello {
        version,
        pair,
        member: fields.member()?,
        process: fields.u64()?,
        name: fields.text()?,
        addresses: fields.list(Fields::text)?,
        last: fields.name()?,
        terms: fields.list(|fields| Ok(TermStart { term: Term(fields.u64()?), first: fields.u64()? }))?,
        whole: fields.flag()?,
        holds: fields.u64()?,
        master_of: Some(Term(fields.u64()?)).filter(|term| term.0 != 0),
        limits: Limits {
            batch_bytes_max: usize::try_from(fields.u64()?).map_err(|_| Malformed)?,
            message_bytes_max: usize::try_from(fields.u64()?).map_err(|_| Malformed)?,
        },
    })
}

/// What came and is no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It says that it is longer than anything that could come now. Nothing was taken for it.
    #[error("a frame of {length} bytes, where at most {limit} are taken")]
    TooLong {
        /// What it says.
        length: usize,
        /// What is taken.
        limit: usize,
    },
    /// Bytes were changed on their way.
    #[error("a frame's checksum is wrong")]
    Checksum,
    /// It is whole and means nothing.
    #[error("a frame of kind {0} that means nothing")]
    Malformed(u8),
}

/// Cuts frames out of what came.
#[derive(Debug)]
pub struct FrameReader {
    received: BytesMut,
    limit: usize,
}

impl Default for FrameReader {
    /// Takes what a peer may say first.
    fn default() -> Self {
        Self { received: BytesMut::new(), limit: OPENING_MAX }
    }
}

impl FrameReader {
    /// Takes batches from now on, as a store of these limits may give them.
    pub fn expect_batches(&mut self, limits: Limits) {
        const AROUND: usize = 64 << 10;
        self.limit = limits.batch_bytes_max.saturating_add(limits.message_bytes_max).saturating_add(AROUND);
    }

    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next frame, if it is there whole.
    ///
    /// # Errors
    /// [`FrameError`]; the connection is of no use any more then.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((prefix, rest)) = self.received.split_first_chunk::<PREFIX_LENGTH>() else {
            return Ok(None);
        };
        let [a, b, c, d, crc @ ..] = *prefix;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.received.advance(PREFIX_LENGTH);
        let body = self.received.split_to(length).freeze();
        if crc32fast::hash(&body) != u32::from_le_bytes(crc) {
            return Err(FrameError::Checksum);
        }
        let kind = body.first().copied().unwrap_or(0);
        Frame::decode(&body).map(Some).map_err(|Malformed| FrameError::Malformed(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            version: VERSION,
            pair: Some([7; 16]),
            member: Member([1; 16]),
            process: 5,
            name: "one".to_owned(),
            addresses: vec!["tcp://one:61616".to_owned(), String::new()],
            last: BatchName { term: Term(3), number: 99 },
            terms: vec![TermStart { term: Term(1), first: 1 }, TermStart { term: Term(3), first: 40 }],
            whole: true,
            holds: 12,
            master_of: None,
            limits: Limits { batch_bytes_max: 1000, message_bytes_max: 100_000 },
        }
    }

    fn all() -> Vec<Frame> {
        let name = BatchName { term: Term(3), number: 100 };
        let welcome = |plan| {
            let (pair, member) = ([7; 16], Member([2; 16]));
            Frame::Welcome(Welcome { pair, member, name: "two".to_owned(), term: Term(3), plan, lease: 5000 })
        };
        let batch = |durability, urgency| {
            let encoded = Bytes::from_static(b"any bytes");
            Frame::Batch(Taken { name, arrival_first: 7, encoded, urgency, durability })
        };
        vec![
            Frame::Hello(Box::new(hello())),
            Frame::Hello(Box::new(Hello { pair: None, master_of: Some(Term(4)), terms: vec![], ..hello() })),
            welcome(Plan::Follow),
            welcome(Plan::Cut(name)),
            welcome(Plan::Copy),
            Frame::Refused(Refusal { why: Why::Deposed, term: Term(9), text: "no".to_owned() }),
            batch(None, Urgency::Now),
            batch(Some(Durability::Never), Urgency::Soon),
            batch(Some(Durability::Periodic), Urgency::Now),
            batch(Some(Durability::Always), Urgency::Now),
            Frame::Confirmed(name),
            Frame::InSync(Term(3)),
            Frame::SignOfLife,
            Frame::Leaving,
            Frame::Ask(Asked::Status),
            Frame::Ask(Asked::Switch),
            Frame::Told(vec![("a".to_owned(), "b".to_owned()), (String::new(), "é".to_owned())]),
        ]
    }

    #[test]
    fn frames_are_read_as_they_were_written_however_they_come() {
        let mut bytes = Vec::new();
        all().iter().for_each(|frame| frame.encode(&mut bytes));
        for step in [1, 7, bytes.len()] {
            let mut reader = FrameReader::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(step) {
                reader.push(piece);
                while let Some(frame) = reader.take().expect("whole frames") {
                    found.push(frame);
                }
            }
            assert_eq!(format!("{found:?}"), format!("{:?}", all()));
        }
    }

    #[test]
    fn what_was_changed_or_cut_is_no_frame() {
        for frame in all() {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            for length in 0..bytes.len() {
                let mut reader = FrameReader::default();
                reader.push(&bytes[..length]);
                assert!(matches!(reader.take(), Ok(None)), "{frame:?} cut to {length}");
            }
            for bit in 32..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let mut reader = FrameReader::default();
                reader.push(&flipped);
                assert_eq!(
                    reader.take().expect_err("it was changed"),
                    FrameError::Checksum,
                    "{frame:?}, bit {bit}"
                );
            }
            // Shorter by its own word, and summed up so: whatever is left over or missing is found.
            if !matches!(frame, Frame::Batch(_)) {
                for end in PREFIX_LENGTH..bytes.len() {
                    let body = Bytes::copy_from_slice(&bytes[PREFIX_LENGTH..end]);
                    assert!(Frame::decode(&body).is_err(), "{frame:?} to {end}");
                }
                let longer = Bytes::from([&bytes[PREFIX_LENGTH..], &[0]].concat());
                assert!(Frame::decode(&longer).is_err(), "{frame:?} and more");
            }
        }
    }

    #[test]
    fn a_length_from_outside_takes_no_memory() {
        let mut reader = FrameReader::default();
        reader.push(&u32::MAX.to_le_bytes());
        reader.push(&[0; 4]);
        let limit = OPENING_MAX;
        assert_eq!(
            reader.take().expect_err("too long"),
            FrameError::TooLong { length: u32::MAX as usize, limit }
        );
        reader.expect_batches(Limits { batch_bytes_max: 10, message_bytes_max: 20 });
        assert!(matches!(reader.take(), Err(FrameError::TooLong { limit: 65_566, .. })));
    }
}
