//! What is asked of a witness and what it answers: one message each way.
//!
//! ```text
//! message := magic:[8] "KAHAWIT\n", version:u16, length:u16 (of the body), body, crc:u32 (CRC-32 of all before); all little-endian
//!
//! body, asked                                    body, answered
//! 1 read     name:text                           3 held         version:u64, the record or nothing
//! 2 replace  version:u64, name:text, the record  4 replaced     made:flag
//!                                                5 unreachable  text
//! text := length:u16, UTF-8                      6 damaged      text
//! the record: as in `record.rs`                  7 refused      text
//! ```

use crate::arbiter::{Held, Version};
use crate::fields::{Fields, Malformed, put_text, put_u16, put_u64};
use crate::record::{NoRecord, Record};

use super::name::PairName;

const MAGIC: &[u8; 8] = b"KAHAWIT\n";
/// Of what is said, and in which words.
pub const VERSION: u16 = 1;
const HEAD_LENGTH: usize = 12;
const CRC_LENGTH: usize = 4;
/// No body is longer: a record has up to 1080 bytes.
const BODY_MAX: usize = 2048;
/// No text in an answer is longer.
const TEXT_MAX: usize = 1024;
/// No message is longer. One that is not whole by then never will be.
pub const MESSAGE_MAX: usize = HEAD_LENGTH + BODY_MAX + CRC_LENGTH;

/// What a member asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is held under a name.
    Read(PairName),
    /// To put a record in the place of the one of a version.
    Replace(PairName, Version, Record),
}

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What is held.
    Held(Held),
    /// Whether the change was made: then it is durable.
    Replaced(bool),
    /// What it is on fails.
    Unreachable(String),
    /// What it holds cannot be read.
    Damaged(String),
    /// It was asked for what it does not do.
    Refused(String),
}

/// What is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It begins as none does.
    #[error("it is no word of a witness or its clients")]
    Stranger,
    /// Another program than this one wrote it.
    #[error(
        "it has version {0} of a witness's words; this program knows {VERSION}: use the same on both sides"
    )]
    Version(u16),
    /// Its sum is another, or it holds what cannot be.
    #[error("it is damaged, or holds what cannot be")]
    Damaged,
}

impl From<Malformed> for Wrong {
    fn from(_: Malformed) -> Self {
        Self::Damaged
    }
}

impl From<NoRecord> for Wrong {
    fn from(_: NoRecord) -> Self {
        Self::Damaged
    }
}

/// Whether nothing more is to come: it is a whole message, or will never be one.
pub fn is_complete(received: &[u8]) -> bool {
    !matches!(body(received), Ok(None))
}

/// The body of a message that is whole; `None` where more is to come. What is wrong is told as soon as it can be known.
fn body(received: &[u8]) -> Result<Option<&[u8]>, Wrong> {
    let begun = received.len().min(MAGIC.len());
    if received[..begun] != MAGIC[..begun] {
        return Err(Wrong::Stranger);
    }
    let Some((head, rest)) = received.split_first_chunk::<HEAD_LENGTH>() else { return Ok(None) };
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version != VERSION {
        return Err(Wrong::Version(version));
    }
    let length = usize::from(u16::from_le_bytes([head[10], head[11]]));
    if length > BODY_MAX || rest.len() > length + CRC_LENGTH {
        return Err(Wrong::Damaged);
    }
    let Some((body, crc)) = rest.split_at_checked(length) else { return Ok(None) };
    let Ok(crc) = <[u8; CRC_LENGTH]>::try_from(crc) else { return Ok(None) };
    if crc32fast::hash(&received[..HEAD_LENGTH + length]) != u32::from_le_bytes(crc) {
        return Err(Wrong::Damaged);
    }
    Ok(Some(body))
}

fn message(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    put_u16(&mut bytes, VERSION);
    put_u16(&mut bytes, 0);
    fill(&mut bytes);
    let length = bytes.len() - HEAD_LENGTH;
    debug_assert!(length <= BODY_MAX, "nobody would take it");
    bytes[10..HEAD_LENGTH].copy_from_slice(&(length as u16).to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

impl Question {
    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        message(|out| match self {
            Self::Read(name) => {
                out.push(1);
                put_text(out, name.as_str());
            }
            Self::Replace(name, version, record) => {
                out.push(2);
                put_u64(out, version.0);
                put_text(out, name.as_str());
                out.extend_from_slice(&record.encode());
            }
        })
    }

    /// Reads one; `None` where more is to come.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn decode(received: &[u8]) -> Result<Option<Self>, Wrong> {
        let Some(body) = body(received)? else { return Ok(None) };
        let mut fields = Fields(body);
        let name = |fields: &mut Fields<'_>| {
            let text = fields.text()?;
            PairName::parse(&text).map_err(|_| Wrong::Damaged)
        };
        let question = match fields.u8()? {
            1 => {
                let name = name(&mut fields)?;
                fields.end()?;
                Self::Read(name)
            }
            2 => {
                let version = Version(fields.u64()?);
                Self::Replace(name(&mut fields)?, version, Record::decode(fields.0)?)
            }
            _ => return Err(Wrong::Damaged),
        };
        Ok(Some(question))
    }
}

impl Answer {
    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        let say = |kind: u8, text: &str| {
            message(|out| {
                out.push(kind);
                put_text(out, &text[..text.floor_char_boundary(TEXT_MAX)]);
            })
        };
        match self {
            Self::Held(held) => message(|out| {
                out.push(3);
                put_u64(out, held.version.0);
                out.extend(held.record.iter().flat_map(Record::encode));
            }),
            Self::Replaced(is_made) => message(|out| out.extend([4, u8::from(*is_made)])),
            Self::Unreachable(text) => say(5, text),
            Self::Damaged(text) => say(6, text),
            Self::Refused(text) => say(7, text),
        }
    }

    /// Reads one; `None` where more is to come.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn decode(received: &[u8]) -> Result<Option<Self>, Wrong> {
        let Some(body) = body(received)? else { return Ok(None) };
        let mut fields = Fields(body);
        let answer = match fields.u8()? {
            3 => {
                let version = Version(fields.u64()?);
                let record = (!fields.0.is_empty()).then(|| Record::decode(fields.0)).transpose()?;
                // Either both or neither: a version without a record would let a second one begin.
                if record.is_some() != (version != Version::default()) {
                    return Err(Wrong::Damaged);
                }
                return Ok(Some(Self::Held(Held { version, record })));
            }
            4 => Self::Replaced(fields.flag()?),
            5 => Self::Unreachable(words(&mut fields)?),
            6 => Self::Damaged(words(&mut fields)?),
            7 => Self::Refused(words(&mut fields)?),
            _ => return Err(Wrong::Damaged),
        };
        fields.end()?;
        Ok(Some(answer))
    }
}

fn words(fields: &mut Fields<'_>) -> Result<String, Wrong> {
    let text = fields.text()?;
    if text.len() > TEXT_MAX { Err(Wrong::Damaged) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Member;

    fn record() -> Record {
        Record::begin([7; 16], Member([1; 16]))
    }

    fn questions() -> Vec<Question> {
        let name = PairName::default();
        vec![Question::Read(name.clone()), Question::Replace(name, Version(9), record())]
    }

    fn answers() -> Vec<Answer> {
        vec![
            Answer::Held(Held::default()),
            Answer::Held(Held { version: Version(3), record: Some(record()) }),
            Answer::Replaced(true),
            Answer::Replaced(false),
            Answer::Unreachable("a".to_owned()),
            Answer::Damaged(String::new()),
            Answer::Refused("é".to_owned()),
        ]
    }

    /// Every prefix is waited for, every flipped bit is found, whatever follows is too much.
    fn nothing_else_is_one(bytes: &[u8], read: impl Fn(&[u8]) -> Result<bool, Wrong>) {
        assert!(bytes.len() <= MESSAGE_MAX);
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), Ok(false), "{length} of {}", bytes.len());
        }
        assert_eq!(read(bytes), Ok(true));
        assert!(read(&[bytes, b"\0"].concat()).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(read(&flipped), Ok(true), "bit {bit}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for question in questions() {
            let bytes = question.encode();
            assert_eq!(Question::decode(&bytes), Ok(Some(question)));
            nothing_else_is_one(&bytes, |bytes| Question::decode(bytes).map(|found| found.is_some()));
            assert_eq!(Answer::decode(&bytes), Err(Wrong::Damaged), "a question is no answer");
        }
        for answer in answers() {
            let bytes = answer.encode();
            assert_eq!(Answer::decode(&bytes), Ok(Some(answer)));
            nothing_else_is_one(&bytes, |bytes| Answer::decode(bytes).map(|found| found.is_some()));
            assert_eq!(Question::decode(&bytes), Err(Wrong::Damaged), "an answer is no question");
        }
    }

    #[test]
    fn what_is_wrong_is_known_as_soon_as_it_can_be() {
        assert_eq!(Question::decode(b"GET"), Err(Wrong::Stranger));
        assert_eq!(Question::decode(b"KAHAWIT\n\x02\x00\x00\x00"), Err(Wrong::Version(2)));
        assert_eq!(Question::decode(b"KAHAWIT\n\x01\x00\x01\x08"), Err(Wrong::Damaged), "2049 bytes");
        assert_eq!(Question::decode(b"KAHAWIT\n\x01\x00\x00\x08"), Ok(None));
        assert!(is_complete(b"GET") && !is_complete(b"KAHA"));
        // A path is no name, whoever sums it up.
        let path = message(|out| {
            out.push(1);
            put_text(out, "../pair");
        });
        assert_eq!(Question::decode(&path), Err(Wrong::Damaged));
        // What would let a second record begin.
        for held in
            [Held { version: Version(0), record: Some(record()) }, Held { version: Version(4), record: None }]
        {
            assert_eq!(Answer::decode(&Answer::Held(held).encode()), Err(Wrong::Damaged));
        }
        let long = Answer::Unreachable("é".repeat(4000)).encode();
        assert_eq!(Answer::decode(&long), Ok(Some(Answer::Unreachable("é".repeat(512)))));
    }
}
