//! The pretend provider alone.

use std::process::ExitCode;

use super::exit::Exit;
use super::options::SimulateArguments;

/// `reconciled simulate`
pub(super) fn simulate(_arguments: SimulateArguments) -> ExitCode {
    Exit::Unavailable.into()
}
