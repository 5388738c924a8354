//! `reconciled events list|redeliver|schema|test|enable`
//!
//! Owns: how events are shown. Must never know: how an event is made or delivered.

use super::alerts::write_tested;
use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::options_events::{EventsCommand, EventsListArguments, EventsRedeliverArguments};
use super::pages;
use super::poll::short_time;
use super::screen::{Screen, Table};
use super::show::delivery_word;
use crate::clock::SharedClock;
use crate::control::messages::{EventRow, EventsEnable, EventsRedeliver, EventsRequest, EventsTest};
use crate::events::{schema, types};
use crate::text::count;

/// Lists, redelivers or tests events, or enables a receiver.
pub(super) async fn events(
    command: EventsCommand,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    match command {
        EventsCommand::List(options) => list(&options, connection, clock, screen).await,
        EventsCommand::Redeliver(options) => redeliver(options, connection, clock, screen).await,
        EventsCommand::Schema(options) => print_schema(options.event_type.as_deref(), screen),
        EventsCommand::Test(options) => {
            let tested = connection.ask(EventsTest { receiver: options.receiver }).await?;
            connection.say(Action::Wrote, screen)?;
            write_tested(&tested, "receiver of events", screen)
        }
        EventsCommand::Enable(options) => {
            let enabled = connection.ask(EventsEnable { receiver: options.receiver }).await?;
            connection.say(Action::Wrote, screen)?;
            let words = if enabled.was_disabled { "gets events again" } else { "was not disabled" };
            screen.line(&format!("{} {words}", enabled.receiver))?;
            Ok(Exit::Ok)
        }
    }
}

async fn list(
    options: &EventsListArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let since = options.since.map(|since| since.moment(clock));
    let request = |cursor, limit| EventsRequest {
        state: options.state,
        receiver: options.receiver.clone(),
        account: options.account.clone(),
        event_type: options.event_type.clone(),
        object: options.object.clone(),
        since,
        cursor,
        limit,
    };
    pages::list((options.limit, "event"), connection, screen, request, |rows, is_first, screen| match options
        .json
    {
        true => rows.iter().try_for_each(|row| screen.json_line(row)),
        false if rows.is_empty() => Ok(()),
        false => table(rows).write(screen, is_first),
    })
    .await
}

fn table(rows: &[EventRow]) -> Table {
    let mut table =
        Table::new(&["found", "type", "object", "number>", "receiver", "delivery", "tries>", "error", "id"]);
    for row in rows {
        let (word, tone) = delivery_word(row.state);
        let cells = vec![
            short_time(row.found_at),
            row.event_type.clone(),
            row.object.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.sequence.to_string(),
            row.receiver.clone(),
            word.to_owned(),
            row.attempts.to_string(),
            row.last_error.clone().unwrap_or_default(),
            row.id.clone(),
        ];
        table.row(cells, tone);
    }
    table
}

async fn redeliver(
    options: EventsRedeliverArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let request = EventsRedeliver {
        ids: options.ids,
        object: options.object,
        since: options.since.map(|since| since.moment(clock)),
        all_dead: options.all_dead,
        receiver: options.receiver,
    };
    let done = connection.ask(request).await?;
    connection.say(Action::Wrote, screen)?;
    screen.line(&format!("{} pending again", count(done.deliveries, "delivery")))?;
    for id in &done.unknown {
        screen.note(&format!("{id} is not the id of an event, or not for that receiver"))?;
    }
    Ok(if done.unknown.is_empty() { Exit::Ok } else { Exit::NoInput })
}

/// Prints the schema of one type, or of all as one JSON object. It needs neither a daemon nor a configuration.
pub(super) fn print_schema(event_type: Option<&str>, screen: &mut Screen<'_>) -> Ended {
    match event_type {
        Some(event_type) => {
            let found = schema::of(event_type).ok_or_else(|| {
                let remedy = "`reconciled events schema` prints all of them";
                Failed::new(Exit::Usage, format!("there is no type {event_type:?}"), remedy)
            });
            screen.json(&found?)?;
        }
        None => {
            let all = types::all().into_iter().chain([types::TEST.to_owned()]);
            let all = all.filter_map(|event_type| Some((event_type.clone(), schema::of(&event_type)?)));
            screen.json(&all.collect::<serde_json::Map<_, _>>())?;
        }
    }
    Ok(Exit::Ok)
}
