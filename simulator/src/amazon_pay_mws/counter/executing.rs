//! Carrying out a feed's requests, each as the single call would be, and writing the result.
//!
//! Owns: the order (none), the layout of the result, which rows are missing or repeated
//! (docs/src/reference/amazon-pay-batch.md sections 0 and 5.2). Must never know: requests over the network.
//!
//! How the provider lays its result out is not known, so it is laid out in several ways.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::fate::Fates;
use crate::provider::Random;

use super::super::arguments::Arguments;
use super::super::books::{Books, Caller};
use super::super::merchant::MwsHabits;
use super::super::refusal::Refusal;
use super::super::world::{Call, World};
use super::super::{dispatch, operations, xml};
use super::Feeds;
use super::feed_document::{Batch, Request};

/// How a result is laid out.
#[derive(Debug, Clone, Copy)]
enum Style {
    /// A record with the id and the answer as a document inside a CDATA section.
    Wrapped,
    /// A record with the id and the answer as it is.
    Plain,
    /// The id as an attribute.
    Attribute,
}

/// Carries out every feed whose time has come.
pub(in super::super) fn carry_out(
    feeds: &mut Feeds,
    books: &mut Books,
    habits: impl Fn(&str) -> MwsHabits,
    fates: &BTreeMap<(String, String), Fates>,
    at: Timestamp,
) {
    for feed in feeds.all.iter_mut().filter(|feed| feed.is_due(at)) {
        let habits = habits(&feed.seller_id);
        // Whenever it is looked at, it was carried out the same way.
        let mut random = Random::for_matter(0, &feed.id, 0);
        let caller = Caller {
            seller_id: feed.seller_id.clone(),
            is_sandbox: feed.is_sandbox,
            region_digits: feed.region_digits,
            at: feed.due,
        };
        if let Ok(batch) = &feed.batch {
            let mut world = World { books, habits: &habits, fates, random: &mut random };
            feed.result = Some(result(batch, &mut world, &caller));
        }
    }
}

fn result(batch: &Batch, world: &mut World<'_>, caller: &Caller) -> Vec<u8> {
    let mut order: Vec<usize> = (0..batch.requests.len()).collect();
    shuffle(&mut order, world.random);
    let mut rows = Vec::with_capacity(order.len());
    for place in order {
        let request = &batch.requests[place];
        let answer = answer(batch.action, request, world, caller);
        let habits = &world.habits.batch;
        if world.random.share(habits.missing_row_share) {
            continue;
        }
        let id =
            (!world.random.share(habits.row_without_id_share)).then(|| request.seller_request_id.clone());
        if world.random.share(habits.repeated_row_share) {
            rows.push((id.clone(), answer.clone()));
        }
        rows.push((id, answer));
    }
    shuffle(&mut rows, world.random);
    let style = match world.random.below(3) {
        0 => Style::Wrapped,
        1 => Style::Plain,
        _ => Style::Attribute,
    };
    write(&rows, style).into_bytes()
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for last in (1..items.len()).rev() {
        let chosen = usize::try_from(random.below(last as u64 + 1)).unwrap_or(0);
        items.swap(last, chosen);
    }
}

/// The answer that the single call would have had.
fn answer(action: &'static str, request: &Request, world: &mut World<'_>, caller: &Caller) -> String {
    let request_id = world.random.uuid();
    match perform(action, request, world, caller) {
        Ok(result) => xml::success(action, result, &request_id, xml::Layout::Plain),
        Err(refusal) => {
            let text = xml::failure(&refusal, &request_id);
            text.strip_prefix("<?xml version=\"1.0\"?>\n").unwrap_or(&text).to_owned()
        }
    }
}

fn perform(
    action: &'static str,
    request: &Request,
    world: &mut World<'_>,
    caller: &Caller,
) -> Result<Option<Vec<xml::Element>>, Refusal> {
    let operation = operations::find(action).expect("every operation of a batch is one of the section");
    let arguments = Arguments::check(operation, request.parameters.clone())?;
    let mut result = dispatch(world, action, &Call { caller: caller.clone(), arguments })?;
    xml::vary(result.as_deref_mut().unwrap_or_default(), world.random);
    Ok(result)
}

fn write(rows: &[(Option<String>, String)], style: Style) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BatchResponse><Responses>");
    for (id, answer) in rows {
        let id = id.as_deref();
        let element = id.map_or_else(String::new, |id| format!("<SellerRequestId>{id}</SellerRequestId>"));
        text.push_str(&match style {
            Style::Wrapped => {
                format!("<Response>{element}<ResponseData><![CDATA[{answer}]]></ResponseData></Response>\n")
            }
            Style::Plain => format!("<Result>{answer}{element}</Result>\n"),
            Style::Attribute => {
                let attribute = id.map_or_else(String::new, |id| format!(" SellerRequestId=\"{id}\""));
                format!("<Result{attribute}><Answer>{answer}</Answer></Result>\n")
            }
        });
    }
    text.push_str("</Responses></BatchResponse>\n");
    text
}
