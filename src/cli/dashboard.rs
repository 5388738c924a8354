//! `reconciled dashboard`

use super::connection::Connection;
use super::exit::{Ended, Exit, Failed};
use super::options_dashboard::DashboardArguments;
use super::screen::Screen;
use crate::control::messages::{DashboardLink, DashboardRole};

/// Prints a link that opens the dashboard once.
pub(super) async fn dashboard(
    options: &DashboardArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    if !connection.is_daemon() {
        let remedy = "start it: the dashboard is a part of the daemon";
        return Err(Failed::new(Exit::Unavailable, "the daemon is not running", remedy));
    }
    let request = DashboardLink { role: options.role.map(DashboardRole::from), caller: None };
    let linked = connection.ask(request).await?;
    screen.line(&linked.url)?;
    let (valid, role) = (linked.valid_s, linked.role);
    screen
        .note(&format!("open it within {valid} seconds; it works once; the session has the role {role}"))?;
    Ok(Exit::Ok)
}
