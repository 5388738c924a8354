//! A machine with a wrong clock: the daemon uses the time that providers confirm, and delays, closes or
//! publishes nothing by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reconciled::clock::{Clock, Sleep, VirtualClock};

use crate::scenario::{self, population, quota, shop};
use crate::world::World;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The machine's clock: the true time, off by some seconds.
#[derive(Debug)]
struct Machine {
    truth: Arc<VirtualClock>,
    ahead_s: AtomicI64,
}

impl Machine {
    fn set(&self, ahead_s: i64) {
        self.ahead_s.store(ahead_s, Ordering::SeqCst);
    }
}

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        self.truth.now() + SignedDuration::from_secs(self.ahead_s.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Duration {
        self.truth.monotonic()
    }
    fn sleep(&self, duration: Duration) -> Sleep {
        self.truth.sleep(duration)
    }
}

/// A shop with three authorizations that are declined on the fifth day.
fn scenario() -> String {
    let steps = r#"[{ after_s = 400000, state = "Declined", reason = "HardDeclined" }]"#;
    scenario::of(7, &[&shop(), &quota(10, 1), &population("shop", "authorization", 3, steps)])
}

/// A world whose daemon starts on a machine that is ahead by this much.
async fn booted(start: &str, ahead_s: i64) -> (World, Arc<Machine>) {
    let mut world = World::new(start, &scenario(), "").await;
    world.stop().await;
    let machine = Arc::new(Machine { truth: world.clock.clone(), ahead_s: AtomicI64::new(ahead_s) });
    world.set_machine_clock(machine.clone());
    world.start().await;
    (world, machine)
}

fn published(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![world.folder.path().join("reports")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.path().join("manifest.json").exists() {
                true => found.push(name),
                false if entry.path().is_dir() => open.push(entry.path()),
                false => {}
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_for_a_minute_delays_nothing() {
    for ahead_s in [9 * HOUR, 3 * DAY, 400 * DAY] {
        let (mut world, machine) = booted("2027-01-15T06:00:00Z", 0).await;
        let object = world.enrol_all("shop").await.remove(0);
        world.pass_hours(1.9).await;
        machine.set(ahead_s);
        world.pass_minutes(15.0).await;
        machine.set(0);
        world.pass_hours(10.0).await;
        let record = world.record(&object).await;
        assert!((10..=15).contains(&record.polls), "{ahead_s}: {} polls in twelve hours", record.polls);
        let wait = record.due_at.unwrap().duration_since(world.clock.now()).as_secs();
        assert!(wait <= HOUR * 2, "{ahead_s}: the next poll comes in {wait} s");
        assert_eq!(published(&world), Vec::<String>::new(), "{ahead_s}: no day is over");
        let told: Vec<String> = ["clock-wrong", "clock-right"]
            .iter()
            .flat_map(|kind| world.events(kind))
            .map(|event| event["headline"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("ahead"), "{told:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_with_a_wrong_clock_closes_no_day_and_dates_nothing_by_it() {
    for ahead_s in [9 * HOUR, 400 * DAY, -9 * HOUR, -730 * DAY] {
        let (mut world, machine) = booted("2027-01-15T20:00:00Z", ahead_s).await;
        let objects = world.enrol_all("shop").await;
        world.pass_minutes(5.0).await;
        let now = world.clock.now();
        for object in &objects {
            let record = world.record(object).await;
            assert!(
                record.state().is_some(),
                "{ahead_s}: {object} was observed although the machine's clock is wrong"
            );
            let seen_at = record.observed.as_ref().unwrap().seen_at;
            assert!(
                now.duration_since(seen_at).abs() < SignedDuration::from_mins(10),
                "{ahead_s}: {seen_at}"
            );
            assert!(record.enrolled_at <= now, "{ahead_s}: enrolled at {}", record.enrolled_at);
        }
        assert!(world.events("credentials-refused").is_empty(), "{ahead_s}");
        assert_eq!(world.events("clock-wrong").len(), 1, "{ahead_s}");
        let status = world.daemon().service().status().await.unwrap();
        // A `Date` has whole seconds.
        let told_s = status.health.clock.as_ref().unwrap().machine_ahead_s;
        assert!((told_s - ahead_s).abs() <= 2, "{told_s} instead of {ahead_s}");
        assert!(status.health.complaints.iter().any(|text| text.contains("clock")), "{ahead_s}");
        world.pass_hours(3.0).await;
        assert_eq!(published(&world), Vec::<String>::new(), "{ahead_s}: at eleven in the evening");
        machine.set(0);
        world.pass_hours(2.0).await;
        assert_eq!(published(&world), ["2027-01-15"], "{ahead_s}: after midnight");
        assert_eq!(world.events("clock-right").len(), 1, "{ahead_s}");
        world.pass_hours(24.0).await;
        assert_eq!(published(&world), ["2027-01-15", "2027-01-16"], "{ahead_s}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn objects_dated_by_an_unconfirmed_clock_are_polled_after_it_is_set_back() {
    let silence = "[[fault]]\nkind = \"reset\"\nto_s = 1500\n";
    let text =
        scenario::of(7, &[&shop(), &quota(10, 1), &population("shop", "authorization", 3, "[]"), &silence]);
    let mut world = World::new("2027-01-15T06:00:00Z", &text, "").await;
    world.stop().await;
    let machine = Arc::new(Machine { truth: world.clock.clone(), ahead_s: AtomicI64::new(9 * HOUR) });
    world.set_machine_clock(machine.clone());
    world.start().await;
    let objects = world.enrol_all("shop").await;
    world.pass_minutes(30.0).await;
    // Every object waits for a time that the machine's clock showed, and no answer has confirmed or corrected it.
    machine.set(0);
    world.pass_minutes(15.0).await;
    for object in &objects {
        let record = world.record(object).await;
        assert!(record.state().is_some(), "{object} waits until {:?}", record.due_at);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_any_answers_days_are_still_closed_after_hours() {
    let (mut world, _machine) = booted("2027-01-15T22:00:00Z", 0).await;
    world.pass_hours(2.5).await;
    assert_eq!(published(&world), Vec::<String>::new(), "nobody has confirmed the clock");
    let status = world.daemon().service().status().await.unwrap();
    let report = status.health.schedules.iter().find(|schedule| schedule.name == "report").unwrap();
    assert!(report.last_result.as_deref().unwrap_or_default().contains("clock"), "{report:?}");
    world.pass_hours(1.0).await;
    assert_eq!(published(&world), ["2027-01-15"]);
    world.stop().await;
}
