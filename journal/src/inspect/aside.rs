//! What was left out of the log by cuts: which batches are in it.

use std::io;

use kahawai_store::names::BatchName;

use super::finding::{Finding, Severity};
use super::small::is_gone_or_short;
use super::walk::{Step, Walk};
use crate::disk::{Disk, SegmentFile};
use crate::format::batch::decode_batch_body;
use crate::format::name::FileName;
use crate::format::record::Kind;
use crate::format::segment::{self, HEADER_LENGTH};

/// A note for each file that was left out, with what is in it.
///
/// # Errors
/// Where one cannot be read, with its name. One that went meanwhile is left out.
pub(super) fn look(disk: &dyn Disk, names: &[FileName]) -> Result<Vec<Finding>, (FileName, io::Error)> {
    let mut findings = Vec::new();
    for &name in names {
        let FileName::Aside { by, number, .. } = name else { continue };
        let read = disk.open_segment(name).and_then(|file| batches(file.as_ref(), name));
        let (count, named) = match read {
            Err(error) if is_gone_or_short(&error) => continue,
            read => read.map_err(|error| (name, error))?,
        };
        let held = match named {
            Some((first, last)) => format!("{count} batches, {first} to {last}"),
            None => "no batch that can be read".to_owned(),
        };
        let problem = format!(
            "left out of the log by epoch {by}, as the store was made a copy of another's: {held}; no broker reads it, and it may be removed"
        );
        findings.push(Finding::new(Severity::Note, name, problem).in_segment(number));
    }
    Ok(findings)
}

/// How many batches stand in a file that was left out, the first of them and the last.
fn batches(file: &dyn SegmentFile, name: FileName) -> io::Result<(u64, Option<(BatchName, BatchName)>)> {
    let FileName::Aside { epoch, number, .. } = name else { return Ok((0, None)) };
    let mut bytes = [0; HEADER_LENGTH as usize];
    file.read(0, &mut bytes)?;
    let Ok(header) = segment::decode(&bytes) else { return Ok((0, None)) };
    let (mut count, mut named) = (0, None);
    let mut walk = Walk::new(file, header.log, epoch, number, None);
    while let Some(step) = walk.next()? {
        if let Step::Record { header, .. } = step
            && header.kind == Kind::Batch
            && let Some((_, trailer)) = decode_batch_body(walk.body())
        {
            count += 1;
            let (first, _) = named.unwrap_or((trailer.name, trailer.name));
            named = Some((first, trailer.name));
        }
    }
    Ok((count, named))
}
