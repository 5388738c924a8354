//! `reconciled reload`

use super::exit::{Ended, Exit, Failed};
use super::reach::{Deed, Reached};
use super::screen::{Screen, Tone};

/// Makes the daemon re-read its configuration.
pub(super) async fn reload(reached: &Reached, screen: &mut Screen<'_>) -> Ended {
    let Some(reloaded) = reached.reload().await? else {
        let remedy = "nothing needs re-reading: it reads the configuration when it starts";
        return Err(Failed::new(Exit::Unavailable, "the daemon is not running", remedy));
    };
    reached.say(Deed::Wrote, screen)?;
    for problem in &reloaded.problems {
        screen.line(problem)?;
    }
    if reloaded.is_applied {
        screen.toned("the new configuration is in force", Tone::Good)?;
        Ok(Exit::Ok)
    } else {
        screen.toned("the new configuration is bad; the old one stays in force", Tone::Bad)?;
        Ok(Exit::Config)
    }
}
