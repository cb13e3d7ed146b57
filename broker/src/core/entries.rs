//! The broker's entries in the store's tables, byte by byte.
//!
//! | table | key | value |
//! |---|---|---|
//! | `durables` | length of the client id (4), the client id, the subscription's name | version 1, flags (bit 0: noLocal, bit 1: a selector), length of the qualified address (4), the address, the selector |
//! | `durables`, of a bridge | as above | version 2, as above up to the address; of how many brokers the path is (4), each one's length (4) and id; the selector |
//! | `producers` | the producer's id | version 1, its last sequence (8) |
//! | `outcomes` | the connection's id | version 1, the numbers (8 each) of its last commits |
//! | `broker` | `id` | version 1, the broker's id |
//!
//! Numbers are big-endian. A value begins with its version: one that this program does not know is told and left as it is.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use super::address::{Address, AddressKind};
use super::state::durable::{Durable, DurableName};

/// The version of every value.
const VERSION: u8 = 1;
/// But that of a durable subscription that tells by which way its demand came.
const VERSION_WITH_PATH: u8 = 2;
const NO_LOCAL: u8 = 1;
const SELECTOR: u8 = 2;

/// Why an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A younger program wrote it.
    Version(u8),
    /// It is damaged, or was written by something else.
    Malformed,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(found) => {
                write!(formatter, "it has version {found}, this program knows {VERSION}")
            }
            Self::Malformed => formatter.write_str("it is malformed"),
        }
    }
}

/// The content of a value, behind its version.
fn content(value: &[u8]) -> Result<&[u8], Unreadable> {
    match value.split_first() {
        Some((&VERSION, content)) => Ok(content),
        Some((version, _)) => Err(Unreadable::Version(*version)),
        None => Err(Unreadable::Malformed),
    }
}

/// The value of `producers` and `outcomes`.
pub(crate) fn numbers_value(numbers: &[i64]) -> Bytes {
    let mut value = Vec::with_capacity(1 + 8 * numbers.len());
    value.push(VERSION);
    for number in numbers {
        value.extend_from_slice(&number.to_be_bytes());
    }
    Bytes::from(value)
}

/// Reads a value of `producers` or `outcomes`.
pub(crate) fn read_numbers(value: &[u8]) -> Result<Vec<i64>, Unreadable> {
    let (numbers, rest) = content(value)?.as_chunks::<8>();
    if rest.is_empty() {
        Ok(numbers.iter().copied().map(i64::from_be_bytes).collect())
    } else {
        Err(Unreadable::Malformed)
    }
}

/// The value of `broker`.
pub(crate) fn text_value(text: &str) -> Bytes {
    let mut value = Vec::with_capacity(1 + text.len());
    value.push(VERSION);
    value.extend_from_slice(text.as_bytes());
    Bytes::from(value)
}

/// Reads a value of `broker`.
pub(crate) fn read_text(value: &[u8]) -> Result<ByteString, Unreadable> {
    text(content(value)?).filter(|text| !text.is_empty()).ok_or(Unreadable::Malformed)
}

/// The key of `durables`.
pub(crate) fn durable_key(name: &DurableName) -> Bytes {
    let mut key = Vec::with_capacity(name.0.len() + name.1.len() + 4);
    key.extend_from_slice(&(name.0.len() as u32).to_be_bytes());
    key.extend_from_slice(name.0.as_bytes());
    key.extend_from_slice(name.1.as_bytes());
    Bytes::from(key)
}

/// The value of `durables`.
pub(crate) fn durable_value(durable: &Durable) -> Bytes {
    let address = durable.address.to_string();
    let mut flags = if durable.no_local { NO_LOCAL } else { 0 };
    if durable.selector.is_some() {
        flags |= SELECTOR;
    }
    let version = if durable.passed.is_some() { VERSION_WITH_PATH } else { VERSION };
    let mut value = vec![version, flags];
    put_counted(&mut value, &address);
    if let Some(passed) = &durable.passed {
        value.extend_from_slice(&(passed.len() as u32).to_be_bytes());
        passed.iter().for_each(|id| put_counted(&mut value, id));
    }
    value.extend_from_slice(durable.selector.as_deref().unwrap_or_default().as_bytes());
    Bytes::from(value)
}

/// Reads an entry of `durables`.
pub(crate) fn read_durable(key: &[u8], value: &[u8]) -> Result<(DurableName, Durable), Unreadable> {
    let has_path = value.first() == Some(&VERSION_WITH_PATH);
    let content = if has_path { &value[1..] } else { content(value)? };
    let read = || {
        let (client_id, name) = counted(key)?;
        let (flags, rest) = content.split_first()?;
        let (address, mut selector) = counted(rest)?;
        let passed = if has_path { Some(take_path(&mut selector)?) } else { None };
        let has_selector = flags & SELECTOR != 0;
        if !has_selector && !selector.is_empty() {
            return None;
        }
        let durable = Durable {
            address: Address::parse(&text(address)?, AddressKind::Topic),
            no_local: flags & NO_LOCAL != 0,
            selector: if has_selector { Some(text(selector)?) } else { None },
            passed,
            parts: Vec::new(),
            consumer: None,
        };
        Some(((text(client_id)?, text(name)?), durable))
    };
    read().ok_or(Unreadable::Malformed)
}

/// The brokers of a path at the beginning of these bytes, which go on behind it.
fn take_path(bytes: &mut &[u8]) -> Option<Vec<ByteString>> {
    let (count, mut rest) = bytes.split_first_chunk::<4>()?;
    let mut passed = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (id, behind) = counted(rest)?;
        passed.push(text(id)?);
        rest = behind;
    }
    *bytes = rest;
    Some(passed)
}

fn put_counted(value: &mut Vec<u8>, text: &str) {
    value.extend_from_slice(&(text.len() as u32).to_be_bytes());
    value.extend_from_slice(text.as_bytes());
}

/// As many bytes as a length before them says, and what is behind.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

fn text(bytes: &[u8]) -> Option<ByteString> {
    ByteString::try_from(Bytes::copy_from_slice(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durable(selector: Option<&str>, passed: Option<&[&'static str]>) -> Durable {
        Durable {
            address: Address::topic("prices.>"),
            no_local: true,
            selector: selector.map(ByteString::from),
            passed: passed.map(|all| all.iter().copied().map(ByteString::from_static).collect()),
            parts: Vec::new(),
            consumer: None,
        }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let name = ("client".into(), "näme".into());
        for selector in [None, Some(""), Some("price > 7")] {
            for passed in [None, Some(&[][..]), Some(&["ID:nä-1", ""])] {
                let durable = durable(selector, passed);
                let (found, read) = read_durable(&durable_key(&name), &durable_value(&durable)).unwrap();
                assert_eq!(found, name);
                assert_eq!((&read.address, read.no_local), (&durable.address, true));
                assert_eq!((&read.selector, &read.passed), (&durable.selector, &durable.passed));
            }
        }
        for numbers in [&[7][..], &[], &[i64::MIN, -1, i64::MAX]] {
            assert_eq!(read_numbers(&numbers_value(numbers)).as_deref(), Ok(numbers));
        }
        assert_eq!(read_text(&text_value("ID:nä-1")).as_deref(), Ok("ID:nä-1"));
    }

    #[test]
    fn what_is_of_another_version_or_cut_short_is_told() {
        let (key, value) = (durable_key(&("c".into(), "n".into())), durable_value(&durable(None, None)));
        let with_path = durable_value(&durable(None, Some(&["ID:one", "ID:two"])));
        for value in [&value, &with_path] {
            for length in 1..value.len() {
                assert!(read_durable(&key, &value[..length]).is_err(), "{length}");
            }
        }
        // More brokers are promised than there are, or could be.
        let mut endless = with_path.to_vec();
        let count = 6 + durable(None, None).address.to_string().len();
        endless[count..count + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(read_durable(&key, &endless).unwrap_err(), Unreadable::Malformed);
        for length in 0..4 {
            assert!(read_durable(&key[..length], &value).is_err(), "{length}");
        }
        let mut younger = value.to_vec();
        younger[0] = 3;
        assert_eq!(read_durable(&key, &younger).unwrap_err(), Unreadable::Version(3));
        assert_eq!(read_numbers(&[2]), Err(Unreadable::Version(2)));
        assert_eq!(read_numbers(&[1, 0]), Err(Unreadable::Malformed));
        assert_eq!(read_numbers(&[]), Err(Unreadable::Malformed));
        assert_eq!(read_text(&[1]), Err(Unreadable::Malformed));
        assert_eq!(read_text(&[1, 0xff]), Err(Unreadable::Malformed));
    }
}
