//! `reconciled reload`

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::screen::{Screen, Tone};
use crate::control::messages::Reload;

/// Makes the daemon reload its configuration.
pub(super) async fn reload(connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    if !connection.is_daemon() {
        let remedy = "no reload is needed: it reads the configuration when it starts";
        return Err(Failed::new(Exit::Unavailable, "the daemon is not running", remedy));
    }
    let reloaded = connection.ask(Reload {}).await?;
    connection.say(Action::Wrote, screen)?;
    for problem in &reloaded.problems {
        screen.line(problem)?;
    }
    if reloaded.is_applied {
        screen.toned("the new configuration is in force", Tone::Good)?;
        Ok(Exit::Ok)
    } else {
        screen.toned("the new configuration is invalid; the old one stays in force", Tone::Bad)?;
        Ok(Exit::Config)
    }
}
