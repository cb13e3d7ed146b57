//! What the tests of files share.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kahawai_config::Configuration;
use kahawai_config::xml::{Files, Sources, read};

/// One file, and no other.
struct One<'a>(&'a str);

impl Files for One<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        if path == Path::new("conf/a.xml") { Ok(self.0.into()) } else { Err("there is none".to_owned()) }
    }
}

pub(crate) fn read_with(text: &str, without: &[&str]) -> (Configuration, Vec<String>) {
    let sources = Sources {
        definitions: BTreeMap::from([("site".to_owned(), "eu".to_owned())]),
        environment: BTreeMap::new(),
        without: without.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
        files: &One(text),
    };
    let made = read(Path::new("conf/a.xml"), &sources).unwrap_or_else(|failure| panic!("{failure}"));
    (made.configuration, made.report.findings().iter().map(ToString::to_string).collect())
}

/// A connector, without which nobody could connect.
pub(crate) const CONNECTOR: &str =
    "<transportConnectors><transportConnector uri='tcp://localhost:0'/></transportConnectors>";

/// A broker with these attributes and elements, on line 1, and a connector.
pub(crate) fn broker(attributes: &str, elements: &str) -> String {
    format!(
        "<broker xmlns='http://activemq.apache.org/schema/core' {attributes}>{elements}{CONNECTOR}</broker>"
    )
}

/// Exactly one finding, with these parts.
pub(crate) fn is_one(found: &[String], parts: &[&str]) {
    let [one] = found else { panic!("not one finding: {found:#?}") };
    for part in parts {
        assert!(one.contains(part), "{one}: {part} is missing");
    }
}
