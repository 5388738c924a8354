//! Signs of life for a service outside this machine, which speaks up when they stop. Such services (healthchecks.io or a
//! compatible one) take a request at the address itself as "well", at `/start` as "begun" and at `/fail` as "not well".
//!
//! Owns: when which sign is sent. Must never know: what is wrong in detail; that stands in the status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::manager::SLACK;
use crate::apis::pace::Pace;
use crate::config::HeartbeatConfig;
use crate::http::{Method, Request, Transport};
use crate::payments::object::AccountName;
use crate::reconcile::{Reconcile, Tally};
use crate::store::{Stats, Store};
use crate::task::{Board, Done, Round, Work};

/// The time limit for one request.
const DEADLINE: Duration = Duration::from_secs(10);
/// How many accounts a sign names.
const NAMED_MAX: usize = 20;

/// Sends a sign in each round.
pub(super) struct Heartbeat {
    pub(super) config: HeartbeatConfig,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) store: Store,
    pub(super) reconcile: Arc<Reconcile>,
    pub(super) board: Arc<Board>,
    /// Those of the configuration in force.
    pub(super) accounts: BTreeSet<AccountName>,
    pub(super) pace: Arc<Pace>,
    /// The sign that the program has started was tried.
    pub(super) has_begun: AtomicBool,
}

impl Work for Heartbeat {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            if !self.has_begun.swap(true, Ordering::SeqCst)
                && let Err(error) = self.send("/start", String::new()).await
            {
                // Not every service has it.
                tracing::info!(%error, "the sign of the start was not accepted");
            }
            let stalled = self.board.stalled(SLACK);
            let tallies = self.reconcile.tallies();
            let here = self.accounts.iter().filter(|account| self.pace.holds(account)).cloned().collect();
            let wrong = wrong(&self.store.stats(), &stalled, &tallies, &here);
            let summary = match wrong.is_empty() {
                true => {
                    self.send("", String::new()).await?;
                    "reported healthy".to_owned()
                }
                false => {
                    self.send("/fail", wrong.join("\n")).await?;
                    format!("reported: {}", wrong.join("; "))
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

/// Why the program does not do its work, one line each. Accounts that a reload has removed keep their tallies, which say
/// nothing any more.
fn wrong(
    stats: &Stats,
    stalled: &[String],
    tallies: &BTreeMap<AccountName, Tally>,
    accounts: &BTreeSet<AccountName>,
) -> Vec<String> {
    let store = stats.broken.iter().map(|_| "the store no longer acknowledges anything".to_owned());
    let stalled = stalled.iter().map(|name| format!("the loop {name} makes no progress"));
    let accounts: Vec<String> = tallies
        .iter()
        .filter(|(account, _)| accounts.contains(*account))
        .filter_map(|(account, tally)| {
            if tally.refused_since.is_some() {
                return Some(format!("account {account}: the provider refuses it"));
            }
            tally.no_success_since.map(|_| format!("account {account}: no request succeeds"))
        })
        .collect();
    let more = accounts.len().saturating_sub(NAMED_MAX);
    let more = (more > 0).then(|| format!("and {more} more accounts"));
    store.chain(stalled).chain(accounts.into_iter().take(NAMED_MAX)).chain(more).collect()
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
        let wrong = |stats: &Stats, stalled: &[String], tallies: &BTreeMap<AccountName, Tally>| {
            wrong(stats, stalled, tallies, &tallies.keys().cloned().collect())
        };
        assert_eq!(wrong(&Stats::default(), &[], &BTreeMap::new()), Vec::<String>::new());
        let idle = [("shop".parse().unwrap(), Tally::default())].into();
        assert_eq!(wrong(&Stats::default(), &[], &idle), Vec::<String>::new());
        let broken = Stats { broken: Some("disk".to_owned()), ..Stats::default() };
        assert_eq!(
            wrong(&broken, &["polling".to_owned()], &tallies(1)),
            [
                "the store no longer acknowledges anything",
                "the loop polling makes no progress",
                "account shop-00: the provider refuses it"
            ]
        );
        let many = wrong(&Stats::default(), &[], &tallies(30));
        assert_eq!((many.len(), many.last().unwrap().as_str()), (21, "and 10 more accounts"));
        let kept = ["shop-01".parse().unwrap()].into();
        let without = super::wrong(&Stats::default(), &[], &tallies(3), &kept);
        assert_eq!(without, ["account shop-01: the provider refuses it"], "a reload removed the others");
    }
}
