//! `reconciled explain OBJECT`

use super::exit::{Ended, Exit};
use super::options::ExplainArguments;
use super::reach::{Deed, Reached};
use super::screen::{Screen, Tone};

/// Explains one object in plain sentences.
pub(super) async fn explain(options: &ExplainArguments, reached: &Reached, screen: &mut Screen<'_>) -> Ended {
    let told = reached.explain(&options.object).await?;
    reached.say(Deed::Read, screen)?;
    if options.json {
        screen.json(&told)?;
        return Ok(Exit::Ok);
    }
    screen.toned(&told.object.to_string(), Tone::Strong)?;
    screen.line(&told.about)?;
    screen.line("")?;
    screen.pair("now", &told.standing)?;
    screen.pair("evidence", &told.evidence)?;
    screen.pair("next look", &told.next_look)?;
    if let Some(deadline) = &told.deadline {
        screen.pair("deadline", deadline)?;
    }
    for (position, change) in told.would_change.iter().enumerate() {
        screen.pair(if position == 0 { "would change it" } else { "" }, change)?;
    }
    if let Some(advice) = &told.advice {
        screen.pair("what to do", advice)?;
    }
    if let Some(look) = &told.look {
        screen.pair("where to look", look)?;
    }
    Ok(Exit::Ok)
}
