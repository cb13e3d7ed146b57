//! The options of `kahawai config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  kahawai config check /etc/activemq/activemq.xml
  kahawai config check conf/activemq.xml -D activemq.data=/var/lib/activemq
  kahawai config check conf/activemq.xml --json | jq '.findings[] | select(.severity == \"refused\")'

Exit codes:
  0  all of it is used, or nothing is lost by what is not (harmless)
  1  the broker does less than the file says, or does it in another way (not yet, warning)
  2  refused: a broker must not be started with it, or it cannot be read; or wrong usage";

/// Say what becomes of a configuration file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigOptions {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read ActiveMQ's activemq.xml and say line by line what this broker does not do as it says, and what to write instead.
    #[command(after_help = EXAMPLES)]
    Check(CheckOptions),
}

/// Options of `kahawai config check`.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// The file.
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

/// As Java has it: without a value it is the empty text.
pub(crate) fn definition(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match name {
        "" => Err("needs NAME=VALUE".to_owned()),
        name => Ok((name.to_owned(), value.to_owned())),
    }
}
