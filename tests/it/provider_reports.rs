//! Provider reports in whole-daemon stories: a month day by day, faults of providers, reports that differ
//! from the records, nightly schedules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use reconciled::control::messages::{DownloadLine, FetchBegin, FetchGo};
use reconciled::control::problem::Problem;

use crate::world::World;

/// Midnight UTC of the third day after the captures.
const START: &str = "2027-01-15T06:00:00Z";

/// Three captures of 14.00 USD that complete after ten minutes, at a provider with its documented quotas.
pub fn scenario(conduct: &str) -> String {
    format!(
        r#"
seed = 7
[[account]]
name = "old-shop"
api = "amazon-pay-mws"
merchant_id = "A2OLDSHOP"
region = "eu"
environment = "live"
access_key_id = "AKIAOLDSHOP000000000"
[[population]]
account = "old-shop"
kind = "capture"
count = 3
reference_prefix = "ORDER-"
currencies = [{{ code = "USD", amount = ["14.00", "14.00"] }}]
outcome = [{{ steps = [{{ after_s = 600, state = "Completed" }}] }}]
{conduct}
"#
    )
}

fn conduct(report: &str) -> String {
    format!("[[mws]]\naccount = \"old-shop\"\nreport = {{ {report} }}\n")
}

/// The account's own keys of the configuration.
fn with_keys(world: &World, keys: &str) {
    world.rewrite_config(|text| {
        text.replace("access_key_id = \"AKIAOLDSHOP", &format!("{keys}\naccess_key_id = \"AKIAOLDSHOP"))
    });
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

async fn ask(world: &World, request: FetchBegin) -> Result<Vec<DownloadLine>, Problem> {
    world.daemon().service().begin_fetch(request).await.map(|answer| answer.errands)
}

async fn go(world: &World) -> Vec<DownloadLine> {
    let request = FetchGo { account: "old-shop".parse().unwrap() };
    world.daemon().service().go_on_fetching(&request).await.unwrap().errands
}

fn begin(types: &[&str], from: &str, to: &str) -> FetchBegin {
    FetchBegin {
        account: "old-shop".parse().unwrap(),
        types: types.iter().map(|word| (*word).to_owned()).collect(),
        from: day(from),
        to: day(to),
        again: false,
    }
}

/// Requests reports, waits until all have ended, and returns how.
async fn fetched(world: &World, types: &[&str], from: &str, to: &str) -> Vec<DownloadLine> {
    let begun = ask(world, begin(types, from, to)).await.unwrap();
    for _ in 0..24 * 60 {
        let mut lines = go(world).await;
        lines.retain(|line| begun.iter().any(|wanted| wanted.is_same(line)));
        if lines.iter().all(|line| line.is_over) {
            return lines;
        }
        world.pass_minutes(1.0).await;
    }
    panic!("the reports never arrive");
}

async fn only(world: &World, word: &str, from: &str, to: &str) -> DownloadLine {
    let mut lines = fetched(world, &[word], from, to).await;
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn counted(world: &World, operation: &str) -> amazon_pay_simulator::counts::OperationCounts {
    let counts = world.simulator.counts();
    counts.operations.get(&("old-shop".to_owned(), operation.to_owned())).cloned().unwrap_or_default()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found)
        } else if path.is_file() {
            found.push(path)
        }
    }
}

/// The stored files of a type with this ending, by name.
fn kept(world: &World, word: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&world.folder.path().join("reports/provider/account-old-shop").join(word), &mut found);
    found.retain(|path| path.to_str().unwrap().ends_with(ending));
    found.sort();
    found
}

fn manifest(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn told(world: &World, kind: &str) -> Vec<serde_json::Value> {
    world.events(kind)
}

/// Buyer data may only be in the provider's own files.
fn assert_no_buyer_outside(world: &World) {
    let mut found = Vec::new();
    files(world.folder.path(), &mut found);
    let own = world.folder.path().join("reports/provider");
    for path in found.iter().filter(|path| !path.starts_with(&own)) {
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.windows(17).any(|part| part == b"buyer@example.com"), "{}", path.display());
    }
    for path in
        found.iter().filter(|path| path.starts_with(&own) && !path.to_str().unwrap().ends_with(".csv"))
    {
        let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        assert!(!text.contains("buyer@example.com") && !text.contains("Doe"), "{}", path.display());
    }
    for message in world.simulator.chat_messages() {
        assert!(!message.body.to_string().contains("buyer@example.com"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_month_is_fetched_in_days_within_the_real_quotas_and_never_twice() {
    let mut world = World::new(START, &scenario(""), "").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(1.0).await;
    world.stop().await;
    world.pass_hours(31.0 * 24.0).await;
    world.start().await;
    let begun: Timestamp = world.daemon().service().status().await.unwrap().now;
    let line = only(&world, "capture", "2027-01-15", "2027-02-13").await;
    let took = world.daemon().service().status().await.unwrap().now.duration_since(begun);
    // 15 at once, then one a minute, and the last is created in two minutes.
    assert!((15..=22).contains(&took.as_mins()), "{} minutes", took.as_mins());
    assert_eq!((line.days, line.done, line.empty, line.failed.len()), (30, 30, 29, 0));
    assert_eq!((line.files, line.rejected, line.compared, line.differing, line.unknown), (1, 0, 3, 0, 0));
    for (operation, requests) in [("RequestReport", 30), ("GetReport", 1)] {
        let counts = counted(&world, operation);
        assert_eq!(
            (counts.requests, counts.succeeded, counts.throttled),
            (requests, requests, 0),
            "{operation}"
        );
    }
    assert_eq!(world.simulator.counts().total().throttled, 0);
    let (files, manifests) = (kept(&world, "capture", ".csv"), kept(&world, "capture", ".manifest.json"));
    assert_eq!((files.len(), manifests.len()), (1, 30));
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("2027-01-15--"), "{name}");
    let bytes = std::fs::read(&files[0]).unwrap();
    assert!(bytes.windows(17).any(|part| part == b"buyer@example.com"), "byte for byte");
    let noted =
        manifests.iter().map(|path| manifest(path)).find(|noted| noted["sha256"].is_string()).unwrap();
    assert_eq!(noted["bytes"].as_u64(), Some(bytes.len() as u64));
    assert_eq!(noted["sha256"].as_str().unwrap(), sum("sha256sum", &files[0]));
    assert_eq!(noted["md5"].as_str().unwrap(), sum("md5sum", &files[0]));
    assert_eq!(noted["read"]["rows"], line.rows);
    assert_eq!(noted["content_type"], "text/plain;charset=UTF-8");
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(files[0].parent().unwrap())), (0o640, 0o750));

    let again = only(&world, "capture", "2027-01-15", "2027-02-13").await;
    assert_eq!((again.done, again.empty, again.rows), (30, 29, 0));
    // The last day was not over for three days when it was fetched, but is still fresh.
    assert_eq!(counted(&world, "RequestReport").requests, 30);
    world.pass_hours(13.0).await;
    only(&world, "capture", "2027-01-15", "2027-02-13").await;
    assert_eq!(counted(&world, "RequestReport").requests, 32, "the two youngest days may have changed");
    assert_no_buyer_outside(&world);
    assert!(told(&world, "report-difference").is_empty() && told(&world, "provider-report").is_empty());
    world.stop().await;
}

/// The system's own checksum tool.
fn sum(tool: &str, path: &Path) -> String {
    let output = std::process::Command::new(tool).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_taken_opens_an_account_that_was_refused() {
    let fault = "[[fault]]\nkind = \"refused_credentials\"\nstatus = 403\noperation = \"GetCaptureDetails\"\n\
                 to_s = 7200\n";
    let mut world = World::new(START, &scenario(fault), "").await;
    world.stop().await;
    // Its answer would open the account as well.
    with_keys(&world, "service_status = false");
    world.start().await;
    world.enrol_all("old-shop").await;
    world.pass_minutes(121.0).await;
    assert_eq!(world.events("credentials-refused").len(), 1);
    assert_eq!(world.events("credentials-accepted").len(), 0, "the next probe is minutes away");
    ask(&world, begin(&["capture"], "2027-01-13", "2027-01-14")).await.unwrap();
    world.pass_minutes(1.5).await;
    assert_eq!(world.events("credentials-accepted").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn settlements_are_found_in_the_list_and_every_type_arrives() {
    let mut world = World::new(START, &scenario(""), "").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(5.0 * 24.0).await;
    let lines = fetched(&world, &[], "2027-01-15", "2027-01-18").await;
    let words: Vec<&str> = lines.iter().map(|line| line.report.as_str()).collect();
    assert_eq!(
        words,
        ["authorization", "billing-agreement", "capture", "order-reference", "refund", "settlement"]
    );
    let of = |word: &str| lines.iter().find(|line| line.report == word).unwrap();
    assert_eq!((of("settlement").days, of("settlement").done, of("settlement").compared), (1, 1, 3));
    assert_eq!((of("refund").empty, of("capture").compared), (4, 3));
    assert!(of("authorization").unknown >= 3, "nobody enrolled the captures' authorizations");
    assert_eq!(of("authorization").enrolled, 0);
    assert_eq!(kept(&world, "settlement", ".csv").len(), 1);
    let fetches = counted(&world, "GetReport").requests;
    only(&world, "settlement", "2027-01-15", "2027-01-18").await;
    assert_eq!(counted(&world, "GetReport").requests, fetches, "a report that is kept is not fetched again");
    assert_eq!(world.simulator.counts().total().throttled, 0);
    let unknown = ask(&world, begin(&["captures"], "2027-01-15", "2027-01-16")).await.unwrap_err();
    assert!(unknown.to_string().contains("settlement, order-reference"), "{unknown}");
    let future = ask(&world, begin(&[], "2027-01-15", "2027-01-20")).await.unwrap_err();
    assert!(future.to_string().contains("future"), "{future}");
    let long = ask(&world, begin(&[], "2026-12-01", "2027-01-15")).await.unwrap_err();
    assert!(long.to_string().contains("30 days"), "{long}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_and_corrupt_reports_are_tried_again_and_then_reported_once() {
    let mut world = World::new(START, &scenario(&conduct("cancelled = 1, spoilt = 2")), "").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(48.0).await;
    let line = only(&world, "capture", "2027-01-15", "2027-01-15").await;
    assert_eq!((line.done, line.failed.len(), line.compared), (1, 0, 3));
    assert_eq!(counted(&world, "RequestReport").requests, 2, "a cancelled request is made once more");
    assert_eq!(counted(&world, "GetReport").requests, 3, "a wrong MD5 is never taken");
    assert!(told(&world, "provider-report").is_empty());
    world.stop().await;

    let mut world = World::new(START, &scenario(&conduct("cancelled = 2, spoilt = 4")), "").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(48.0).await;
    let line = only(&world, "capture", "2027-01-15", "2027-01-15").await;
    assert_eq!(line.failed[0].why, "cancelled by the provider twice");
    let line = only(&world, "capture", "2027-01-15", "2027-01-15").await;
    assert!(line.failed[0].why.contains("MD5"), "{:?}", line.failed);
    assert!(kept(&world, "capture", ".csv").is_empty());
    let line = only(&world, "capture", "2027-01-15", "2027-01-15").await;
    assert_eq!((line.done, line.compared), (1, 3));
    world.pass_minutes(5.0).await;
    let alerts = told(&world, "provider-report");
    assert_eq!(alerts.len(), 2, "each failed download is reported once");
    let advice = alerts[0]["advice"].as_str().unwrap();
    assert!(
        advice.contains("fetch-reports old-shop --type capture --from 2027-01-15 --to 2027-01-15"),
        "{advice}"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bad_rows_are_quarantined_with_their_lines_and_reported_once_over_all_nights() {
    let report = "bad_rows = 3, has_extra_column = true, is_western = true";
    let mut world = World::new(START, &scenario(&conduct(report)), "").await;
    with_keys(&world, "provider_reports = { types = [\"capture\"], schedule = \"30 2 * * *\" }");
    assert!(world.daemon().service().reload("uid:0").await.is_applied);
    world.enrol_all("old-shop").await;
    world.pass_hours(5.0 * 24.0).await;
    let files = kept(&world, "capture", ".csv");
    assert!(files.len() >= 6, "the day is fetched again while its rows may still come: {}", files.len());
    let rejected = kept(&world, "capture", ".rejected.csv");
    assert_eq!(2 * rejected.len(), files.len(), "the bad rows of every file stand beside it");
    let text = std::fs::read_to_string(&rejected[0]).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "line,column,why");
    assert_eq!(lines.len(), 4);
    assert!(lines[1].ends_with(",CaptureStatus,is empty"), "{text}");
    assert!(lines[2].ends_with(",CaptureAmount,cannot be read"), "{text}");
    assert!(lines[3].ends_with(",LastUpdateTimestamp,cannot be read"), "{text}");
    assert!(!text.contains("1.234,50") && !text.contains("yesterday"), "no cell's text");
    let noted = manifest(
        &kept(&world, "capture", ".manifest.json")
            .into_iter()
            .find(|path| manifest(path)["read"].is_object())
            .unwrap(),
    );
    assert_eq!(
        (&noted["read"]["rejected"], &noted["content_type"]),
        (&3.into(), &"text/plain;charset=windows-1252".into())
    );
    assert!(noted["read"]["columns"].to_string().contains("LoyaltyTier"));
    let alerts = told(&world, "provider-report");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let explanation = alerts[0]["explanation"].as_str().unwrap();
    assert!(explanation.contains("bad: 3 rows: line "), "{explanation}");
    assert!(told(&world, "report-difference").is_empty(), "the good rows agree");
    assert_no_buyer_outside(&world);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_unreadable_file_is_a_failure_and_is_reported_under_its_own_key() {
    let mut world = World::new(START, &scenario(&conduct("is_web_page = true")), "").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(5.0 * 24.0).await;
    for attempt in 1..=2 {
        for word in ["capture", "settlement"] {
            let line = only(&world, word, "2027-01-15", "2027-01-18").await;
            assert_eq!((line.files, line.unreadable, line.compared), (1, 1, 0), "{word}, attempt {attempt}");
            assert!(line.is_failed() && line.failed.is_empty());
            assert!(line.unread[0].why.contains("web page"), "{:?}", line.unread);
            assert!(std::fs::read(&line.unread[0].file).unwrap().starts_with(b"<!DOCTYPE"));
        }
        assert_eq!(counted(&world, "GetReport").requests, 2, "what is kept is read again, not fetched again");
    }
    world.pass_minutes(5.0).await;
    let alerts = told(&world, "provider-report");
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    for alert in &alerts {
        let text = alert.to_string();
        assert!(text.contains("cannot be read") && text.contains("Nothing in it was compared"), "{text}");
        assert!(!text.contains("other rows"), "{text}");
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_difference_is_reported_exactly_once_and_the_object_is_polled_again() {
    let report = "other_amounts = 1, other_states = 1, has_mark = true";
    let mut world = World::new(START, &scenario(&conduct(report)), "").await;
    let objects = world.enrol_all("old-shop").await;
    world.pass_hours(20.0).await;
    let mut polls = Vec::new();
    for object in &objects {
        let record = world.record(object).await;
        assert!(record.is_finished());
        polls.push(record.polls);
    }
    with_keys(
        &world,
        "provider_reports = { types = [\"capture\", \"settlement\"], schedule = \"30 2 * * *\" }",
    );
    assert!(world.daemon().service().reload("uid:0").await.is_applied);
    world.pass_hours(5.0 * 24.0).await;
    assert!(kept(&world, "capture", ".csv").len() >= 3, "the same file came in several nights");
    let alerts = told(&world, "report-difference");
    assert_eq!(alerts.len(), 2, "one about the amount, one about the state: {alerts:?}");
    let about: BTreeSet<&str> = alerts.iter().map(|alert| alert["object"]["id"].as_str().unwrap()).collect();
    assert_eq!(about.len(), 1);
    let headlines: Vec<&str> = alerts.iter().map(|alert| alert["headline"].as_str().unwrap()).collect();
    assert!(
        headlines
            .iter()
            .any(|line| line.contains("a different amount")
                && line.contains("114.00 USD instead of 14.00 USD")),
        "{headlines:?}"
    );
    assert!(
        headlines.iter().any(|line| line.contains("a different state") && line.contains("Declined")),
        "{headlines:?}"
    );
    assert!(alerts[0]["advice"].as_str().unwrap().contains("reconciled show old-shop/capture/"));
    for (object, before) in objects.iter().zip(polls) {
        let record = world.record(object).await;
        let extra = u64::from(about.contains(object.id.as_str()));
        assert_eq!(record.polls, before + extra, "polled once more, and the state stays: {object}");
        assert_eq!((record.state(), record.is_finished()), (Some("Completed"), true));
        assert_eq!(record.quarantine, None);
    }
    assert_eq!(world.chat().iter().filter(|text| text.contains("a different")).count(), 2);
    assert!(told(&world, "declined").is_empty(), "a report decides nothing");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_objects_are_enrolled_when_configured() {
    let mut world = World::new(START, &scenario(""), "").await;
    world.pass_hours(48.0).await;
    let line = only(&world, "capture", "2027-01-15", "2027-01-15").await;
    assert_eq!((line.unknown, line.enrolled, line.compared), (3, 0, 0));
    with_keys(&world, "provider_reports = { discover = true }");
    assert!(world.daemon().service().reload("uid:0").await.is_applied);
    world.pass_hours(13.0).await;
    let line = only(&world, "capture", "2027-01-15", "2027-01-15").await;
    assert_eq!((line.unknown, line.enrolled), (3, 3));
    world.pass_hours(1.0).await;
    let planted = world.simulator.planted();
    for one in planted.iter().filter(|one| one.truth.kind == "capture") {
        let object = format!("old-shop/capture/{}", one.truth.id).parse().unwrap();
        let record = world.record(&object).await;
        assert_eq!((record.state(), record.is_finished()), (Some("Completed"), true));
        assert_eq!(record.merchant_reference(), Some(one.truth.merchant_reference.as_str()));
        assert_eq!(record.quarantine, None, "the details of the report fit what polling saw");
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn throttles_outages_and_missed_nights_are_made_up_for() {
    let faults = "[[fault]]\nkind = \"throttle\"\noperation = \"RequestReport\"\nretry_after_s = 30\nfrom_s = 70000\nto_s = 90000\n\
                  [[fault]]\nkind = \"server_error_503\"\noperation = \"GetReport\"\nshare = 0.5\n\
                  [[fault]]\nkind = \"hang\"\noperation = \"GetReportRequestList\"\nshare = 0.3\n\
                  [[fault]]\nkind = \"hang_mid_body\"\noperation = \"RequestReport\"\nshare = 0.3\n";
    let mut world = World::new(START, &scenario(faults), "").await;
    with_keys(&world, "provider_reports = { types = [\"capture\"], schedule = \"30 2 * * *\" }");
    assert!(world.daemon().service().reload("uid:0").await.is_applied);
    world.enrol_all("old-shop").await;
    world.pass_hours(26.0).await;
    assert!(!kept(&world, "capture", ".csv").is_empty());
    world.stop().await;
    world.pass_hours(6.0 * 24.0).await;
    world.start().await;
    world.pass_hours(6.0).await;
    let service = world.daemon().service();
    let mut lines = go(&world).await;
    let line = lines.remove(0);
    assert!(line.is_nightly && line.is_over && line.failed.is_empty(), "{line:?}");
    let days: BTreeSet<String> = kept(&world, "capture", ".manifest.json")
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap()[..10].to_owned())
        .collect();
    for missed in ["2027-01-15", "2027-01-16", "2027-01-19", "2027-01-21"] {
        assert!(days.contains(missed), "{missed} is not in {days:?}");
    }
    let counts = counted(&world, "RequestReport");
    assert_eq!(counts.over_quota, 0);
    let status = service.status().await.unwrap();
    let schedule =
        status.health.schedules.iter().find(|schedule| schedule.name.contains("old-shop")).unwrap();
    assert_eq!(schedule.cron, "30 2 * * *");
    world.stop().await;
}

/// Good and bad rows with buyer data, fetched, compared and reported; none of that data is left outside.
pub async fn fetched_in_a_world_of_buyers() {
    let report = "bad_rows = 3, other_amounts = 1, has_extra_column = true";
    let mut world = World::new(START, &scenario(&conduct(report)), "").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(48.0).await;
    let line = only(&world, "capture", "2027-01-15", "2027-01-15").await;
    assert_eq!((line.rejected, line.differing), (3, 1));
    world.pass_minutes(5.0).await;
    assert_no_buyer_outside(&world);
    world.stop().await;
    assert_no_buyer_outside(&world);
}
