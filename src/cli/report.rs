//! `reconciled report [--date D]`

use super::exit::{Ended, Exit};
use super::options::ReportArguments;
use super::reach::{Deed, Reached};
use super::screen::Screen;

/// Makes the report of a day.
pub(super) async fn report(options: &ReportArguments, reached: &Reached, screen: &mut Screen<'_>) -> Ended {
    let made = reached.report(options.date).await?;
    reached.say(if made.was_there { Deed::Read } else { Deed::Wrote }, screen)?;
    let how = if made.was_there { "was there already, with the same content" } else { "made" };
    screen.note(&format!("report of {} {how}", made.date))?;
    screen.line(&made.path)?;
    Ok(Exit::Ok)
}
