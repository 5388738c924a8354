//! `reconciled forget OBJECT…`

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::ObjectsArguments;
use super::screen::Screen;
use crate::control::messages::Forget;

/// Stops watching objects. Code 66 when one of them was not watched.
pub(super) async fn forget(
    options: &ObjectsArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let mut exit = Exit::Ok;
    for selector in &options.objects {
        let forgotten = connection.ask(Forget(selector.clone())).await?;
        if forgotten.was_watched {
            screen.line(&format!("{} is no longer watched; its history stays", forgotten.object))?;
        } else {
            screen.note(&format!("{} was not watched", forgotten.object))?;
            exit = Exit::NoInput;
        }
    }
    connection.say(Action::Wrote, screen)?;
    Ok(exit)
}
