//! Long lists, page by page, so that any number of rows needs little memory.
//!
//! Owns: the limit, the cursor, the line at the end. Must never know: what a row is.

use std::io;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::screen::Screen;
use crate::control::messages::{BATCH_LINES_MAX, Listing};
use crate::control::verbs::Verb;
use crate::text::count;

/// Shows up to `limit` rows (0: all of them). `request` makes the request for a page from its cursor and its number of
/// rows; `show` gets each page, and whether no row came before it.
pub(super) async fn list<V, Row>(
    (limit, noun): (usize, &str),
    connection: &Connection,
    screen: &mut Screen<'_>,
    request: impl Fn(Option<String>, Option<usize>) -> V,
    mut show: impl FnMut(&[Row], bool, &mut Screen<'_>) -> io::Result<()>,
) -> Ended
where
    V: Verb<Answer = Listing<Row>>,
{
    let (mut rows, mut cursor) = (0, None);
    loop {
        let left = if limit == 0 { usize::MAX } else { limit - rows };
        let page = connection.ask(request(cursor, Some(left.min(BATCH_LINES_MAX)))).await?;
        show(&page.items, rows == 0, screen)?;
        rows += page.items.len();
        cursor = page.next_cursor;
        if cursor.is_none() || (limit > 0 && rows >= limit) {
            break;
        }
    }
    connection.say(Action::Read, screen)?;
    let more = if cursor.is_some() { ", and there may be more" } else { "" };
    screen.note(&format!("{}{more}", count(rows, noun)))?;
    Ok(Exit::Ok)
}
