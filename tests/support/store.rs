//! A look at a store nobody serves.

use std::path::Path;
use std::sync::Arc;

use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::election::ElectionOptions;
use kahawai_journal::election::candidate::FileElection;
use kahawai_journal::journal::Journal;
use kahawai_journal::options::JournalOptions;
use kahawai_store::contract::{Recovered, Store as _, StoreWait as _};
use kahawai_store::election::{Cancel, Election as _};

/// Opens the store as its next master, reads what it holds, and gives it up again. All brokers must have ended.
pub fn look(path: &Path) -> Recovered {
    let directory = StoreDirectory::open(path, None).expect("the store opens");
    let options = ElectionOptions { broker_name: "test".into(), ..ElectionOptions::default() };
    let mut election = FileElection::new(Arc::clone(directory.disk()), options).expect("a candidate");
    let hold = election.acquire(&Cancel::default(), &mut |_| {}).expect("the mastership");
    let options = JournalOptions { journal_max_file_length: 64 << 10, ..JournalOptions::default() };
    let journal = Journal::open(&directory, Arc::clone(&hold), options).expect("the journal opens");
    let recovered = journal.recover_wait().expect("what it holds");
    journal.close();
    hold.release();
    recovered
}

/// Makes sure that a store is sound and holds no message on this queue.
pub fn assert_drained(path: &Path, queue: &str) {
    let recovered = look(path);
    assert_eq!(recovered.damage, Vec::<String>::new(), "the journal is damaged");
    for found in &recovered.destinations {
        let name = found.destination.name.to_string();
        assert!(name != queue || found.messages == 0, "{} messages are left on {queue}", found.messages);
    }
}
