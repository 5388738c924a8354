//! `reconciled metrics`

use super::connection::Connection;
use super::exit::{Ended, Exit};
use super::options_metrics::MetricsArguments;
use super::screen::Screen;
use crate::control::messages::MetricsRequest;
use crate::metrics::{dashboard, rules};

/// Prints what was made from the list of figures; none if the figures themselves are wanted.
pub(super) fn file(options: &MetricsArguments) -> Option<String> {
    match options {
        MetricsArguments { rules: true, .. } => Some(rules::file()),
        MetricsArguments { dashboard: true, .. } => Some(dashboard::file()),
        MetricsArguments { .. } => None,
    }
}

/// Prints the figures as they are now.
pub(super) async fn metrics(connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let text = connection.ask(MetricsRequest {}).await?;
    write!(screen.out, "{text}")?;
    Ok(Exit::Ok)
}
