//! `kahawai completions` and `kahawai man`: written from the command line's own description.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::output;

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
    shell: Shell,
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
    directory: Option<PathBuf>,
}

/// Writes a shell's completions to standard output.
///
/// # Errors
/// Where it cannot be written to.
pub(crate) fn completions(options: &CompletionOptions) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "kahawai", &mut text);
    output::bytes(&text)
}

/// Writes the manual.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn manual(options: &ManualOptions) -> Result<(), Failure> {
    let Some(directory) = &options.directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| Failure::new(Exit::Other, error))?;
        return output::bytes(&page);
    };
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|error| Failure::new(Exit::Other, format!("{}: {error}", directory.display())))
}
