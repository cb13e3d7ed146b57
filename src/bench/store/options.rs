//! The command line of `kahawai bench store`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::bench::store::engine::EngineName;
use crate::quantity;

const EXAMPLES: &str = "\
Examples:
  kahawai bench store
      every engine on this directory's disk, one writer and 32

  kahawai bench store --directory /var/lib/kahawai --duration 10s --size 4kb
  kahawai bench store --engine journal-mapped --writers 1,8,32,128 --json

Nothing of the directory is touched but a folder of its own, which is removed at the end.";

/// Options of `kahawai bench store`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StoreBenchOptions {
    /// Where to measure: on the disk that the store is to be on.
    #[arg(long, value_name = "DIR", default_value = ".", env = "KAHAWAI_BENCH_DIR")]
    pub(crate) directory: PathBuf,

    /// Which engines; all where none is named. May be given several times.
    #[arg(long, value_enum, value_name = "ENGINE", value_delimiter = ',')]
    pub(crate) engine: Vec<EngineName>,

    /// How many messages are being stored at a time, each by a writer that waits for it. May be a list.
    #[arg(long, value_name = "N,...", default_value = "1,32", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) writers: Vec<u32>,

    /// The size of a message's body: bytes, or with a suffix.
    #[arg(long, value_name = "SIZE", default_value = "1kb", value_parser = quantity::bytes)]
    pub(crate) size: u64,

    /// How long to measure each engine with each number of writers.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = quantity::time)]
    pub(crate) duration: Duration,

    /// Write the results as JSON on standard output, instead of as tables.
    #[arg(long)]
    pub(crate) json: bool,
}
