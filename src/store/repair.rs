//! `kahawai store repair`: salvages what is deliverable into a clean store, and puts the rest aside.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use kahawai_journal::inspect::{Examination, Finding, Inspection, Salvaged, Severity};
use kahawai_journal::options::JournalOptions;
use serde_json::json;

use super::opened::{Opened, refuse_in_use};
use super::options::RepairOptions;
use super::progress::Bar;
use super::verdict::{Trouble, Verdict};
use super::verify;
use super::words::count;

pub(super) fn run(options: &RepairOptions, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let (store, into) = (&options.common.store, &options.into);
    let inspection = Inspection::open(store)?;
    let epoch = refuse_in_use(store, "repair a backup (kahawai store backup)")?;
    let quarantine = quarantine_of(into)?;
    refuse_occupied(store, into)?;
    refuse_occupied(store, &quarantine)?;
    let bar = Bar::new("reading");
    let found = inspection.examine(&mut |progress| bar.show(progress))?;
    drop(bar);
    let bar = Bar::new("salvaging");
    let salvaged = salvage(&inspection, &found, into, &bar)?;
    drop(bar);
    let kept = put_aside(store, &quarantine, &found)?;
    if refuse_in_use(store, "repair a backup (kahawai store backup)")? != epoch {
        let text = "a broker took the store over while it was repaired: what it did since is not in the new store; stop it and repair again";
        return Err(Trouble::Other(text.to_owned()));
    }
    let check = Inspection::open(into)?.examine(&mut |_| {})?;
    let waits = |found: &Examination| found.holds.destinations.iter().map(|held| held.messages).sum::<u64>();
    if check.is_damaged() || waits(&check) + salvaged.unreadable != waits(&found) {
        let text = format!(
            "the new store is not what it should be: it holds {} messages of {}; do not use it, and report this",
            waits(&check),
            waits(&found)
        );
        return Err(Trouble::Other(text));
    }
    if options.common.json {
        let report = json!({
            "store": into.display().to_string(),
            "messages": salvaged.messages,
            "unreadable": salvaged.unreadable,
            "quarantine": (!kept.is_empty()).then(|| quarantine.display().to_string()),
            "quarantined": kept,
            "found": verify::report(&found),
        });
        writeln!(out, "{report:#}")?;
    } else {
        let messages = count(salvaged.messages, "message", "messages");
        let destinations = count(check.holds.destinations.len() as u64, "destination", "destinations");
        writeln!(out, "salvaged: {messages} in {destinations}, into {}", into.display())?;
        if salvaged.unreadable > 0 {
            writeln!(
                out,
                "not salvaged: {}, whose bytes could not be read a second time",
                salvaged.unreadable
            )?;
        }
        if kept.is_empty() {
            writeln!(out, "nothing was damaged")?;
        } else {
            let files = count(kept.len() as u64, "damaged file", "damaged files");
            writeln!(out, "quarantine: {files} and report.json, in {}", quarantine.display())?;
        }
        writeln!(out, "unchanged: {}", store.display())?;
    }
    Ok(Verdict::of(found.is_damaged()))
}

fn refuse_occupied(store: &Path, into: &Path) -> Result<(), Trouble> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if absolute(into).starts_with(absolute(store)) {
        return Err(Trouble::Other(format!(
            "{} lies in the store itself: give a directory elsewhere",
            into.display()
        )));
    }
    if fs::read_dir(into).is_ok_and(|mut entries| entries.next().is_some()) {
        let text = format!("{} is not empty: give a new or an empty directory", into.display());
        return Err(Trouble::Other(text));
    }
    Ok(())
}

/// Where damaged files go: beside the new store, as that is to be clean.
fn quarantine_of(into: &Path) -> Result<PathBuf, Trouble> {
    let absolute =
        std::path::absolute(into).map_err(|error| Trouble::Other(format!("{}: {error}", into.display())))?;
    let Some(name) = absolute.file_name() else {
        return Err(Trouble::Other(format!(
            "{} has no name of its own: give another directory",
            into.display()
        )));
    };
    let mut name = name.to_owned();
    name.push(".quarantine");
    Ok(absolute.with_file_name(name))
}

fn salvage(
    inspection: &Inspection,
    found: &Examination,
    into: &Path,
    bar: &Bar,
) -> Result<Salvaged, Trouble> {
    let opened = Opened::open(into, "kahawai store repair", JournalOptions::default())?;
    let salvaged = inspection.salvage(found, opened.journal(), &mut |progress| bar.show(progress));
    opened.close();
    salvaged.map_err(|error| Trouble::Other(format!("{}: {error}", into.display())))
}

/// Puts what is damaged aside, as it is, with the report; gives the names of the files.
fn put_aside(store: &Path, quarantine: &Path, found: &Examination) -> Result<Vec<String>, Trouble> {
    let is_damage = |finding: &&Finding| finding.severity == Severity::Damage;
    let named: BTreeSet<&str> =
        found.findings.iter().filter(is_damage).map(|finding| finding.file.as_str()).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let cannot = |error| {
        Trouble::Other(format!("cannot put aside what is damaged, in {}: {error}", quarantine.display()))
    };
    fs::create_dir_all(quarantine).map_err(cannot)?;
    let mut kept = Vec::new();
    for name in named {
        let (from, to) = (store.join(name), quarantine.join(name));
        // What is missing cannot be put aside.
        if from.is_file() {
            fs::copy(&from, &to).map_err(cannot)?;
            kept.push(name.to_owned());
        }
    }
    fs::write(quarantine.join("report.json"), format!("{:#}\n", verify::report(found))).map_err(cannot)?;
    Ok(kept)
}
