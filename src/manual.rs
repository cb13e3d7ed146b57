//! `kahawai completions` and `kahawai man`: written from the command line's own description.

pub(crate) mod options;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::output;
use options::{CompletionOptions, ManualOptions};

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
