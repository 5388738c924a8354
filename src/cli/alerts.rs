//! `reconciled alerts list|redeliver|test` (`acknowledge` and `route` are in `silence`)

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options_alerts::{AlertsCommand, AlertsListArguments, RedeliverArguments, TestArguments};
use super::pages;
use super::screen::{Screen, Tone};
use super::show::alert_table;
use super::silence;
use crate::control::messages::{AlertsRequest, RedeliverRequest, TestRequest, Tested};
use crate::text::count;

/// Lists, redelivers or tests alerts.
pub(super) async fn alerts(
    command: AlertsCommand,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    match command {
        AlertsCommand::List(options) => list(&options, connection, screen).await,
        AlertsCommand::Redeliver(options) => redeliver(options, connection, screen).await,
        AlertsCommand::Test(options) => test(options, connection, screen).await,
        AlertsCommand::Acknowledge(options) => silence::acknowledge(options, connection, screen).await,
        AlertsCommand::Route(options) => silence::route(options, connection, screen).await,
    }
}

async fn list(options: &AlertsListArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let request = |cursor, limit| AlertsRequest {
        state: options.state,
        target: options.target.clone(),
        account: options.account.clone(),
        kind: options.kind.clone(),
        cursor,
        limit,
    };
    pages::list((options.limit, "alert"), connection, screen, request, |rows, is_first, screen| match options
        .json
    {
        true => rows.iter().try_for_each(|row| screen.json_line(row)),
        false if rows.is_empty() => Ok(()),
        false => alert_table(rows).write(screen, is_first),
    })
    .await
}

async fn redeliver(options: RedeliverArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let request = RedeliverRequest { keys: options.keys, all_dead: options.all_dead, target: options.target };
    let done = connection.ask(request).await?;
    connection.say(Action::Wrote, screen)?;
    screen.line(&format!("{} pending again", count(done.deliveries, "delivery")))?;
    for key in &done.unknown {
        screen.note(&format!("{key} is not the key of an alert, or not for that target"))?;
    }
    Ok(if done.unknown.is_empty() { Exit::Ok } else { Exit::NoInput })
}

async fn test(options: TestArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let tested = connection.ask(TestRequest { target: options.target }).await?;
    connection.say(Action::Wrote, screen)?;
    write_tested(&tested, "alert target", screen)
}

/// What each receiver answered. Code 69 when one did not accept the message.
pub(super) fn write_tested(tested: &[Tested], noun: &str, screen: &mut Screen<'_>) -> Ended {
    let mut exit = Exit::Ok;
    for target in tested {
        let (word, tone) =
            if target.is_delivered { ("accepted it", Tone::Good) } else { ("did not accept it", Tone::Bad) };
        screen.toned(&format!("{} {word}: {}", target.target, target.detail), tone)?;
        if !target.is_delivered {
            exit = Exit::Unavailable;
        }
    }
    if tested.is_empty() {
        screen.note(&format!("no {noun} is configured"))?;
        exit = Exit::Config;
    }
    Ok(exit)
}
