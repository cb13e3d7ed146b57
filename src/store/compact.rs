//! `kahawai store compact`: gives up all that is dead in a store that nobody serves.

use std::io::Write;

use kahawai_journal::inspect::{InspectError, Inspection, Progress, ReadOnlyDirectory};
use kahawai_journal::options::JournalOptions;
use serde_json::json;

use super::opened::{Opened, refuse_in_use};
use super::options::Common;
use super::progress::Bar;
use super::verdict::{Trouble, Verdict};
use super::words::bytes;

pub(super) fn run(options: &Common, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let store = &options.store;
    let taken = || {
        let taken = ReadOnlyDirectory::open(store).and_then(|directory| directory.taken());
        taken.map_err(|error| InspectError::Directory { path: store.clone(), error })
    };
    // A directory that holds no store is not to become one.
    Inspection::open(store)?;
    refuse_in_use(store, "leave it to its master, which compacts as far as the bound on the disk asks for")?;
    let before = taken()?;
    // Of the length that they have, so that a store of small segments does not become larger by it.
    let mut journal = JournalOptions::default();
    journal.journal_max_file_length = before.segment_length.unwrap_or(journal.journal_max_file_length);
    let opened = Opened::open(store, "kahawai store compact", journal)?;
    let bar = Bar::new("compacting");
    let done = opened.journal().compact(&mut |at| bar.show(Progress { done: at.done, total: at.total }));
    drop(bar);
    opened.close();
    let done = done.map_err(|error| Trouble::Other(format!("{}: {error}", store.display())))?;
    let (before, after) = (before.bytes(), taken()?.bytes());
    if options.json {
        let report = json!({
            "store": store.display().to_string(),
            "bytes_on_disk_before": before,
            "bytes_on_disk": after,
            "bytes_given_up": done.total,
            "bytes_written_again": done.written_again,
        });
        writeln!(out, "{report:#}")?;
    } else {
        writeln!(
            out,
            "compacted: {} on the disk, {} before; {} of what lives written again",
            bytes(after),
            bytes(before),
            bytes(done.written_again)
        )?;
    }
    Ok(Verdict::Sound)
}
