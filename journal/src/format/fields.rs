//! Reading and writing fixed-width little-endian fields one after another, so that each offset follows from
//! the field before; and the check that closes every small file.

use std::sync::Arc;

use super::{FORMAT_VERSION, FORMAT_VERSION_OLDEST};

/// Why a small file or a header is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The first bytes are not those of this kind of file.
    #[error("not a Kahawai {what}: wrong first bytes")]
    Magic {
        /// What it should be.
        what: &'static str,
    },
    /// A newer program wrote it.
    #[error("{what} has format version {found}; this program reads up to {FORMAT_VERSION}: use a newer one")]
    Newer {
        /// What it is.
        what: &'static str,
        /// The version found.
        found: u16,
    },
    /// A program older than the first release wrote it.
    #[error(
        "{what} has format version {found}, which was never released; this program reads from {FORMAT_VERSION_OLDEST} on: \
         drain the store with the program that wrote it, and begin a new one"
    )]
    Older {
        /// What it is.
        what: &'static str,
        /// The version found.
        found: u16,
    },
    /// Cut short, or its checksum does not match.
    #[error("{what} is damaged: {problem}")]
    Damaged {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        problem: Arc<str>,
    },
}

/// Appends fields to bytes.
pub(crate) struct Fields(Vec<u8>);

impl Fields {
    /// Begins with a magic and the format's version.
    pub(crate) fn begin(magic: &[u8; 8]) -> Self {
        let mut bytes = magic.to_vec();
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        Self(bytes)
    }

    pub(crate) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes, with their length (4) in front.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len() as u32).raw(bytes)
    }

    /// A text of at most 255 bytes, cut at a character where it is longer.
    pub(crate) fn text(self, text: &str) -> Self {
        let end = (0..=text.len().min(255)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.u8(end as u8).raw(&text.as_bytes()[..end])
    }

    /// Ends with the CRC-32 of everything before.
    pub(crate) fn finish(self) -> Vec<u8> {
        let crc = crc32fast::hash(&self.0);
        self.u32(crc).0
    }
}

/// Takes fields from bytes whose magic, version and checksum were found right.
pub(crate) struct Taken<'a> {
    what: &'static str,
    left: &'a [u8],
}

impl<'a> Taken<'a> {
    /// Checks magic, version and checksum. What follows the checksum of a file with fixed length `length` is ignored.
    pub(crate) fn open(what: &'static str, magic: &[u8; 8], bytes: &'a [u8]) -> Result<Self, FormatError> {
        let damaged = |problem: String| FormatError::Damaged { what, problem: problem.into() };
        match bytes.get(..8) {
            Some(found) if found == magic => {}
            Some(_) => return Err(FormatError::Magic { what }),
            None => return Err(damaged(format!("{} bytes", bytes.len()))),
        }
        let version = bytes.get(8..10).map(|found| u16::from_le_bytes([found[0], found[1]]));
        match version {
            Some(found) if found > FORMAT_VERSION => return Err(FormatError::Newer { what, found }),
            Some(found) if found < FORMAT_VERSION_OLDEST => return Err(FormatError::Older { what, found }),
            Some(_) => {}
            None => return Err(damaged(format!("{} bytes", bytes.len()))),
        }
        let Some((content, crc)) = bytes.split_last_chunk::<4>() else {
            return Err(damaged(format!("{} bytes", bytes.len())));
        };
        let (expected, found) = (u32::from_le_bytes(*crc), crc32fast::hash(content));
        if expected != found {
            return Err(damaged(format!("checksum {found:08x}, expected {expected:08x}")));
        }
        match content.get(10..) {
            Some(left) => Ok(Self { what, left }),
            None => Err(damaged(format!("{} bytes", bytes.len()))),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        match self.left.split_at_checked(count) {
            Some((taken, left)) => {
                self.left = left;
                #[cfg(test)]
                traced::took(left.len());
                Ok(taken)
            }
            None => Err(FormatError::Damaged { what: self.what, problem: "a field is missing".into() }),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], FormatError> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    pub(crate) fn text(&mut self) -> Result<String, FormatError> {
        let length = self.u8()?;
        Ok(String::from_utf8_lossy(self.take(length.into())?).into_owned())
    }
}

/// Where fields stand, told by the code that reads them: tests damage each, and have no list of their own.
#[cfg(test)]
pub(crate) mod traced {
    use std::cell::RefCell;

    thread_local! {
        /// How much was left behind each field that was taken.
        static LEFT: RefCell<Option<Vec<usize>>> = const { RefCell::new(None) };
    }

    pub(super) fn took(left: usize) {
        LEFT.with_borrow_mut(|traced| {
            if let Some(traced) = traced {
                traced.push(left);
            }
        });
    }

    /// Where each field of a file begins, and where the last ends: magic, version, what `decode` takes, the checksum.
    pub(crate) fn boundaries(bytes: &[u8], decode: impl FnOnce(&[u8])) -> Vec<usize> {
        LEFT.set(Some(Vec::new()));
        decode(bytes);
        let left = LEFT.take().unwrap_or_default();
        let end = bytes.len() - 4;
        let mut found = vec![0, 8, 10];
        found.extend(left.into_iter().map(|left| end - left));
        found.extend([end, bytes.len()]);
        found.sort_unstable();
        found.dedup();
        found
    }
}
