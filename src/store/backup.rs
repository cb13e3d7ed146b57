//! `kahawai store backup`: copies a store, of a running master too.

use std::io::Write;

use kahawai_journal::inspect::backup;
use serde_json::json;

use super::options::BackupOptions;
use super::progress::Bar;
use super::verdict::{Trouble, Verdict};
use super::words::{bytes, count};

pub(super) fn run(options: &BackupOptions, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let bar = Bar::new("copying");
    let done = backup(&options.common.store, &options.into, &mut |progress| bar.show(progress))?;
    drop(bar);
    if options.common.json {
        let report = json!({
            "backup": options.into.display().to_string(),
            "linked": done.linked,
            "shared": done.shared,
            "copied": done.copied,
            "bytes_copied": done.bytes_copied,
            "epoch": done.epoch.0,
            "sequence_last": done.sequence_last,
        });
        writeln!(out, "{report:#}")?;
        return Ok(Verdict::Sound);
    }
    writeln!(
        out,
        "backup: {} linked, {} shared, {} copied ({}); the log up to record {} of epoch {}",
        count(done.linked, "segment", "segments"),
        done.shared,
        done.copied,
        bytes(done.bytes_copied),
        done.sequence_last,
        done.epoch
    )?;
    let into = options.into.display();
    writeln!(out, "restore: kahawai serve --store {into}; check first: kahawai store verify {into}")?;
    Ok(Verdict::Sound)
}
