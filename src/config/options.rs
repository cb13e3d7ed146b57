//! The options of `kahawai config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::configure::options::{ServeOptions, definition};

const SHOWN: &str = "\
Examples:
  kahawai config show --config kahawai.toml
  KAHAWAI_STORE_LEASE_DURATION=5s kahawai config show --config activemq.xml --bind 0.0.0.0:61616
  kahawai config show --json | jq '.settings[] | select(.from != \"default\")'

What is shown is itself a file for serve --config, but that secrets are left out. Each setting has a variable: memoryUsage is
KAHAWAI_MEMORY_USAGE, leaseDuration of the store KAHAWAI_STORE_LEASE_DURATION, and maxPageSize of the policy for all destinations that
no other is for KAHAWAI_POLICY_MAX_PAGE_SIZE. The command line counts more than the environment, and that more than a file.

Exit codes:
  0  shown
  2  a broker would not start with it; or wrong usage";

const CONVERTED: &str = "\
Examples:
  kahawai config convert /etc/activemq/activemq.xml --to kahawai.toml
  kahawai config convert conf/activemq.xml -D activemq.data=/var/lib/activemq | less

What stands for a value in the XML (${…}) is written as what it comes to, but for a password, which is referred to where the XML does so.

Exit codes:
  0  written
  1  written; the broker does less than the XML says, or does it in another way: the file's first lines say what
  2  refused, and nothing written: a broker must not be started with it, or it cannot be read; or wrong usage";

const EXAMPLES: &str = "\
Examples:
  kahawai config check /etc/activemq/activemq.xml
  kahawai config check kahawai.toml
  kahawai config check conf/activemq.xml -D activemq.data=/var/lib/activemq
  kahawai config check conf/activemq.xml --json | jq '.findings[] | select(.severity == \"refused\")'

Exit codes:
  0  all of it is used, or nothing is lost by what is not (harmless)
  1  the broker does less than the file says, does it in another way, or does as it says though that is dangerous (not yet, warning)
  2  refused: a broker must not be started with it, or it cannot be read; or wrong usage";

/// Say what becomes of a configuration file, and what a broker would be told.
#[derive(Debug, Args)]
pub(crate) struct ConfigOptions {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a file of settings, or ActiveMQ's activemq.xml, and say line by line what this broker does not do as it says, what is dangerous
    /// about it, and what to write instead.
    #[command(after_help = EXAMPLES)]
    Check(CheckOptions),

    /// Write ActiveMQ's activemq.xml as TOML that comes to the same, with the line that each value comes from.
    #[command(after_help = CONVERTED)]
    Convert(ConvertOptions),

    /// Print what a broker would be told that is started with these options: each setting, and where its value comes from.
    #[command(after_help = SHOWN)]
    Show(Box<ShowOptions>),
}

/// Options of `kahawai config convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertOptions {
    /// The activemq.xml.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The file to write, which is not there yet; otherwise it goes to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,

    /// What a placeholder ${NAME} stands for; may be given again.
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = definition)]
    pub(crate) definitions: Vec<(String, String)>,

    /// An element or attribute that may be left out though that opens a door, by its name; may be given again.
    #[arg(long, value_name = "NAME")]
    pub(crate) without: Vec<String>,
}

/// Options of `kahawai config show`.
#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    #[command(flatten)]
    pub(crate) serve: ServeOptions,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `kahawai config check`.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// The file: TOML where it ends with .toml.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// What a placeholder ${NAME} stands for; may be given again.
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = definition)]
    pub(crate) definitions: Vec<(String, String)>,

    /// An element or attribute that may be left out though that opens a door, by its name; may be given again.
    #[arg(long, value_name = "NAME")]
    pub(crate) without: Vec<String>,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
