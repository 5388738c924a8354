//! `reconciled report [--date D]`

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::ReportArguments;
use super::screen::Screen;
use crate::control::messages::ReportRequest;

/// Makes the report of a day.
pub(super) async fn report(
    options: &ReportArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let made = connection.ask(ReportRequest { date: options.date }).await?;
    connection.say(if made.was_there { Action::Read } else { Action::Wrote }, screen)?;
    let how = if made.was_there { "already exists, with the same content" } else { "made" };
    screen.note(&format!("report of {} {how}", made.date))?;
    screen.line(&made.path)?;
    Ok(Exit::Ok)
}
