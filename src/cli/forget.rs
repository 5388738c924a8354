//! `reconciled forget OBJECT…`

use super::exit::{Ended, Exit};
use super::options::ObjectsArguments;
use super::reach::{Deed, Reached};
use super::screen::Screen;

/// Stops watching objects. Code 66 when one of them was not watched.
pub(super) async fn forget(options: &ObjectsArguments, reached: &Reached, screen: &mut Screen<'_>) -> Ended {
    let mut exit = Exit::Ok;
    for selector in &options.objects {
        let forgotten = reached.forget(selector).await?;
        if forgotten.was_watched {
            screen.line(&format!("{} is not watched any more; its history stays", forgotten.object))?;
        } else {
            screen.note(&format!("{} was not watched", forgotten.object))?;
            exit = Exit::NoInput;
        }
    }
    reached.say(Deed::Wrote, screen)?;
    Ok(exit)
}
