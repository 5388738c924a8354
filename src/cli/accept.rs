//! `reconciled accept OBJECT…`

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::ObjectsArguments;
use super::screen::Screen;
use crate::control::messages::Accept;

/// Accepts quarantined objects as the provider shows them.
pub(super) async fn accept(
    options: &ObjectsArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    for selector in &options.objects {
        let accepted = connection.ask(Accept(selector.clone())).await?;
        screen.line(&format!("{} is accepted as {}: {}", accepted.object, accepted.state, accepted.doubt))?;
    }
    connection.say(Action::Wrote, screen)?;
    Ok(Exit::Ok)
}
