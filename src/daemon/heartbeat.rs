//! Signs of life for a service outside this machine, which speaks up when they stop. Such services (healthchecks.io and its
//! kin) take a request at the address itself as "well", at `/start` as "begun" and at `/fail` as "not well".
//!
//! Owns: when which sign is sent. Must never know: what is wrong in detail; that stands in the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::HeartbeatConfig;
use crate::http::{Method, Request, Transport};
use crate::payments::object::AccountName;
use crate::reconcile::{Reconcile, Tally};
use crate::store::{Stats, Store};
use crate::task::{Board, Done, Round, Work};

/// The time limit for one request.
const DEADLINE: Duration = Duration::from_secs(10);
/// As the watchdog has it.
const SLACK: Duration = Duration::from_secs(60);
/// How many accounts a sign names.
const NAMED_MOST: usize = 20;

/// Sends a sign in each round.
pub(super) struct Heartbeat {
    pub(super) config: HeartbeatConfig,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) store: Store,
    pub(super) reconcile: Arc<Reconcile>,
    pub(super) board: Arc<Board>,
    /// It was said that the program has started.
    pub(super) has_begun: AtomicBool,
}

impl Work for Heartbeat {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            if !self.has_begun.load(Ordering::SeqCst) {
                self.send("/start", String::new()).await?;
                self.has_begun.store(true, Ordering::SeqCst);
            }
            let stalled = self.board.stalled(SLACK);
            let wrong = wrong(&self.store.stats(), &stalled, &self.reconcile.tallies());
            let summary = match wrong.is_empty() {
                true => {
                    self.send("", String::new()).await?;
                    "said that all is well".to_owned()
                }
                false => {
                    self.send("/fail", wrong.join("\n")).await?;
                    format!("said what is not well: {}", wrong.join("; "))
                }
            };
            Ok(Done { summary, again_in: None })
        })
    }
}

impl Heartbeat {
    async fn send(&self, sign: &str, body: String) -> Result<(), String> {
        let request = Request {
            method: Method::Post,
            url: format!("{}{sign}", self.config.url.expose().trim_end_matches('/')),
            headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
            body: body.into_bytes(),
            deadline: DEADLINE,
            longest_body: 16 * 1024,
            is_beginning_enough: true,
        };
        match self.transport.send(request).await {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(format!("the address of [heartbeat] answers with HTTP {}", answer.status)),
            Err(error) => Err(format!("the address of [heartbeat] cannot be reached: {error}")),
        }
    }
}

/// Why the program does not do its work, one line each.
fn wrong(stats: &Stats, stalled: &[String], tallies: &BTreeMap<AccountName, Tally>) -> Vec<String> {
    let store = stats.broken.iter().map(|_| "the store acknowledges nothing any more".to_owned());
    let stalled = stalled.iter().map(|name| format!("the loop {name} makes no progress"));
    let accounts: Vec<String> = tallies
        .iter()
        .filter_map(|(account, tally)| {
            if tally.refused_since.is_some() {
                return Some(format!("account {account}: the provider refuses it"));
            }
            tally.no_success_since.map(|_| format!("account {account}: no request succeeds"))
        })
        .collect();
    let more = accounts.len().saturating_sub(NAMED_MOST);
    let more = (more > 0).then(|| format!("and {more} more accounts"));
    store.chain(stalled).chain(accounts.into_iter().take(NAMED_MOST)).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_keeps_the_program_from_its_work_is_wrong() {
        let tallies = |count: usize| -> BTreeMap<AccountName, Tally> {
            let mut refused = Tally::default();
            refused.refused_since = Some(jiff::Timestamp::UNIX_EPOCH);
            (0..count).map(|number| (format!("shop-{number:02}").parse().unwrap(), refused.clone())).collect()
        };
        assert_eq!(wrong(&Stats::default(), &[], &BTreeMap::new()), Vec::<String>::new());
        let idle = [("shop".parse().unwrap(), Tally::default())].into();
        assert_eq!(wrong(&Stats::default(), &[], &idle), Vec::<String>::new());
        let broken = Stats { broken: Some("disk".to_owned()), ..Stats::default() };
        assert_eq!(
            wrong(&broken, &["polling".to_owned()], &tallies(1)),
            [
                "the store acknowledges nothing any more",
                "the loop polling makes no progress",
                "account shop-00: the provider refuses it"
            ]
        );
        let many = wrong(&Stats::default(), &[], &tallies(30));
        assert_eq!((many.len(), many.last().unwrap().as_str()), (21, "and 10 more accounts"));
    }
}
