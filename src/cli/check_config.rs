//! The configuration's check.

use std::path::Path;
use std::process::ExitCode;

use super::exit::Exit;
use super::options::CheckConfigArguments;

/// `reconciled check-config`
pub(super) fn check_config(_config: &Path, _arguments: CheckConfigArguments) -> ExitCode {
    Exit::Unavailable.into()
}
