//! The daemon's command.

use std::path::Path;
use std::process::ExitCode;

use super::exit::Exit;
use super::options::RunArguments;

/// `reconciled run`
pub(super) fn run(_config: &Path, _arguments: RunArguments) -> ExitCode {
    Exit::Unavailable.into()
}
