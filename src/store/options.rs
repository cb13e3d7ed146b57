//! The options of `kahawai store`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and everything that was read is sound
  1  damage was found (it is listed)
  2  could not: wrong usage, no store, in use, or the disk cannot be read or written";

const EXAMPLES: &str = "\
Examples:
  kahawai store info ./data
  kahawai store verify ./data --json
  kahawai store backup ./data /backup/monday";

fn after_help(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}

/// Look at, check, copy, compact and mend a store.
#[derive(Debug, Args)]
#[command(after_help = after_help(EXAMPLES))]
pub(crate) struct StoreOptions {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// What a store is, who holds it, what is in it and what takes its disk. Beside a running master too.
    #[command(after_help = after_help("\
Examples:
  kahawai store info ./data
  kahawai store info ./data --json | jq '.destinations[] | select(.messages > 1000)'"))]
    Info(Common),

    /// Read everything and say exactly what is damaged and what is still deliverable. Beside a running master too.
    #[command(after_help = after_help("\
Nothing is changed. What a master has in its hands at the end of the log is not damage; 'doubtful' is what stands behind a torn
record in the last flush, from which nobody was answered.

Examples:
  kahawai store verify ./data
  kahawai store verify ./data --json | jq '.findings[] | select(.severity == \"damage\")'"))]
    Verify(Common),

    /// The records of the log as JSON lines, oldest first. Beside a running master too.
    #[command(after_help = after_help("\
Each line is one record; with a filter, only its operations that match. Damage is a line of its own: {\"damage\": …}.

Examples:
  kahawai store dump ./data --destination orders
  kahawai store dump ./data --id 4711
  kahawai store dump ./data --segment 12 --kind batch --bodies"))]
    Dump(DumpOptions),

    /// Which messages hold a segment: why that file is still there. Beside a running master too.
    #[command(after_help = after_help("\
Examples:
  kahawai store why ./data 12
  kahawai store why ./data journal-0000000003-0000000012.log --json"))]
    Why(WhyOptions),

    /// Copy a store, of a running master too: consistent, and restored by starting a broker on the copy.
    #[command(after_help = after_help("\
DIR must be new or empty. Segments that are written to their end are hard-linked where DIR is on the same local file system (then the
copy takes next to no room and no time), shared by reflink where that works, and copied otherwise; the segment being written is copied
up to what its log says is on the disk. A master never writes or recycles a file that has a second name: for as long as copying takes,
segments have one in STORE (backup-….tmp), where the file system is local and STORE may be written.

Examples:
  kahawai store backup ./data /backup/monday
  kahawai serve --store /backup/monday
      restores it"))]
    Backup(BackupOptions),

    /// Give up all that is dead in a store that nobody serves, down to what lives.
    #[command(after_help = after_help("\
A running master compacts by itself, as far as the bound on the disk asks for: two times what lives and eight segments. This does the rest:
all that is in the log is given up, and what lives in it written again. It needs room for about a segment. Broken off, it loses nothing, and
can be begun again.

Examples:
  kahawai store compact ./data
  kahawai store compact ./data --json | jq .bytes_on_disk"))]
    Compact(Common),

    /// Whether two stores that nobody serves hold the same, message by message: those of a pair, once both are stopped.
    #[command(after_help = after_help("\
Compared are messages, their places, destinations, subscriptions, prepared transactions, tables and counters; not epochs, segments or files, which
are each store's own. Exit code 1 where they differ. Both stores are opened as a master would, and closed again.

Examples:
  kahawai store diff /var/lib/kahawai/a /var/lib/kahawai/b"))]
    Diff(DiffOptions),

    /// Salvage what verify calls deliverable into a new store, and put the rest aside. Changes and deletes nothing in STORE.
    #[command(after_help = after_help("\
The store must not be in use. DIR must be new or empty and becomes the clean store; beside it, DIR.quarantine gets the damaged files as
they are and report.json, what verify found. Message ids, order, subscriptions, prepared transactions and tables are kept.

Examples:
  kahawai store repair ./data --into ./data.repaired
  mv ./data ./data.damaged && mv ./data.repaired ./data"))]
    Repair(RepairOptions),
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The store's directory.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,

    /// Print JSON instead of words.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffOptions {
    /// A store's directory.
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,

    /// Another's.
    #[arg(value_name = "OTHER")]
    pub(crate) other: PathBuf,

    /// Print JSON instead of words.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DumpOptions {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Only what concerns this destination: its name, or its number.
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<String>,

    /// Only what concerns this message: the store's number of it.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<u64>,

    /// Only records of this kind.
    #[arg(long, value_name = "KIND", value_enum)]
    pub(crate) kind: Option<RecordKind>,

    /// Only the segment with this number.
    #[arg(long, value_name = "SEGMENT")]
    pub(crate) segment: Option<u64>,

    /// With the properties and bodies of messages, in base 16.
    #[arg(long)]
    pub(crate) bodies: bool,
}

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordKind {
    Batch,
    Snapshot,
    Idle,
    Release,
    Close,
    Relocation,
    Prepared,
    Lost,
    Unreadable,
}

#[derive(Debug, Args)]
pub(crate) struct WhyOptions {
    #[command(flatten)]
    pub(crate) common: Common,

    /// The segment: its number, or its file's name.
    #[arg(value_name = "SEGMENT", value_parser = segment_number)]
    pub(crate) segment: u64,
}

#[derive(Debug, Args)]
pub(crate) struct BackupOptions {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Where to put the copy: a new or an empty directory.
    #[arg(value_name = "DIR")]
    pub(crate) into: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RepairOptions {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Where to put the clean store: a new or an empty directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
}

fn segment_number(text: &str) -> Result<u64, String> {
    use kahawai_journal::FileName;
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let name = text.rsplit('/').next().unwrap_or(text);
    match name.parse() {
        Ok(FileName::Segment { number, .. }) => Ok(number),
        Ok(_) => {
            Err("it is a file of the store's, and no segment: those are journal-EPOCH-NUMBER.log".to_owned())
        }
        Err(_) => {
            Err("needs a segment's number or the name of its file, journal-EPOCH-NUMBER.log".to_owned())
        }
    }
}
