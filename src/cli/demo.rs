//! The whole work on a pretend provider.

use std::process::ExitCode;

use super::exit::Exit;
use super::options::DemoArguments;

/// `reconciled demo`
pub(super) fn demo(_arguments: DemoArguments) -> ExitCode {
    Exit::Unavailable.into()
}
