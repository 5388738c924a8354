//! Changes of objects as server-sent events, while they happen.
//!
//! Owns: the form of the stream, when it ends. Must never know: what a change means, connections.
//!
//! Each event carries the number of its journal entry. A program that comes back with the last number that it got
//! (`Last-Event-ID`) continues there, as long as it is not too far behind.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::messages::LiveEvent;
use super::service::Service;
use crate::access::{Caller, Role};
use crate::store::{Followed, Follower, LiveChange};

/// The media type of server-sent events.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// How many streams are open at once.
pub(super) const STREAMS_MAX: usize = 16;

/// After this time without an event, a comment shows that the stream still works.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// How long a browser waits before it comes back, in milliseconds.
const RETRY_MS: u64 = 2_000;

/// Somebody who follows the changes.
struct Following {
    service: Service,
    caller: Caller,
    path: &'static str,
    follower: Follower,
    signal: watch::Receiver<u64>,
    stop: CancellationToken,
    /// When something was sent last, in monotonic time; none before the first.
    sent_at: Option<Duration>,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

/// The stream, from the journal entry after `last_seen` on; none: from now on.
pub(super) fn events(
    service: Service,
    caller: Caller,
    path: &'static str,
    last_seen: Option<u64>,
    stop: CancellationToken,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<String, Infallible>> + Send {
    let signal = service.store.journal_signal();
    let follower = service.store.follow(last_seen);
    let (sent_at, is_over) = (None, false);
    let following =
        Following { service, caller, path, follower, signal, stop, sent_at, is_over, _permit: permit };
    unfold(following, |mut following| async move {
        let text = following.next().await?;
        following.sent_at = Some(following.service.clock().monotonic());
        Some((Ok(text), following))
    })
}

impl Following {
    /// What is sent next; none at the end.
    async fn next(&mut self) -> Option<String> {
        let Some(sent_at) = self.sent_at else {
            return Some(format!("retry: {RETRY_MS}\nid: {}\n\n", self.follower.sequence()));
        };
        while !self.is_over && !self.stop.is_cancelled() {
            // A reload may have taken the role away.
            self.service.permit(&self.caller, Role::Read, self.path).ok()?;
            self.signal.borrow_and_update();
            let before = self.follower.sequence();
            let (followed, follower) = self.service.store.read_on(self.follower.clone()).await.ok()?;
            self.follower = follower;
            match followed {
                Followed::Lagged => {
                    self.is_over = true;
                    let data = "{\"remedy\":\"some events are missing: read what you show again\"}";
                    let sequence = self.follower.sequence();
                    return Some(format!("id: {sequence}\nevent: lagged\ndata: {data}\n\n"));
                }
                Followed::Changes(changes) if !changes.is_empty() => return Some(written(changes)),
                Followed::Changes(_) if self.follower.sequence() != before => continue,
                Followed::Changes(_) => {}
            }
            let waited = self.service.clock().monotonic().saturating_sub(sent_at);
            tokio::select! {
                changed = self.signal.changed() => changed.ok()?,
                () = self.service.clock().sleep(SIGN_OF_LIFE.saturating_sub(waited)) => {
                    return Some(": still here\n\n".to_owned());
                }
                () = self.stop.cancelled() => {}
            }
        }
        None
    }
}

/// Changes as events. Of several changes in one journal entry only the last carries the number, so that a stream that
/// breaks between them repeats some instead of losing them.
fn written(changes: Vec<LiveChange>) -> String {
    let mut text = String::new();
    let mut changes = changes.into_iter().peekable();
    while let Some(change) = changes.next() {
        let sequence = change.sequence;
        let data = serde_json::to_string(&LiveEvent::from(change)).expect("messages have text keys only");
        if changes.peek().is_none_or(|next| next.sequence != sequence) {
            writeln!(text, "id: {sequence}").expect("a text takes every character");
        }
        write!(text, "event: change\ndata: {data}\n\n").expect("a text takes every character");
    }
    text
}
