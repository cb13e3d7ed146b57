//! `activemq.xml`.
//!
//! Nothing in a file is code here: no class is ever made, no address opened, and of other files only those are read that
//! `<import>` and Spring's placeholder beans name. Each element and attribute is looked up in a [`table`], which knows what ActiveMQ knows.
//!
//! | module | what it holds |
//! |---|---|
//! | [`document`] | one file's tree, within bounds, with places |
//! | [`table`] | what a table is |
//! | [`reader`] | what is known while a file is read; writes findings down |
//! | [`apply`] | reads elements by tables |
//! | [`as_spring`] | values as Spring takes them |
//! | [`broker`], [`draft`] | `<broker>`, and what it comes to |
//! | [`policy`], [`entry`], [`policy_parts`], [`policy_draft`] | `<destinationPolicy>`, one `<policyEntry>`, what it holds, and what it comes to |
//! | [`destination`] | a destination as an element |
//! | [`bean`] | what a bean says |
//! | [`held`] | what a property holds, in itself or by a reference |
//! | [`usage`] | `<systemUsage>` |
//! | [`plugins`] | plugins, interceptors, services: what is not run |
//! | [`imports`], [`placeholders`] | other files that are read: imported ones, and properties for placeholders |
//! | [`persistence`], [`jdbc`], [`statements`], [`lockers`] | where messages are kept: `<kahaDB>`, a database, with which tables of ActiveMQ's; how the master is elected |
//! | [`connectors`] | where clients connect |
//! | [`networks`] | to which other brokers messages go |
//! | [`spring`] | what stands around the broker |
//! | [`within`] | attributes of what is told of as a whole |
//! | [`uses`] | where it says which setting |
//! | [`sources`] | definitions and files that are given in |

mod apply;
mod as_spring;
mod bean;
mod broker;
mod connectors;
mod destination;
mod document;
mod draft;
mod entry;
mod held;
mod imports;
mod jdbc;
#[cfg(test)]
mod known;
mod lockers;
mod networks;
mod persistence;
mod placeholders;
mod plugins;
mod policy;
mod policy_draft;
mod policy_parts;
mod reader;
mod sources;
mod spring;
mod statements;
mod table;
mod usage;
mod uses;
mod within;

use std::collections::BTreeMap;
use std::path::Path;

use document::Document;
pub use document::Failure;
use draft::Made;
use reader::Reader;
pub use sources::{Disk, Files, Sources};
pub(crate) use uses::{used_by_broker, used_by_network, used_by_policy, used_by_store};

use crate::model::Configuration;
use crate::placeholder::Definitions;
use crate::remark::Severity;
use crate::report::{Place, Report};
use crate::secret::Written;

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// What the broker is told, to be used only where the report does not refuse it ([`Report::is_refused`]); where there is no broker it is the
    /// default one, and refused.
    pub configuration: Configuration,
    /// Where each setting was said that was, by its key (see [`origin`](crate::origin)).
    pub said: BTreeMap<String, Place>,
    /// How the password of the store was written, where there is one.
    pub password: Option<Written>,
    /// What became of each thing.
    pub report: Report,
}

/// Reads a file and what it imports.
///
/// # Errors
/// Where the file is no XML, or beyond what is read.
pub fn read(path: &Path, sources: &Sources<'_>) -> Result<Read, Failure> {
    let mut findings = Vec::new();
    let mut definitions = Definitions::of(path, sources.definitions.clone(), sources.environment.clone());
    // Spring imports before it knows what beans say of placeholders.
    let loaded = imports::load(path, sources, &definitions, &mut findings)?;
    let documents: Result<Vec<_>, _> =
        loaded.iter().map(|one| Document::parse(&one.file, &one.text)).collect();
    let documents = documents?;
    placeholders::extend(&mut definitions, &documents, sources, &mut findings);
    let roots: Vec<_> = documents.iter().map(Document::root).collect();
    let mut reader = Reader::new(&definitions, &roots, &sources.without);
    let made = spring::contexts(&mut reader);
    let not_there: Vec<_> = reader.not_there().collect();
    for name in not_there {
        let place = Place { file: path.display().to_string(), line: 1, column: 1 };
        reader.say(
            place,
            format!("--without {name}"),
            Severity::Warning,
            "there is nothing of this name to leave out",
        );
    }
    let mut report = reader.report;
    for finding in findings {
        report.add(finding);
    }
    report.sort();
    let Made { configuration, said, password } = made.unwrap_or_default();
    Ok(Read { configuration, said, password, report })
}
