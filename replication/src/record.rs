//! Who is master in which term, and who could follow without a loss; and the only steps from one record to the next.
//!
//! 1. **A master takes a member out of the set before it answers anybody without that member's flush** ([`Record::cut_off`]), and back in once it has
//!    everything ([`Record::admit`]).
//! 2. **A member becomes master only out of the set** ([`Record::promote`]), in a term of its own, alone in the set.
//!
//! So whoever is promoted has flushed all that was ever answered; and a master that was overtaken finds a higher term at its next step.
//!
//! ```text
//! 0   8  magic "KAHAPAI\n"       26  8  term          50  2  count of members in the set
//! 8   2  format version          34 16  the master    52  …  each 16, in order
//! 10 16  the pair's id                                 …  4  CRC-32 of all before
//! ```

use std::collections::BTreeSet;
use std::fmt;

use kahawai_store::names::Term;
use thiserror::Error;

const MAGIC: &[u8; 8] = b"KAHAPAI\n";
const FORMAT_VERSION: u16 = 1;
/// More are not taken for a record: a set is of two, or a few.
const MEMBERS_MAX: usize = 64;

/// Names a member for life: random, made with its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(pub [u8; 16]);

impl fmt::Display for Member {
    /// The first half, in hexadecimal digits: enough to tell members apart.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Who is master, and who could follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The pair that it is about: members of another have nothing to do with it.
    pub pair: [u8; 16],
    /// The mastership.
    pub term: Term,
    /// Whose it is.
    pub master: Member,
    /// Who has flushed all that was ever answered: the master among them.
    pub in_sync: BTreeSet<Member>,
}

/// Why a step cannot be taken from here.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// What was answered may be missing there.
    #[error(
        "{member} was not in sync with {master}, master of term {term}: it may lack what was answered, and cannot take over"
    )]
    NotInSync {
        /// Who asked.
        member: Member,
        /// The master since.
        master: Member,
        /// Its term.
        term: Term,
    },
    /// There is another master, or the same one again, since.
    #[error("{master} is master of term {term}: term {asked} is over")]
    Deposed {
        /// The term of whoever asked.
        asked: Term,
        /// The master since.
        master: Member,
        /// Its term.
        term: Term,
    },
    /// A master does not take itself out, and does not wait for itself.
    #[error("{0} is the master itself")]
    Itself(Member),
}

/// What is no record.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoRecord {
    /// It was never one, or is damaged.
    #[error("it is no record of a pair, or damaged")]
    Damaged,
    /// A newer program wrote it.
    #[error("it has format version {0}; this program reads {FORMAT_VERSION}: use a newer one")]
    Newer(u16),
}

impl Record {
    /// The first record of a pair: its master, alone.
    pub fn begin(pair: [u8; 16], master: Member) -> Self {
        Self { pair, term: Term(1), master, in_sync: BTreeSet::from([master]) }
    }

    /// A member becomes master, in the next term and alone; the master itself too, after it was away.
    ///
    /// # Errors
    /// [`Refused::NotInSync`].
    pub fn promote(&self, member: Member) -> Result<Self, Refused> {
        if !self.in_sync.contains(&member) {
            return Err(Refused::NotInSync { member, master: self.master, term: self.term });
        }
        let term = Term(self.term.0 + 1);
        Ok(Self { pair: self.pair, term, master: member, in_sync: BTreeSet::from([member]) })
    }

    /// The master of a term takes a member out of the set: from now on it may answer without that one. No change where it is not in it.
    ///
    /// # Errors
    /// [`Refused::Deposed`], [`Refused::Itself`].
    pub fn cut_off(&self, master: Member, term: Term, member: Member) -> Result<Self, Refused> {
        let mut next = self.as_master(master, term, member)?;
        next.in_sync.remove(&member);
        Ok(next)
    }

    /// The master of a term takes a member into the set, that has flushed everything: from now on it answers nobody without that one.
    ///
    /// # Errors
    /// [`Refused::Deposed`], [`Refused::Itself`].
    pub fn admit(&self, master: Member, term: Term, member: Member) -> Result<Self, Refused> {
        let mut next = self.as_master(master, term, member)?;
        next.in_sync.insert(member);
        Ok(next)
    }

    fn as_master(&self, master: Member, term: Term, member: Member) -> Result<Self, Refused> {
        if (self.master, self.term) != (master, term) {
            return Err(Refused::Deposed { asked: term, master: self.master, term: self.term });
        }
        if member == master {
            return Err(Refused::Itself(member));
        }
        Ok(self.clone())
    }

    /// As it is kept and sent.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(56 + 16 * self.in_sync.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.pair);
        bytes.extend_from_slice(&self.term.0.to_le_bytes());
        bytes.extend_from_slice(&self.master.0);
        debug_assert!(self.in_sync.len() <= MEMBERS_MAX, "nobody could read it");
        bytes.extend_from_slice(&(self.in_sync.len() as u16).to_le_bytes());
        for member in &self.in_sync {
            bytes.extend_from_slice(&member.0);
        }
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`NoRecord`], for whatever is not exactly what [`Record::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoRecord> {
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or(NoRecord::Damaged)?;
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return Err(NoRecord::Damaged);
        }
        let mut rest = content;
        if taken::<8>(&mut rest)? != MAGIC {
            return Err(NoRecord::Damaged);
        }
        let version = u16::from_le_bytes(*taken(&mut rest)?);
        if version != FORMAT_VERSION {
            return Err(NoRecord::Newer(version));
        }
        let pair = *taken(&mut rest)?;
        let term = Term(u64::from_le_bytes(*taken(&mut rest)?));
        let master = Member(*taken(&mut rest)?);
        let count = usize::from(u16::from_le_bytes(*taken(&mut rest)?));
        let (members, []) = rest.as_chunks::<16>() else { return Err(NoRecord::Damaged) };
        let in_sync: BTreeSet<_> = members.iter().copied().map(Member).collect();
        let record = Self { pair, term, master, in_sync };
        // The last term has no next: nobody gets there by steps.
        let is_one = members.len() == count
            && (1..u64::MAX).contains(&term.0)
            && count <= MEMBERS_MAX
            && record.in_sync.contains(&record.master)
            && record.encode() == bytes;
        if is_one { Ok(record) } else { Err(NoRecord::Damaged) }
    }
}

fn taken<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], NoRecord> {
    let (first, left) = rest.split_first_chunk().ok_or(NoRecord::Damaged)?;
    *rest = left;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: [u8; 16] = [7; 16];
    const A: Member = Member([1; 16]);
    const B: Member = Member([2; 16]);
    const C: Member = Member([3; 16]);

    #[test]
    fn whoever_is_promoted_was_in_the_set_and_a_term_that_is_over_changes_nothing() {
        let alone = Record::begin(PAIR, A);
        assert_eq!(alone.promote(B), Err(Refused::NotInSync { member: B, master: A, term: Term(1) }));
        let both = alone.admit(A, Term(1), B).expect("it is the master");
        let taken_over = both.promote(B).expect("it was in sync");
        assert_eq!((taken_over.term, taken_over.master), (Term(2), B));
        assert_eq!(taken_over.in_sync, BTreeSet::from([B]));
        let deposed = Refused::Deposed { asked: Term(1), master: B, term: Term(2) };
        assert_eq!(taken_over.cut_off(A, Term(1), B), Err(deposed.clone()));
        assert_eq!(taken_over.admit(A, Term(1), C), Err(deposed));
        assert!(taken_over.promote(A).is_err(), "it has to catch up first");
        let again = taken_over.promote(B).expect("it was away for a moment");
        assert_eq!(again.term, Term(3));
        assert!(again.admit(B, Term(2), A).is_err(), "that was its term before");
        assert_eq!(both.cut_off(A, Term(1), A), Err(Refused::Itself(A)));
        assert_eq!(both.cut_off(A, Term(1), B), Ok(alone.clone()));
        assert_eq!(alone.cut_off(A, Term(1), C), Ok(alone));
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is_one() {
        let record = Record::begin(PAIR, B).admit(B, Term(1), A).expect("it is the master");
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes), Ok(record.clone()));
        for length in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..length]), Err(NoRecord::Damaged));
        }
        for index in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[index / 8] ^= 1 << (index % 8);
            assert_eq!(Record::decode(&flipped), Err(NoRecord::Damaged));
        }
        let sealed = |change: fn(&mut Vec<u8>)| {
            let mut content = bytes[..bytes.len() - 4].to_vec();
            change(&mut content);
            let crc = crc32fast::hash(&content);
            content.extend_from_slice(&crc.to_le_bytes());
            Record::decode(&content)
        };
        assert_eq!(sealed(|content| content[8] = 2), Err(NoRecord::Newer(2)));
        assert_eq!(sealed(|content| content[50] = 3), Err(NoRecord::Damaged), "one more than there are");
        assert_eq!(sealed(|content| content.push(0)), Err(NoRecord::Damaged));
        assert_eq!(
            sealed(|content| content[26..34].fill(0xff)),
            Err(NoRecord::Damaged),
            "a term without a next"
        );
        assert_eq!(sealed(|content| content[26..34].fill(0)), Err(NoRecord::Damaged), "nobody's term");
        assert_eq!(sealed(|content| content[34] = 9), Err(NoRecord::Damaged), "a master out of the set");
        assert_eq!(sealed(|content| content[52..].rotate_left(16)), Err(NoRecord::Damaged), "another order");
        assert_eq!(sealed(|_| ()), Ok(record));
    }
}
