//! Numbers, texts and lists as frames and table entries hold them: little-endian, each length checked before anything is taken.

use kahawai_store::names::{BatchName, Term};

use crate::record::Member;

/// What is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it ends too soon, goes on too long, or holds what cannot be")]
pub(crate) struct Malformed;

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_name(out: &mut Vec<u8>, name: BatchName) {
    put_u64(out, name.term.0);
    put_u64(out, name.number);
}

/// A text of up to 64 KiB; what is longer is cut.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    put_u16(out, end as u16);
    out.extend_from_slice(&text.as_bytes()[..end]);
}

pub(crate) fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    debug_assert!(items.len() <= usize::from(u16::MAX), "no list here is longer");
    put_u16(out, items.len() as u16);
    items.iter().for_each(|item| put(out, item));
}

/// Reads from the front.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(*self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(*self.array()?))
    }

    pub(crate) fn member(&mut self) -> Result<Member, Malformed> {
        Ok(Member(*self.array()?))
    }

    pub(crate) fn name(&mut self) -> Result<BatchName, Malformed> {
        Ok(BatchName { term: Term(self.u64()?), number: self.u64()? })
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::from(self.u16()?);
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        std::str::from_utf8(text).map(str::to_owned).map_err(|_| Malformed)
    }

    /// A list, which reserves nothing by its count.
    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u16()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
