//! Our side: the real daemon on a real store. Between rounds its time jumps ahead, so that everything is due again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reconciled::clock::{Clock, SharedClock, Sleep};
use reconciled::config::Surroundings;
use reconciled::daemon::{Daemon, Outside};
use reconciled::http::{BoxFuture, HttpClient, Request, Response, Transport, TransportError};
use reconciled::payments::record::{Details, Enrolment};
use reconciled::reports::NoProbe;
use reconciled::store::disk::MachineDisk;
use reconciled::store::{Options, Store};
use tokio::sync::Notify;

use super::measured::Broken;
use super::scene::{INTERVAL_S, Scene};

/// Real time that can jump ahead, as if that time had passed: wall clock and monotonic time together, because the
/// daemon does not believe a wall clock that jumps alone. A jump wakes every sleeper.
#[derive(Debug)]
struct JumpingClock {
    origin: Timestamp,
    began: Instant,
    jumped_s: AtomicU64,
    jump: Arc<Notify>,
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        self.origin + SignedDuration::try_from(self.monotonic()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed() + Duration::from_secs(self.jumped_s.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let jump = Arc::clone(&self.jump);
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep(duration) => {}
                () = jump.notified() => {}
            }
        })
    }
}

/// Keeps the `Date` of answers from the daemon: it is the real time, not the one that jumps.
struct WithoutDates(HttpClient);

impl Transport for WithoutDates {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let mut response = self.0.send(request).await?;
            response.headers.retain(|(name, _)| name != "date");
            Ok(response)
        })
    }
}

pub struct Host {
    daemon: Arc<Daemon>,
    clock: Arc<JumpingClock>,
    objects: u64,
    accounts: u64,
    rounds: u64,
    started_with: u64,
}

impl Host {
    /// Enrols everything, then starts the daemon: the first round begins at once.
    pub async fn start(scene: &Scene) -> Result<Host, Broken> {
        let config = scene.config()?;
        let clock = Arc::new(JumpingClock {
            // Its dates stay within what providers accept: up to a quarter of an hour off.
            origin: Timestamp::now() - SignedDuration::from_mins(14),
            began: Instant::now(),
            jumped_s: AtomicU64::new(0),
            jump: Arc::default(),
        });
        let options = Options { folder: config.store.folder.clone(), ..Options::default() };
        let (store, _) = Store::open(options, clock.now()).await?;
        let enrolments = scene
            .objects
            .iter()
            .map(|object| Enrolment { object: object.clone(), details: Details::default() });
        store.enrol(enrolments.collect(), clock.now()).await?;
        store.close().await?;
        let shared: SharedClock = clock.clone();
        let outside = Outside {
            clock: shared,
            transport: Arc::new(WithoutDates(HttpClient::new(Some(&scene.authority))?)),
            surroundings: Surroundings::default(),
            database: None,
        };
        let daemon = Daemon::start_rooms(config, outside, Arc::new(MachineDisk), Arc::new(NoProbe)).await?;
        let objects = u64::try_from(scene.objects.len())?;
        let accounts = u64::try_from(scene.accounts.max(1))?;
        let mut host = Host { daemon, clock, objects, accounts, rounds: 0, started_with: 0 };
        host.started_with = host.done()?;
        Ok(host)
    }

    fn done(&self) -> Result<u64, Broken> {
        let tallies = self.daemon.reconcile().tallies();
        let polls: u64 = tallies.values().map(|tally| tally.polls).sum();
        let seen: u64 = tallies.values().map(|tally| tally.seen).sum();
        // On a busy machine a connection may time out; more than that is an error.
        if (polls - seen) * 100 > self.objects {
            let example = tallies.values().find(|tally| !tally.failures.is_empty());
            return Err(format!("{} of {polls} polls failed: {example:?}", polls - seen).into());
        }
        Ok(polls)
    }

    /// Waits for the first observation of every object; returns the polls since the start.
    pub async fn first_round(&mut self) -> Result<usize, Broken> {
        self.wait().await?;
        Ok(usize::try_from(self.objects - self.started_with)?)
    }

    /// Lets the interval pass and waits until everything was polled again.
    pub async fn next_round(&mut self) -> Result<usize, Broken> {
        self.clock.jumped_s.fetch_add(INTERVAL_S + 1, Ordering::SeqCst);
        self.clock.jump.notify_waiters();
        self.wait().await?;
        Ok(usize::try_from(self.objects)?)
    }

    async fn wait(&mut self) -> Result<(), Broken> {
        self.rounds += 1;
        let goal = self.objects * self.rounds;
        let began = Instant::now();
        loop {
            let done = self.done()?;
            if done >= goal {
                break;
            }
            if began.elapsed() > Duration::from_secs(600) {
                return Err(format!("only {done} of {goal} polls in 10 minutes").into());
            }
            // Check more often near the end of the round.
            let wait_ms = if goal - done > self.objects / 10 { 100 } else { 10 };
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        Ok(())
    }

    /// Lets the loops fall asleep, so that the next jump wakes them, and the quota refill: a loop that waits
    /// for quota is woken for each poll.
    pub async fn settle(&self) {
        let filled = Duration::from_millis(self.objects / self.accounts);
        tokio::time::sleep(Duration::from_millis(500) + filled).await;
    }

    pub async fn stop(self) -> Result<(), Broken> {
        self.daemon.stop().await?;
        Ok(())
    }
}
