//! What the configuration says about this host, for the operator's commands.

use std::path::Path;

use super::exit::{Exit, Failed};
use super::reach::Local;
use crate::clock::SharedClock;

/// Reads the configuration.
pub(super) fn load(config: &Path, _clock: &SharedClock) -> Result<Box<dyn Local>, Failed> {
    Err(Failed::new(Exit::Config, format!("{} cannot be read", config.display()), ""))
}
