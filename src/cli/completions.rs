//! `reconciled completions SHELL`

use clap::CommandFactory;

use super::args::Arguments;
use super::exit::{Ended, Exit};
use super::options::CompletionsArguments;
use super::screen::Screen;

/// Prints a completion script.
pub(super) fn completions(options: &CompletionsArguments, screen: &mut Screen<'_>) -> Ended {
    // Into memory first, because the generator panics on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "reconciled", &mut script);
    screen.out.write_all(&script)?;
    Ok(Exit::Ok)
}
