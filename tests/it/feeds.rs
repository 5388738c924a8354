//! Feeds of Amazon Pay MWS in a whole daemon: submitted, sent once, polled, their results applied to the
//! watched objects. Whatever happens on the way, nothing is submitted twice and no request is forgotten.

use std::collections::BTreeSet;

use amazon_pay_simulator::exchange::Incoming;
use reconciled::apis;
use reconciled::apis::amazon_pay_mws::config::Settings;
use reconciled::apis::amazon_pay_mws::feeds::document::{self, Caps};
use reconciled::apis::amazon_pay_mws::feeds::request::{BatchOperation, BatchRequest as FeedRequest};
use reconciled::clock::Clock;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{
    BatchCancel, BatchLine, BatchList, BatchRelease, BatchRowShown, BatchShow, BatchShown, BatchSubmission,
    BatchSubmitted,
};
use reconciled::control::problem::Problem;
use reconciled::payments::lifecycle::Phase;
use reconciled::payments::object::{ObjectId, ObjectRef};

use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";

/// A live shop with open authorizations and completed captures, plus the rest of the scenario.
pub fn scenario(more: &str) -> String {
    let planted = |kind: &str, prefix: &str, count: u32, steps: &str| {
        format!(
            "[[population]]\naccount = \"uk\"\nkind = \"{kind}\"\ncount = {count}\nreference_prefix = \"{prefix}\"\n\
             currencies = [{{ code = \"GBP\", amount = [\"10.00\", \"10.00\"] }}]\n\
             outcome = [{{ steps = [{steps}] }}]\n"
        )
    };
    format!(
        "seed = 11\n[[account]]\nname = \"uk\"\napi = \"amazon-pay-mws\"\nmerchant_id = \"A3EXAMPLEUK\"\n\
         region = \"eu\"\nenvironment = \"live\"\naccess_key_id = \"AKIAEXAMPLEUK\"\n{}{}{more}",
        planted("authorization", "auth-", 6, "{ state = \"Open\" }"),
        planted("capture", "paid-", 3, "{ state = \"Completed\" }"),
    )
}

fn planted(world: &World, prefix: &str) -> Vec<String> {
    let planted = world.simulator.planted();
    let mut found: Vec<(String, String)> = planted
        .into_iter()
        .filter(|one| one.truth.merchant_reference.starts_with(prefix))
        .map(|one| (one.truth.merchant_reference, one.truth.id))
        .collect();
    found.sort();
    found.into_iter().map(|(_, id)| id).collect()
}

/// Captures of the planted authorizations, as an operator writes them.
fn captures(world: &World, count: usize) -> String {
    let mut text =
        "AmazonAuthorizationId,CaptureReferenceId,Amount,CurrencyCode,SellerCaptureNote\n".to_owned();
    for (number, id) in planted(world, "auth-").into_iter().take(count).enumerate() {
        text.push_str(&format!("{id},capture-{number},9.50,GBP,\"thanks & <regards>, no. {number}\"\n"));
    }
    text
}

async fn submit(world: &World, operation: &str, content: &str) -> BatchSubmitted {
    let submission = BatchSubmission {
        account: "uk".parse().unwrap(),
        content: content.to_owned(),
        operation: Some(operation.to_owned()).filter(|operation| !operation.is_empty()),
        label: None,
        dry_run: false,
    };
    world.daemon().service().submit_batch(submission).await.unwrap()
}

async fn one(world: &World, operation: &str, content: &str) -> String {
    let done = submit(world, operation, content).await;
    assert_eq!(done.problems, Vec::<String>::new());
    assert_eq!((done.files.len(), done.may_send, done.files[0].was_known), (1, true, false));
    done.files[0].reference.clone()
}

async fn shown(world: &World, reference: &str) -> BatchShown {
    let request = BatchShow { reference: reference.to_owned() };
    world.daemon().service().show_batch(&request).await.unwrap()
}

async fn stage(world: &World, reference: &str) -> String {
    shown(world, reference).await.line.stage
}

async fn cancelled(world: &World, reference: &str) -> Result<BatchLine, Problem> {
    world.daemon().service().cancel_batch(&BatchCancel { reference: reference.to_owned() }).await
}

async fn released(world: &World, request: BatchRelease) -> Result<BatchLine, Problem> {
    world.daemon().service().release_batch(request).await
}

/// How many feeds the provider has accepted, even if its answer was lost.
fn taken(world: &World) -> u64 {
    succeeded(world, "SubmitFeed")
}

fn succeeded(world: &World, operation: &str) -> u64 {
    let counts = world.simulator.counts();
    counts.operations.get(&("uk".to_owned(), operation.to_owned())).map_or(0, |counts| counts.succeeded)
}

/// The provider's captures and refunds besides the planted ones: (captures, refunds).
fn made(world: &World) -> (usize, usize) {
    let truths = world.simulator.truths();
    let of = |kind: &str| truths.iter().filter(|truth| truth.kind == kind).count();
    (of("capture") - 3, of("refund"))
}

fn fates(shown: &BatchShown) -> BTreeSet<&str> {
    shown.row_list.iter().map(|row| row.fate.as_str()).collect()
}

/// Every row names its own object, which is watched and has the state that the row says.
async fn check_objects(world: &World, shown: &BatchShown, kind: &str) {
    let mut ids = BTreeSet::new();
    for row in &shown.row_list {
        let id = row.fort_id.as_deref().unwrap_or_else(|| panic!("{row:?} has no object"));
        assert!(ids.insert(id), "{id} stands for two rows");
        let object: ObjectRef = format!("uk/{kind}/{id}").parse().unwrap();
        let record = world.record(&object).await;
        assert_eq!((record.state(), record.phase()), (Some("Completed"), Phase::Final), "{row:?}");
        assert_eq!(record.merchant_reference(), Some(row.merchant_reference.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn captures_are_sent_once_polled_and_applied_to_the_watched_objects() {
    let world = World::new(START, &scenario(""), "").await;
    let rows = captures(&world, 5);
    let reference = one(&world, "Capture", &rows).await;
    let before = shown(&world, &reference).await;
    // The daemon takes it at once, so it may have begun already.
    assert!(["new", "sending"].contains(&before.line.stage.as_str()), "{before:?}");
    assert_eq!(before.row_list.len(), 5);
    world.pass_minutes(4.0).await;
    assert_eq!(stage(&world, &reference).await, "following");
    world.pass_hours(2.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.line.done, batch.uploads), ("finished", 5, 1));
    assert_eq!((taken(&world), made(&world)), (1, (5, 0)));
    check_objects(&world, &batch, "capture").await;
    let lines: Vec<u64> = batch.row_list.iter().map(|row| row.input_line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    assert!(succeeded(&world, "GetCaptureDetails") <= 5, "the result tells what further polls would");
    assert_eq!(world.events("batch").len(), 0, "nothing needs a person");
    let again = submit(&world, "Capture", &rows).await;
    assert!(again.files[0].was_known, "the same rows are one batch");
    world.pass_hours(2.0).await;
    assert_eq!(taken(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn pending_refunds_are_polled_to_their_end() {
    let conduct = "[[mws]]\naccount = \"uk\"\nrefund_delay_s = 20000\n";
    let world = World::new(START, &scenario(conduct), "").await;
    let mut rows = String::new();
    for (number, id) in planted(&world, "paid-").iter().enumerate() {
        rows.push_str(&format!(
            "{{\"AmazonCaptureId\":\"{id}\",\"RefundReferenceId\":\"refund-{number}\",\"Amount\":\"1.00\",\
             \"CurrencyCode\":\"GBP\"}}\n"
        ));
    }
    let reference = one(&world, "Refund", &rows).await;
    world.pass_hours(1.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.line.open), ("finished", 3), "{batch:?}");
    assert!(batch.row_list.iter().all(|row| row.state.as_deref() == Some("Pending")));
    assert_eq!(world.events("batch").len(), 1, "somebody is told that they are undecided");
    world.pass_hours(8.0).await;
    check_objects(&world, &batch, "refund").await;
    assert_eq!((taken(&world), made(&world)), (1, (0, 3)));
}

#[tokio::test(start_paused = true)]
async fn bad_rows_and_a_missing_operation_are_reported_together_and_nothing_is_recorded() {
    let world = World::new(START, &scenario(""), "").await;
    let rows = captures(&world, 1)
        + "P02-1234567-1234567-C000001,x y,9.5,GBP,\nS02-1234567-1234567-A000001,b,9999999.00,GBP,\n";
    let done = submit(&world, "Capture", &rows).await;
    for line in ["line 3", "line 4"] {
        assert!(done.problems.iter().any(|problem| problem.starts_with(line)), "{:?}", done.problems);
    }
    assert!(!done.problems.iter().any(|problem| problem.starts_with("line 2")));
    for operation in ["", "Authorize"] {
        let done = submit(&world, operation, &captures(&world, 1)).await;
        assert!(done.problems[0].contains("--operation") && done.problems[0].contains("CloseAuthorization"));
    }
    world.pass_hours(1.0).await;
    assert_eq!(taken(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_lost_requests_submit_once_through_restarts() {
    for (kind, lag) in [("truncated_body", 0), ("truncated_body", 400), ("reset", 0)] {
        let more = format!(
            "[[fault]]\nkind = \"{kind}\"\noperation = \"SubmitFeed\"\nto_s = 900\n\
             [[mws]]\naccount = \"uk\"\nfeed_list_lag_s = {lag}\n"
        );
        let mut world = World::new(START, &scenario(&more), "").await;
        let reference = one(&world, "Capture", &captures(&world, 3)).await;
        for _ in 0..20 {
            world.pass_minutes(2.0).await;
            world.stop().await;
            world.start().await;
        }
        world.pass_hours(3.0).await;
        let batch = shown(&world, &reference).await;
        assert_eq!((batch.line.stage.as_str(), batch.line.done), ("finished", 3), "{kind} {lag}");
        assert_eq!((taken(&world), made(&world)), (1, (3, 0)), "{kind} {lag}");
    }
}

/// The provider accepts the first request, its answer is lost, and its list lags for hours: it is sent again.
const ARRIVED_UNSEEN: &str = "[[fault]]\nkind = \"truncated_body\"\noperation = \"SubmitFeed\"\nto_s = 120\n\
    [[mws]]\naccount = \"uk\"\nfeed_list_lag_s = 7200\n";

#[tokio::test(start_paused = true)]
async fn a_feed_refused_at_a_second_submission_is_looked_up_row_by_row() {
    let mut world = World::new(START, &scenario(ARRIVED_UNSEEN), "").await;
    let reference = one(&world, "Capture", &captures(&world, 2)).await;
    world.pass_minutes(3.0).await;
    assert_eq!((stage(&world, &reference).await.as_str(), taken(&world)), ("searching", 1));
    // A retail marketplace: the second submission is refused permanently.
    world.stop().await;
    let retail = "allow_writes = true\nmarketplace_id = \"ATVPDKIKX0DER\"\n";
    world.rewrite_config(|text| text.replace("allow_writes = true\n", retail));
    world.start().await;
    world.pass_hours(8.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.uploads), ("in-doubt", 2), "{batch:?}");
    assert_eq!((taken(&world), made(&world)), (1, (2, 0)), "the first sending was carried out");
    assert_eq!(fates(&batch), BTreeSet::from(["done"]), "its captures are found singly: {batch:?}");
    check_objects(&world, &batch, "capture").await;
    assert!(!world.chat().iter().any(|text| text.contains("No money moved")), "{:?}", world.chat());
}

#[tokio::test(start_paused = true)]
async fn a_feed_cancelled_after_a_lost_submission_is_not_reported_as_never_sent() {
    let world = World::new(START, &scenario(ARRIVED_UNSEEN), "").await;
    let reference = one(&world, "Capture", &captures(&world, 2)).await;
    world.pass_minutes(3.0).await;
    cancelled(&world, &reference).await.unwrap();
    world.pass_hours(8.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.uploads), ("in-doubt", 1), "{batch:?}");
    assert_eq!((taken(&world), made(&world)), (1, (2, 0)));
    assert_eq!(fates(&batch), BTreeSet::from(["done"]), "{batch:?}");
}

#[tokio::test(start_paused = true)]
async fn duplicate_references_of_a_second_submission_are_looked_up_and_not_reported_as_declined() {
    let conduct = format!("{ARRIVED_UNSEEN}is_repetition_refused = true\n");
    let world = World::new(START, &scenario(&conduct), "").await;
    let reference = one(&world, "Capture", &captures(&world, 3)).await;
    world.pass_hours(8.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.uploads), ("finished", 2), "{batch:?}");
    assert_eq!((taken(&world), made(&world)), (2, (3, 0)), "it arrived twice, and each was done once");
    assert_eq!(fates(&batch), BTreeSet::from(["done"]), "{batch:?}");
    check_objects(&world, &batch, "capture").await;
    // The list lags, which is reported; in the end every row is done.
    let told = world.events("batch");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["key"].as_str().unwrap().ends_with("/not-listed"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_delay_a_feed_and_do_not_end_it() {
    for status in [401, 403] {
        let more = format!("[[fault]]\nkind = \"refused_credentials\"\nstatus = {status}\nto_s = 180000\n");
        let world = World::new(START, &scenario(&more), "").await;
        let reference = one(&world, "Capture", &captures(&world, 2)).await;
        world.pass_hours(49.0).await;
        assert_eq!((stage(&world, &reference).await.as_str(), taken(&world)), ("new", 0));
        let told = world.events("batch");
        assert_eq!(told.len(), 1, "one alert says that the account is refused: {told:?}");
        world.pass_hours(4.0).await;
        let batch = shown(&world, &reference).await;
        assert_eq!((batch.line.stage.as_str(), batch.line.done), ("finished", 2), "{batch:?}");
        assert_eq!((taken(&world), made(&world)), (1, (2, 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_taken_opens_an_account_that_was_refused() {
    let fault = "[[fault]]\nkind = \"refused_credentials\"\nstatus = 403\noperation = \"GetCaptureDetails\"\n\
                 to_s = 7200\n";
    let mut world = World::new(START, &scenario(fault), "").await;
    world.stop().await;
    // Its answer would open the account as well.
    world.rewrite_config(|text| {
        text.replace(
            "access_key_id = \"AKIAEXAMPLEUK\"",
            "access_key_id = \"AKIAEXAMPLEUK\"\nservice_status = false",
        )
    });
    world.start().await;
    let paid = planted(&world, "paid-").into_iter();
    let lines = paid.map(|id| EnrolmentRequest::plain(format!("uk/capture/{id}").parse().unwrap()));
    world.daemon().service().enrol(lines.collect()).await.unwrap();
    world.pass_minutes(121.0).await;
    assert_eq!(world.events("credentials-refused").len(), 1);
    assert_eq!(world.events("credentials-accepted").len(), 0, "the next probe is minutes away");
    one(&world, "Capture", &captures(&world, 2)).await;
    world.pass_minutes(1.5).await;
    assert_eq!(world.events("credentials-accepted").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_missing_repeated_or_nameless_are_all_accounted_for() {
    let conduct = "[[mws]]\naccount = \"uk\"\nmissing_row_share = 0.5\nrepeated_row_share = 0.3\n\
                   row_without_id_share = 0.3\n";
    let world = World::new(START, &scenario(conduct), "").await;
    let reference = one(&world, "Capture", &captures(&world, 6)).await;
    world.pass_hours(1.0).await;
    let first = shown(&world, &reference).await;
    world.pass_hours(6.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.line.done), ("finished", 6), "{first:?} {batch:?}");
    check_objects(&world, &batch, "capture").await;
    assert_eq!((taken(&world), made(&world)), (1, (6, 0)));
    assert!(succeeded(&world, "GetAuthorizationDetails") > 0, "what had no row was looked for singly");
    assert_eq!(world.events("batch").len(), 0, "in the end every row is done");
}

#[tokio::test(start_paused = true)]
async fn rows_that_fail_end_with_their_code_and_closing_shows_in_the_watched_objects() {
    let world = World::new(START, &scenario(""), "").await;
    let objects = world.enrol_all("uk").await;
    let ids = planted(&world, "auth-");
    let rows = format!("AmazonAuthorizationId\n{}\nP02-0000000-0000000-A000009\n", ids[0]);
    let reference = one(&world, "CloseAuthorization", &rows).await;
    world.pass_hours(2.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!(batch.line.stage, "finished");
    let row = |place: usize| -> &BatchRowShown { &batch.row_list[place] };
    assert_eq!(row(0).fate, "done");
    assert_eq!((row(1).fate.as_str(), row(1).code.is_some()), ("declined", true), "{:?}", row(1));
    assert_eq!(world.events("batch").len(), 1);
    let closed = objects.iter().find(|object| object.id.as_str() == ids[0]).unwrap();
    assert_eq!(world.record(closed).await.state(), Some("Closed"), "it was looked at again at once");
}

#[tokio::test(start_paused = true)]
async fn batches_are_sent_one_after_another_and_large_inputs_are_divided() {
    let world = World::new(START, &scenario(""), "").await;
    let mut world = world;
    world.stop().await;
    let divided = "allow_writes = true\nbatch = { max_requests = 2 }\n";
    world.rewrite_config(|text| text.replace("allow_writes = true\n", divided));
    world.start().await;
    let done = submit(&world, "Capture", &captures(&world, 5)).await;
    assert_eq!(done.files.iter().map(|file| file.rows).collect::<Vec<_>>(), [2, 2, 1]);
    world.pass_minutes(18.0).await;
    assert_eq!(taken(&world), 1, "20 minutes between two feeds");
    world.pass_minutes(22.0).await;
    assert_eq!(taken(&world), 2);
    world.pass_hours(3.0).await;
    let mut numbers = BTreeSet::new();
    for file in &done.files {
        let batch = shown(&world, &file.reference).await;
        assert_eq!((batch.line.stage.as_str(), fates(&batch)), ("finished", BTreeSet::from(["done"])));
        for row in &batch.row_list {
            assert!(numbers.insert(row.line), "SellerRequestId {} was used twice", row.line);
        }
    }
    assert_eq!((taken(&world), made(&world)), (3, (5, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_hits_its_own_feed_and_its_rows_are_shown_to_have_no_effect() {
    let conduct = "[[mws]]\naccount = \"uk\"\nfeed_take_in_s = 3600\n";
    let world = World::new(START, &scenario(conduct), "").await;
    let rows = captures(&world, 4);
    let (head, rest) = rows.split_once('\n').unwrap();
    let lines: Vec<&str> = rest.lines().collect();
    let other = one(&world, "Capture", &format!("{head}\n{}\n", lines[..2].join("\n"))).await;
    let mine = one(&world, "Capture", &format!("{head}\n{}\n", lines[2..].join("\n"))).await;
    world.pass_minutes(30.0).await;
    assert_eq!(taken(&world), 2);
    cancelled(&world, &mine).await.unwrap();
    world.pass_hours(6.0).await;
    let batch = shown(&world, &mine).await;
    assert_eq!((batch.line.stage.as_str(), fates(&batch)), ("cancelled", BTreeSet::from(["declined"])));
    assert!(batch.row_list.iter().all(|row| row.code.as_deref() == Some("FeedCancelled")));
    assert_eq!(stage(&world, &other).await, "finished");
    assert_eq!(made(&world), (2, 0), "only the other batch was carried out");
    assert_eq!(world.events("batch").len(), 0, "it ended as wanted");
    let late = cancelled(&world, &other).await;
    assert!(late.unwrap_err().to_string().contains("cannot be cancelled any more"));
}

#[tokio::test(start_paused = true)]
async fn without_permission_to_write_nothing_is_sent_which_is_reported_and_can_be_cancelled() {
    let mut world = World::new(START, &scenario(""), "").await;
    world.stop().await;
    world.rewrite_config(|text| text.replace("allow_writes = true", "allow_writes = false"));
    world.start().await;
    let done = submit(&world, "Capture", &captures(&world, 2)).await;
    assert!(!done.may_send);
    let reference = done.files[0].reference.clone();
    world.pass_hours(5.0).await;
    assert_eq!((stage(&world, &reference).await.as_str(), taken(&world)), ("new", 0));
    assert_eq!(world.events("batch").len(), 1, "that it is blocked is told once");
    cancelled(&world, &reference).await.unwrap();
    world.pass_hours(1.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.line.declined), ("never-sent", 2));
    assert_eq!((taken(&world), made(&world)), (0, (0, 0)));
}

/// A feed of the same seller, submitted by another program.
fn foreign_feed(world: &World) {
    let settings = settings(world);
    let request = FeedRequest {
        id: ObjectId::new("P02-1111111-1111111-C111111").unwrap(),
        reference_id: None,
        amount: None,
        text: None,
        soft_descriptor: None,
    };
    let operation = BatchOperation::GetCaptureDetails;
    let feed = document::build(operation, &settings.seller_id, [&request], 9_000_001, Caps::MOST).remove(0);
    let marketplace = settings.marketplace_id.clone().unwrap();
    let ask = apis::amazon_pay_mws::feeds::submit(feed.bytes, &marketplace);
    let request = ask.sign(&settings, world.clock.now());
    let (host, target) = request.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let (path, query) = target.split_once('?').unwrap();
    let outgoing = world.simulator.answer(Incoming {
        method: "POST".to_owned(),
        host: host.to_owned(),
        path: format!("/{path}"),
        query: query.to_owned(),
        headers: [("host".to_owned(), host.to_owned())]
            .into_iter()
            .chain(request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
            .collect(),
        body: request.body,
        at: world.clock.now(),
    });
    assert_eq!(outgoing.status, 200, "{}", String::from_utf8_lossy(&outgoing.body));
}

fn settings(world: &World) -> Settings {
    world.config().accounts[0].api.own::<Settings>().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_lost_submission_that_matches_several_feeds_waits_for_a_person() {
    for adopts in [true, false] {
        // Either the answer is lost (and the feed exists), or the request is (and it does not).
        let kind = if adopts { "truncated_body" } else { "reset" };
        let lost =
            format!("[[fault]]\nkind = \"{kind}\"\noperation = \"SubmitFeed\"\nfrom_s = 60\nto_s = 900\n");
        let world = World::new(START, &scenario(&lost), "").await;
        foreign_feed(&world);
        foreign_feed(&world);
        world.pass_minutes(2.0).await;
        let reference = one(&world, "Capture", &captures(&world, 2)).await;
        let early = BatchRelease { reference: reference.clone(), adopt: None };
        assert!(released(&world, early.clone()).await.is_err(), "nothing is in doubt yet");
        world.pass_hours(1.0).await;
        let batch = shown(&world, &reference).await;
        assert_eq!(batch.line.stage, "held", "{batch:?}");
        let needs = batch.line.needs.clone().unwrap();
        assert_eq!(world.events("batch").len(), 1);
        let more = "AmazonCaptureId\n".to_owned() + &*planted(&world, "paid-").join("\n");
        let waiting = one(&world, "GetCaptureDetails", &more).await;
        world.pass_hours(1.0).await;
        assert_eq!(stage(&world, &waiting).await, "new", "no other may leave while one is in doubt");
        let release = match adopts {
            true => {
                // The feeds are listed oldest first: the third is ours.
                let (_, ids) = needs.rsplit_once(": ").unwrap();
                let newest = ids.split(", ").max_by_key(|id| id[id.len() - 6..].to_owned()).unwrap();
                BatchRelease { reference: reference.clone(), adopt: Some(newest.to_owned()) }
            }
            false => early,
        };
        released(&world, release).await.unwrap();
        world.pass_hours(4.0).await;
        let batch = shown(&world, &reference).await;
        assert_eq!((batch.line.stage.as_str(), batch.line.done), ("finished", 2), "{adopts}: {batch:?}");
        assert_eq!(made(&world), (2, 0));
        assert_eq!(stage(&world, &waiting).await, "finished");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_document_blocks_its_batch_is_reported_and_delays_no_other() {
    let world = World::new(START, &scenario(""), "").await;
    let gone = one(&world, "Capture", &captures(&world, 1)).await;
    let path = world.folder.path().join(format!("store/batches/account-uk/{gone}.xml"));
    std::fs::remove_file(path).unwrap();
    let rows = "AmazonCaptureId\n".to_owned() + &*planted(&world, "paid-").join("\n");
    let other = one(&world, "GetCaptureDetails", &rows).await;
    world.pass_hours(3.0).await;
    assert_eq!(stage(&world, &other).await, "finished");
    let lines = world.daemon().service().list_batches(&BatchList::default()).await.unwrap();
    assert_eq!(lines[0].stage, "new");
    let told = world.events("batch");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((taken(&world), made(&world)), (1, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn files_of_old_batches_are_removed_and_their_rows_stay() {
    let world = World::new(START, &scenario(""), "").await;
    let mut world = world;
    world.stop().await;
    world.rewrite_config(|text| text.replace("[store]\n", "[store]\nkeep_batch_files_days = 2\n"));
    world.start().await;
    let rows = captures(&world, 2);
    let reference = one(&world, "Capture", &rows).await;
    let folder = world.folder.path().join("store/batches/account-uk");
    let kept = || std::fs::read_dir(&folder).unwrap().count();
    world.pass_hours(24.0).await;
    assert_eq!(kept(), 4, "document, lines, result, rows");
    world.pass_hours(36.0).await;
    assert_eq!(kept(), 1);
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.row_list.len(), fates(&batch)), (2, BTreeSet::from(["done"])));
    assert!(submit(&world, "Capture", &rows).await.files[0].was_known, "still not sent again");
}
