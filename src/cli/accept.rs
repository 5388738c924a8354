//! `reconciled accept OBJECT…`

use super::exit::{Ended, Exit};
use super::options::ObjectsArguments;
use super::reach::{Deed, Reached};
use super::screen::Screen;

/// Takes objects that are set apart as the provider shows them.
pub(super) async fn accept(options: &ObjectsArguments, reached: &Reached, screen: &mut Screen<'_>) -> Ended {
    for selector in &options.objects {
        let accepted = reached.accept(selector).await?;
        screen.line(&format!("{} is accepted as {}: {}", accepted.object, accepted.state, accepted.doubt))?;
    }
    reached.say(Deed::Wrote, screen)?;
    Ok(Exit::Ok)
}
