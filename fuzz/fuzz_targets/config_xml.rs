//! Any bytes are a configuration with a report, or an error; nothing panics, and each finding is one line.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kahawai_config::xml::{Files, Sources, read};
use libfuzzer_sys::fuzz_target;

/// The input is every file, also those that it imports.
struct Input<'a>(&'a [u8]);

impl Files for Input<'_> {
    fn read(&self, _: &Path) -> Result<Vec<u8>, String> {
        Ok(self.0.to_vec())
    }
}

fuzz_target!(|input: &[u8]| {
    let sources = Sources {
        definitions: BTreeMap::from([("a".to_owned(), "${b:c}".to_owned())]),
        environment: BTreeMap::new(),
        without: BTreeSet::from(["plugins".to_owned()]),
        files: &Input(input),
    };
    match read(Path::new("conf/a.xml"), &sources) {
        Ok(read) => assert!(read.report.findings().iter().all(|one| one.to_string().lines().count() == 1)),
        Err(failure) => assert_eq!(failure.to_string().lines().count(), 1),
    }
});
