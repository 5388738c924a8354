//! `reconciled man --dir DIR`

use clap::CommandFactory;

use super::args::Arguments;
use super::exit::{Ended, Exit, Failed};
use super::options::ManArguments;
use super::screen::Screen;

/// Writes one page per command.
pub(super) fn man(options: &ManArguments, screen: &mut Screen<'_>) -> Ended {
    let dir = &options.dir;
    std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Arguments::command(), dir)).map_err(
        |error| {
            Failed::new(
                Exit::CannotCreate,
                format!("cannot write man pages to {}: {error}", dir.display()),
                "",
            )
        },
    )?;
    screen.line(&format!(
        "man pages written to {}; read one with `man {}/reconciled.1`",
        dir.display(),
        dir.display()
    ))?;
    Ok(Exit::Ok)
}
