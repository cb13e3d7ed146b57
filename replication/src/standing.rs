//! What a store says of the pair it belongs to, in a table of its own that is copied with the rest.
//!
//! | key | value |
//! |---|---|
//! | `record` | who is master in which term and who could follow, as its writer knew: [`Record`] |
//! | `terms` | where each term began: a list of (term, number of its first batch) |
//! | `members` | each member's id, broker name and addresses |
//! | `arbiter` | there where an arbiter was asked, which has held the pair's record |
//! | `copying` | there while a copy is being made: what is here is no whole store |

use std::collections::BTreeMap;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_store::batch::Operation;
use kahawai_store::contract::{Recovered, TableEntry};
use kahawai_store::names::{BatchName, Term};

use crate::fields::{Fields, Malformed, put_list, put_text, put_u64};
use crate::record::{Member, Record};

/// The table. Not for clients of a store: it is hidden from them.
pub const TABLE: &str = kahawai_store::replica::PAIR_TABLE;

/// More terms than these are not remembered: who was away for so many takes a copy.
const TERMS_MAX: usize = 4096;

const RECORD: &[u8] = b"record";
const TERMS: &[u8] = b"terms";
const MEMBERS: &[u8] = b"members";
const COPYING: &[u8] = b"copying";
const ARBITER: &[u8] = b"arbiter";

/// Where a term began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermStart {
    /// The term.
    pub term: Term,
    /// The number of its first batch.
    pub first: u64,
}

/// How a member is found by the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its broker's name.
    pub name: String,
    /// Where its connectors are, when it serves.
    pub addresses: Vec<String>,
}

/// What a store says of its pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who was master and who could follow, if it ever was in a pair.
    pub record: Option<Record>,
    /// Where each term began, the oldest first.
    pub terms: Vec<TermStart>,
    /// The members.
    pub members: BTreeMap<Member, Known>,
    /// Whether an arbiter has held the record.
    pub has_asked: bool,
    /// Whether a copy was broken off here.
    pub is_broken_off: bool,
    /// The last batch.
    pub last: BatchName,
    /// How many messages there are.
    pub holds: u64,
    /// Whether nothing was ever written here, but how the others are found: [`Standing::remembered`].
    pub is_untouched: bool,
}

/// What a table of ours holds and this program cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store's entry '{0}' of the table '{TABLE}' cannot be read: use the program that wrote it, or a newer one"
)]
pub struct Unreadable(pub String);

impl Standing {
    /// What a store says.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn of(recovered: &Recovered) -> Result<Self, Unreadable> {
        let mut standing = Self {
            last: recovered.batch_last,
            holds: recovered.destinations.iter().map(|state| state.messages).sum(),
            is_untouched: recovered.batch_last.term == Term(0)
                && recovered.destinations.is_empty()
                && recovered.tables.iter().all(|entry| entry.table == TABLE && entry.key == MEMBERS),
            ..Self::default()
        };
        for TableEntry { key, value, .. } in recovered.tables.iter().filter(|entry| entry.table == TABLE) {
            let unreadable = || Unreadable(String::from_utf8_lossy(key).into_owned());
            match &key[..] {
                RECORD => standing.record = Some(Record::decode(value).map_err(|_| unreadable())?),
                TERMS => standing.terms = decode_terms(value).map_err(|_| unreadable())?,
                MEMBERS => standing.members = decode_members(value).map_err(|_| unreadable())?,
                COPYING => standing.is_broken_off = true,
                ARBITER => standing.has_asked = true,
                _ => return Err(unreadable()),
            }
        }
        Ok(standing)
    }

    /// The highest term that is known here.
    pub fn term(&self) -> Term {
        self.record.as_ref().map_or(Term(0), |record| record.term).max(self.last.term)
    }

    /// The pair's id.
    pub fn pair(&self) -> Option<[u8; 16]> {
        self.record.as_ref().map(|record| record.pair)
    }

    /// The last batch that this store has in common with one that has those terms and that last batch: neither lacks what is before it, and the
    /// same stands there in both. `None` where nothing is known to be in common.
    pub fn common(&self, terms: &[TermStart], last: BatchName) -> Option<BatchName> {
        let theirs = terms.iter().rev();
        let term = theirs.clone().find(|term| self.terms.contains(term))?;
        let end = |terms: &[TermStart], last: BatchName| {
            let next = terms.iter().find(|other| other.term > term.term);
            next.map_or(last.number, |next| next.first.saturating_sub(1).min(last.number))
        };
        let number = end(&self.terms, self.last).min(end(terms, last));
        (number >= term.first).then_some(BatchName { term: term.term, number })
    }

    /// The operations that write the record.
    pub fn put_record(record: &Record) -> Operation {
        put(RECORD, Some(record.encode()))
    }

    /// Notes that a term begins with this batch, and gives the operation that writes so.
    pub fn begin_term(&mut self, term: Term, first: u64) -> Operation {
        self.terms.push(TermStart { term, first });
        if self.terms.len() > TERMS_MAX {
            self.terms.remove(0);
        }
        let mut value = Vec::new();
        put_list(&mut value, &self.terms, |out, term| {
            put_u64(out, term.term.0);
            put_u64(out, term.first);
        });
        put(TERMS, Some(value))
    }

    /// Notes how a member is found; gives the operation that writes so, where that is new.
    pub fn meet(&mut self, member: Member, known: Known) -> Option<Operation> {
        if self.members.get(&member) == Some(&known) {
            return None;
        }
        self.members.insert(member, known);
        self.remembered()
    }

    /// The operation that writes how the members are found, if any is known.
    pub fn remembered(&self) -> Option<Operation> {
        let members: Vec<_> = self.members.iter().collect();
        if members.is_empty() {
            return None;
        }
        let mut value = Vec::new();
        put_list(&mut value, &members, |out, (member, known)| {
            out.extend_from_slice(&member.0);
            put_text(out, &known.name);
            put_list(out, &known.addresses, |out, address| put_text(out, address));
        });
        Some(put(MEMBERS, Some(value)))
    }

    /// A pair has two members for now: whoever is neither of them is forgotten when another comes in its place.
    pub fn keep_only(&mut self, members: &[Member]) {
        self.members.retain(|member, _| members.contains(member));
    }

    /// Notes whether an arbiter has held the record; gives the operation that writes so, where that is new.
    pub fn asked(&mut self, has_asked: bool) -> Option<Operation> {
        let is_new = self.has_asked != has_asked;
        self.has_asked = has_asked;
        is_new.then(|| put(ARBITER, has_asked.then(Vec::new)))
    }

    /// The operation that says that a copy begins, or that it is whole.
    pub fn copying(is_copying: bool) -> Operation {
        put(COPYING, is_copying.then(Vec::new))
    }
}

fn put(key: &'static [u8], value: Option<Vec<u8>>) -> Operation {
    Operation::Put {
        table: ByteString::from_static(TABLE),
        key: Bytes::from_static(key),
        value: value.map(Bytes::from),
    }
}

fn decode_terms(value: &[u8]) -> Result<Vec<TermStart>, Malformed> {
    let mut fields = Fields(value);
    let terms = fields.list(|fields| Ok(TermStart { term: Term(fields.u64()?), first: fields.u64()? }))?;
    fields.end()?;
    Ok(terms)
}

fn decode_members(value: &[u8]) -> Result<BTreeMap<Member, Known>, Malformed> {
    let mut fields = Fields(value);
    let members = fields.list(|fields| {
        let (member, name) = (fields.member()?, fields.text()?);
        Ok((member, Known { name, addresses: fields.list(Fields::text)? }))
    })?;
    fields.end()?;
    Ok(members.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(term: u64, number: u64) -> BatchName {
        BatchName { term: Term(term), number }
    }

    fn starts(terms: &[(u64, u64)]) -> Vec<TermStart> {
        terms.iter().map(|(term, first)| TermStart { term: Term(*term), first: *first }).collect()
    }

    fn standing(terms: &[(u64, u64)], last: BatchName) -> Standing {
        Standing { terms: starts(terms), last, ..Standing::default() }
    }

    #[test]
    fn what_two_stores_have_in_common_ends_where_the_first_of_them_went_its_own_way() {
        let master = standing(&[(1, 1), (3, 51), (4, 80)], name(4, 100));
        let common = |terms: &[(u64, u64)], last| master.common(&starts(terms), last);
        assert_eq!(common(&[(1, 1), (3, 51), (4, 80)], name(4, 90)), Some(name(4, 90)), "it was away");
        assert_eq!(common(&[(1, 1), (3, 51)], name(3, 70)), Some(name(3, 70)), "it missed a term's end");
        assert_eq!(common(&[(1, 1), (3, 51)], name(3, 95)), Some(name(3, 79)), "it was master, and went on");
        assert_eq!(common(&[(1, 1), (2, 31)], name(2, 95)), Some(name(1, 30)), "it served while another did");
        assert_eq!(common(&[(1, 1), (2, 61)], name(2, 95)), Some(name(1, 50)));
        assert_eq!(common(&[(1, 7)], name(1, 9)), None, "another pair's");
        assert_eq!(common(&[], name(0, 9)), None);
        assert_eq!(common(&[(1, 1), (3, 51), (4, 80)], name(4, 120)), Some(name(4, 100)), "ours lost some");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut standing = Standing { last: name(5, 9), holds: 0, ..Standing::default() };
        let (one, two) = (Member([1; 16]), Member([2; 16]));
        let record = Record::begin([7; 16], one).admit(one, Term(1), two).expect("it is the master");
        standing.record = Some(record.clone());
        let known = |name: &str| Known { name: name.to_owned(), addresses: vec![format!("tcp://{name}:1")] };
        let operations = [
            Some(Standing::put_record(&record)),
            standing.meet(one, known("one")),
            standing.meet(two, known("two")),
            standing.meet(two, known("two")),
            standing.asked(true),
            Some(standing.begin_term(Term(1), 1)),
            Some(standing.begin_term(Term(5), 8)),
        ];
        assert!(operations[3].is_none(), "nothing new");
        let mut tables = BTreeMap::new();
        for operation in operations.into_iter().flatten() {
            let Operation::Put { table, key, value: Some(value) } = operation else {
                panic!("{operation:?}")
            };
            tables.insert(key.clone(), TableEntry { table, key, value });
        }
        let mut tables: Vec<_> = tables.into_values().collect();
        let recovered = Recovered { tables: tables.clone(), batch_last: name(5, 9), ..Recovered::default() };
        assert_eq!(Standing::of(&recovered), Ok(standing));
        for entry in tables.iter_mut().filter(|entry| !entry.value.is_empty()) {
            entry.value = entry.value.slice(..entry.value.len() - 1);
        }
        let recovered = Recovered { tables, ..Recovered::default() };
        assert!(Standing::of(&recovered).is_err());
    }
}
