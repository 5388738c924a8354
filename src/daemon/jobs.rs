//! The jobs that run at a time of day, through tokio-cron-scheduler.
//!
//! Owns: which loop is woken at which time. Must never know: what a loop does.
//!
//! The scheduler has a fixed offset instead of a time zone, forgets missed runs, and lets runs overlap. So it gets no
//! cron expression. Each job is a one-shot at the next time of our own timetable; it wakes its loop and is scheduled
//! again. The loop asks the timetable what is due, which makes up for missed runs, and does one round at a time.
//!
//! What the scheduler adds: it compares with the wall clock twice a second, so a job is on time even after the
//! machine was suspended or its clock was corrected. If the scheduler fails, the loop's own period is the fallback.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_cron_scheduler::{Job as OneShot, JobScheduler, JobSchedulerError};

use crate::clock::SharedClock;
use crate::timetable::Timetable;

/// How many messages each of the scheduler's channels can hold. A few jobs need few, and each slot costs memory.
const CHANNEL_CAPACITY: usize = 16;

/// The scheduler counts whole seconds and may fire this much early. A job must not run before its time.
const ROUNDING: Duration = Duration::from_secs(1);

/// How long until a job's next time; none if it never comes.
type UntilNext = Box<dyn Fn() -> Option<Duration> + Send + Sync>;

/// A loop that is woken at certain times.
pub(super) struct Job {
    name: String,
    until_next: UntilNext,
    wake: Arc<Notify>,
}

impl Job {
    /// Notifies `wake` at the times of `timetable`.
    pub(super) fn new(name: &str, timetable: Timetable, clock: SharedClock, wake: Arc<Notify>) -> Job {
        let until_next = move || {
            let now = clock.now();
            let next = timetable.after(now)?;
            Some(Duration::try_from(next.duration_since(now)).unwrap_or_default() + ROUNDING)
        };
        Job { name: name.to_owned(), until_next: Box::new(until_next), wake }
    }
}

/// A scheduler without jobs.
pub(super) async fn start() -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new_with_channel_size(CHANNEL_CAPACITY).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// Wakes the loops of `jobs` at their times, until dropped or until the scheduler fails. A job that is still
/// scheduled when this is dropped fires once more, without effect.
pub(super) async fn run(scheduler: &JobScheduler, jobs: &[Job]) -> Result<(), JobSchedulerError> {
    let (fired, mut firing) = mpsc::unbounded_channel();
    for number in 0..jobs.len() {
        arm(scheduler, jobs, number, &fired).await?;
    }
    while let Some(number) = firing.recv().await {
        let Some(job) = jobs.get(number) else { continue };
        tracing::debug!(job = job.name, "the job is due");
        job.wake.notify_one();
        arm(scheduler, jobs, number, &fired).await?;
    }
    Ok(())
}

async fn arm(
    scheduler: &JobScheduler,
    jobs: &[Job],
    number: usize,
    fired: &mpsc::UnboundedSender<usize>,
) -> Result<(), JobSchedulerError> {
    let Some(wait) = jobs.get(number).and_then(|job| (job.until_next)()) else { return Ok(()) };
    let fired = fired.clone();
    let one_shot = OneShot::new_one_shot(wait, move |_, _| {
        // Nobody listens any more once a reload has replaced the jobs.
        let _ = fired.send(number);
    })?;
    scheduler.add(one_shot).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, VirtualClock};
    use jiff::tz::TimeZone;

    /// In real time, because the scheduler supports no other clock.
    #[tokio::test]
    async fn a_job_wakes_its_loop_at_each_of_its_times() {
        let wakes = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        let jobs: Vec<Job> = wakes
            .iter()
            .map(|wake| Job {
                name: "now".to_owned(),
                until_next: Box::new(|| Some(Duration::ZERO)),
                wake: Arc::clone(wake),
            })
            .collect();
        let mut scheduler = start().await.unwrap();
        let scheduled = scheduler.clone();
        let running = tokio::spawn(async move { run(&scheduled, &jobs).await });
        for _ in 0..2 {
            for wake in &wakes {
                wake.notified().await;
            }
        }
        running.abort();
        scheduler.shutdown().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_follows_its_timetable_and_never_comes_early() {
        let clock = VirtualClock::starting_at("2027-03-27T23:09:30Z".parse().unwrap());
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let table = Timetable::new("10 0 * * *", berlin).unwrap();
        let job = Job::new("nightly report", table, clock.clone(), Arc::default());
        assert_eq!((job.until_next)(), Some(Duration::from_secs(31)));
        clock.sleep(Duration::from_secs(31)).await;
        // The next night is one hour shorter.
        assert_eq!((job.until_next)(), Some(Duration::from_secs(23 * 3_600)));
    }
}
