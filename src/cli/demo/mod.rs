//! The whole system against a simulated provider: the real daemon, real HTTP, real signatures, a real limiter.
//!
//! The demo's clock starts shortly before midnight. A business day ends while you watch, and the normal schedule
//! makes the nightly report.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::exit::{Exit, Failed};
use super::finish;
use super::local::{config_failed, start_failed};
use super::options::DemoArguments;
use crate::clock::{Clock, SharedClock, SystemClock, VirtualClock};
use crate::config::{self, Surroundings};
use crate::control::enrolment_request::EnrolmentRequest;
use crate::daemon::{Daemon, Outside};
use crate::payments::money::Money;
use crate::payments::object::ObjectRef;
use crate::payments::record::Details;
use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::plan::enrolled_kind;

mod chat;
mod display;
mod stage;
mod verdict;

use display::Display;
use stage::Stage;
use verdict::Verdict;

/// How long before midnight the demo's clock starts.
const BEFORE_MIDNIGHT: SignedDuration = SignedDuration::from_secs(21);
/// When the demo stops waiting. It usually ends within 30 s. A throttling chat is paused and retried, which takes
/// time.
const LONGEST: Duration = Duration::from_secs(60);
/// The number of objects in one enrolment.
const ENROL_AT_ONCE: usize = 100;

/// `reconciled demo`
pub(super) fn demo(arguments: DemoArguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("reconciled: cannot start: {error}");
            return Exit::TryLater.into();
        }
    };
    match runtime.block_on(try_demo(arguments)) {
        Ok(verdict) => {
            say(format_args!("{}", verdict.summary().trim_end()));
            if verdict.is_good() { Exit::Ok.into() } else { Exit::Software.into() }
        }
        Err(failed) => finish(Err(failed), &mut io::stderr()),
    }
}

/// Writes a line. The demo runs to its end when nobody reads it any more.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

async fn try_demo(arguments: DemoArguments) -> Result<Verdict, Failed> {
    // Nothing needs the last line of standard error here: the summary shows errors.
    let _ = crate::telemetry::start(crate::telemetry::LogFormat::Text, "error");
    let clock = VirtualClock::starting_at(shortly_before_midnight(&*SystemClock::shared()));
    let shared: SharedClock = clock.clone();
    let seed = arguments.seed.unwrap_or(1);
    let stage = stage::set(arguments.dir, seed, arguments.objects.max(1), shared.clone()).await?;
    say(format_args!(
        "reconciled demo: seed {seed}, simulated Amazon Pay on http://{}",
        stage.serving.address
    ));
    let surroundings = Surroundings::default();
    let config = config::load(&stage.config, &surroundings).map_err(|error| config_failed(&error))?;
    stage.forget_secrets()?;
    let outside = Outside::real(shared.clone(), surroundings, &config.http);
    let outside = outside.map_err(|error| start_failed(&error))?;
    let daemon = Daemon::start(config, outside).await.map_err(|error| start_failed(&error))?;
    let enrolled = enrol(&daemon, &stage.simulator).await?;
    say(format_args!(
        "enrolled {enrolled} objects of 6 accounts; the clock shows {}",
        whole_second(clock.now())
    ));
    watch(&daemon, &stage, &shared).await?;
    let verdict = Verdict::reach(&daemon, &stage, enrolled).await?;
    let stopped = daemon.stop().await;
    stage.shutdown.cancel();
    stopped
        .map_err(|error| Failed::new(Exit::Disk, format!("the store could not be closed: {error}"), ""))?;
    Ok(verdict)
}

fn whole_second(time: Timestamp) -> Timestamp {
    time.round(jiff::TimestampRound::new().smallest(jiff::Unit::Second).mode(jiff::RoundMode::Trunc))
        .unwrap_or(time)
}

fn shortly_before_midnight(clock: &dyn Clock) -> Timestamp {
    let today = jiff::tz::TimeZone::UTC.to_datetime(clock.now()).date();
    let midnight = today.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp());
    midnight.ok().and_then(|midnight| midnight.checked_sub(BEFORE_MIDNIGHT).ok()).unwrap_or(clock.now())
}

/// Enrols everything that the scenario planted, as a shop would.
async fn enrol(daemon: &Arc<Daemon>, simulator: &Simulator) -> Result<u64, Failed> {
    let mut enrolments = Vec::new();
    for planted in simulator.planted() {
        let truth = planted.truth;
        let bad = |error: String| Failed::new(Exit::Software, format!("{}: {error}", truth.id), "");
        let object: ObjectRef =
            format!("{}/{}/{}", planted.account, enrolled_kind(planted.api, &truth.kind), truth.id)
                .parse()
                .map_err(|error: crate::payments::object::BadName| bad(error.to_string()))?;
        let amount = Money::parse(&truth.amount, &truth.currency).map_err(|error| bad(error.to_string()))?;
        let details = Details {
            // Permissions and agreements have limits, not an amount.
            amount: Some(amount)
                .filter(|_| !matches!(truth.kind.as_str(), "charge-permission" | "billing-agreement")),
            merchant_reference: Some(truth.merchant_reference),
            created_at: Some(planted.created_at),
            parent: None,
        };
        enrolments.push(EnrolmentRequest { details, ..EnrolmentRequest::plain(object) });
    }
    let service = daemon.service();
    let mut enrolled = 0;
    for lines in enrolments.chunks(ENROL_AT_ONCE) {
        let results = service.enrol(lines.to_vec()).await.map_err(Failed::from)?;
        for result in results {
            if let Some(reason) = result.reason {
                return Err(Failed::new(Exit::Software, format!("not enrolled: {reason}"), ""));
            }
            enrolled += 1;
        }
    }
    Ok(enrolled)
}

/// Shows the progress until everything that became final is observed, delivered and reported, or time is up.
async fn watch(daemon: &Arc<Daemon>, stage: &Stage, clock: &SharedClock) -> Result<(), Failed> {
    let mut display = Display::start(clock);
    let began = clock.monotonic();
    let report = report_manifest(stage, clock.now());
    loop {
        let verdict = Verdict::reach(daemon, stage, 0).await?;
        display.show(&verdict, clock.now());
        let is_over = clock.monotonic().saturating_sub(began) > LONGEST;
        if is_over || (verdict.is_settled() && report.exists()) {
            display.end();
            return Ok(());
        }
        clock.sleep(Duration::from_millis(250)).await;
    }
}

/// The last file that is written of the report for the day that ends during the demo.
fn report_manifest(stage: &Stage, now: Timestamp) -> PathBuf {
    let day = jiff::tz::TimeZone::UTC.to_datetime(now).date();
    verdict::report_folder(&stage.folder, day).join("manifest.json")
}
