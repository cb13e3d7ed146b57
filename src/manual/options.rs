//! The command lines of `kahawai completions` and `kahawai man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Options of `kahawai completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kahawai completions bash > /etc/bash_completion.d/kahawai
  kahawai completions zsh > ~/.zfunc/_kahawai
  kahawai completions fish > ~/.config/fish/completions/kahawai.fish")]
pub(crate) struct CompletionOptions {
    /// For which shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Options of `kahawai man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kahawai man | man -l -
  kahawai man --directory /usr/local/share/man/man1")]
pub(crate) struct ManualOptions {
    /// Write a page for each command into this directory; otherwise the first page goes to standard output.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
