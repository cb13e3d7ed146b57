//! What every arbiter must do. Each function takes what opens one more handle of one arbiter, new at first, and panics where it does not keep it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kahawai_store::names::Term;

use crate::arbiter::{Arbiter, Held, StepError, Version, step};
use crate::record::{Member, Record, Refused};

/// Opens one more handle of one arbiter.
pub type Open<'a> = &'a (dyn Fn() -> Arc<dyn Arbiter> + Sync);

const PAIR: [u8; 16] = [9; 16];
const A: Member = Member([1; 16]);
const B: Member = Member([2; 16]);

/// A change names the version that it is of, and a second one of the same version changes nothing.
pub fn a_change_is_made_once_and_seen_by_all(open: Open<'_>) {
    let (one, other) = (open(), open());
    assert_eq!(one.read(), Ok(Held::default()));
    assert_eq!(step(&*one, |record| record.promote(A)), Err(StepError::Nothing));
    let first = Record::begin(PAIR, A);
    assert_eq!(one.replace(Version(0), &first), Ok(true));
    assert_eq!(other.replace(Version(0), &Record::begin(PAIR, B)), Ok(false));
    assert_eq!(other.read(), Ok(Held { version: Version(1), record: Some(first.clone()) }));
    let second = first.admit(A, first.term, B).expect("it is the master");
    assert_eq!(other.replace(Version(1), &second), Ok(true));
    assert_eq!(one.replace(Version(1), &first), Ok(false));
    assert_eq!(one.replace(Version(0), &first), Ok(false));
    assert_eq!(open().read(), Ok(Held { version: Version(2), record: Some(second) }));
}

/// Whoever comes with a version from long ago changes nothing, whatever was tidied away since.
pub fn a_version_of_long_ago_changes_nothing(open: Open<'_>) {
    let arbiter = open();
    let mut record = Record::begin(PAIR, A);
    assert_eq!(arbiter.replace(Version(0), &record), Ok(true));
    for _ in 0..100 {
        record = step(&*arbiter, |record| record.promote(A)).expect("nobody else is there");
    }
    for old in 0..100 {
        assert_eq!(arbiter.replace(Version(old), &Record::begin(PAIR, B)), Ok(false), "version {old}");
        assert_eq!(open().read(), Ok(Held { version: Version(101), record: Some(record.clone()) }));
    }
}

/// Of many that promote themselves at once, each term has one master.
pub fn each_term_has_one_master_whoever_tries_at_once(open: Open<'_>) {
    const EACH: u64 = 25;
    let begun = Record::begin(PAIR, A).admit(A, Term(1), B).expect("it is the master");
    assert_eq!(open().replace(Version(0), &begun), Ok(true));
    let masters: Mutex<BTreeMap<_, Vec<Member>>> = Mutex::default();
    thread::scope(|scope| {
        for member in [A, B, A, B] {
            let (masters, open) = (&masters, &open);
            scope.spawn(move || {
                let arbiter = open();
                for _ in 0..EACH {
                    // Whoever is master lets the other in, so that it can be overtaken.
                    let taken = step(&*arbiter, |record| record.promote(member));
                    let Ok(record) = taken else {
                        assert!(matches!(taken, Err(StepError::Refused(Refused::NotInSync { .. }))));
                        thread::yield_now();
                        continue;
                    };
                    masters
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .entry(record.term)
                        .or_default()
                        .push(record.master);
                    let other = if member == A { B } else { A };
                    let admitted = step(&*arbiter, |now| now.admit(member, record.term, other));
                    assert!(matches!(admitted, Ok(_) | Err(StepError::Refused(Refused::Deposed { .. }))));
                }
            });
        }
    });
    let masters = masters.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(!masters.is_empty());
    for (term, masters) in masters {
        assert_eq!(masters.len(), 1, "term {term}");
    }
}
