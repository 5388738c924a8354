//! `reconciled explain OBJECT`

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::ExplainArguments;
use super::screen::{Screen, Tone};
use crate::control::messages::Explain;

/// Explains one object in plain sentences.
pub(super) async fn explain(
    options: &ExplainArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let told = connection.ask(Explain(options.object.clone())).await?;
    connection.say(Action::Read, screen)?;
    if options.json {
        screen.json(&told)?;
        return Ok(Exit::Ok);
    }
    screen.toned(&told.object.to_string(), Tone::Strong)?;
    screen.line(&told.about)?;
    screen.line("")?;
    screen.pair("now", &told.standing)?;
    screen.pair("evidence", &told.evidence)?;
    screen.pair("next poll", &told.next_look)?;
    if let Some(deadline) = &told.deadline {
        screen.pair("deadline", deadline)?;
    }
    for (position, change) in told.would_change.iter().enumerate() {
        screen.pair(if position == 0 { "would change it" } else { "" }, change)?;
    }
    if let Some(advice) = &told.advice {
        screen.pair("what to do", advice)?;
    }
    if let Some(where_to_look) = &told.where_to_look {
        screen.pair("where to check", where_to_look)?;
    }
    Ok(Exit::Ok)
}
