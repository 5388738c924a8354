//! `reconciled status`
//!
//! Owns: how the daemon is asked, once or again and again. It never opens the store: a status is about the daemon.
//! Must never know: what is well (`judge`), how it looks (`overview`).

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use self::judge::{Finding, Level, judge, level};
use super::exit::Ended;
use super::options::StatusArguments;
use super::screen::Screen;
use crate::clock::SharedClock;
use crate::control::client::{Client, ConnectError};
use crate::control::messages::{Status, StatusRequest};
use crate::control::problem::Problem;

mod judge;
mod overview;
#[cfg(test)]
mod tests;

/// The status with its judgement, for machines.
#[derive(Serialize)]
struct Judged<'a> {
    level: Level,
    findings: &'a [Finding],
    #[serde(flatten)]
    status: Option<&'a Status>,
}

/// An overview of everything. Ends like a monitoring plugin: 0 all is well, 1 warning, 2 critical, 3 unknown.
pub(super) async fn status(
    options: &StatusArguments,
    socket: &Path,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let Some(seconds) = options.watch else { return once(options, socket, screen).await };
    loop {
        if screen.has_colour {
            // To the top left, and everything below is cleared.
            write!(screen.out, "\u{1b}[H\u{1b}[J")?;
        }
        once(options, socket, screen).await?;
        screen.out.flush()?;
        clock.sleep(Duration::from_secs(seconds)).await;
        if !screen.has_colour && !options.json {
            screen.line("")?;
        }
    }
}

async fn once(options: &StatusArguments, socket: &Path, screen: &mut Screen<'_>) -> Ended {
    let (status, findings) = match ask(socket).await {
        Ok((client, status)) => {
            if !options.json {
                screen.note(&format!("via the running daemon (pid {})", client.greeting().pid))?;
            }
            let findings = judge(&status);
            (Some(status), findings)
        }
        Err(finding) => (None, vec![finding]),
    };
    let level = level(&findings);
    if options.json {
        screen.json(&Judged { level, findings: &findings, status: status.as_ref() })?;
    } else {
        overview::write(level, &findings, status.as_ref(), screen)?;
    }
    Ok(level.exit())
}

async fn ask(socket: &Path) -> Result<(Client, Status), Finding> {
    let client = Client::connect(socket).await.map_err(|error| unreachable(&error))?;
    let status = client.ask(StatusRequest {}).await;
    status.map(|status| (client, status)).map_err(|Problem { detail, remedy, .. }| {
        Finding::new(Level::Unknown, format!("the daemon gives no status: {detail}"), remedy)
    })
}

fn unreachable(error: &ConnectError) -> Finding {
    match error {
        ConnectError::Nobody { .. } => Finding::new(
            Level::Critical,
            format!("the daemon is not running: {error}"),
            "nothing is watched; `sudo systemctl start reconciled`, and `systemctl status reconciled` says why it \
             stopped. `reconciled list` reads the store without a daemon",
        ),
        ConnectError::NotAllowed { .. } => Finding::new(
            Level::Unknown,
            error.to_string(),
            "run it with sudo, or join the group that owns the socket: sudo usermod -aG reconciled $USER",
        ),
        ConnectError::Silent { .. } => Finding::new(
            Level::Critical,
            error.to_string(),
            "see `systemctl status reconciled` and `journalctl -u reconciled`",
        ),
    }
}
