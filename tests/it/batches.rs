//! Batches in a whole daemon: submitted, sent, polled, reported. Whatever happens on the way, nothing is
//! processed twice and nothing is forgotten.

use reconciled::control::messages::{
    BatchCancel, BatchRelease, BatchShow, BatchShown, BatchSubmission, BatchSubmitted,
};
use reconciled::payments::lifecycle::Phase;
use reconciled::payments::object::ObjectRef;

use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";

/// A live shop with two authorized orders and a paid one, plus the rest of the scenario.
fn scenario(more: &str) -> String {
    let planted = |prefix: &str, count: u32, state: &str| {
        format!(
            "[[population]]\naccount = \"pay\"\nkind = \"aps-order\"\ncount = {count}\nreference_prefix = \"{prefix}\"\n\
             currencies = [{{ code = \"USD\", amount = [\"100.00\", \"100.00\"] }}]\n\
             outcome = [{{ steps = [{{ state = \"{state}\" }}] }}]\n"
        )
    };
    format!(
        "seed = 11\n[[account]]\nname = \"pay\"\napi = \"aps\"\nmerchant_id = \"CycHPay\"\n\
         environment = \"live\"\naccess_code = \"zx0IPay\"\n{}{}{more}",
        planted("auth-", 2, "02"),
        planted("paid-", 1, "14"),
    )
}

const ROWS: &str = "command,merchant_reference,amount,currency,customer_email,token_name\n\
    PURCHASE,new-1,5000,USD,a@b.com,Op9Vmp\n\
    CAPTURE,auth-000000,4000,USD,,\n\
    REFUND,paid-000000,2500,USD,,\n\
    CAPTURE,gone-1,100,USD,,\n";

async fn submit(world: &World, content: &str, label: Option<&str>) -> BatchSubmitted {
    let submission = BatchSubmission {
        account: "pay".parse().unwrap(),
        content: content.to_owned(),
        operation: None,
        label: label.map(str::to_owned),
        dry_run: false,
    };
    world.daemon().service().submit_batch(submission).await.unwrap()
}

async fn shown(world: &World, reference: &str) -> BatchShown {
    let request = BatchShow { reference: reference.to_owned() };
    world.daemon().service().show_batch(&request).await.unwrap()
}

async fn one_batch(world: &World) -> String {
    let done = submit(world, ROWS, None).await;
    assert_eq!(done.problems, Vec::<String>::new());
    assert_eq!((done.files.len(), done.files[0].rows, done.may_send), (1, 4, true));
    done.files[0].reference.clone()
}

/// How often the provider processed a batch.
fn processed(world: &World) -> u64 {
    answered(world, "PROCESS_BATCH")
}

fn asked(world: &World, operation: &str) -> u64 {
    let counts = world.simulator.counts();
    let counts = counts.operations.get(&("pay".to_owned(), operation.to_owned()));
    counts.map_or(0, |counts| counts.requests)
}

fn answered(world: &World, operation: &str) -> u64 {
    let counts = world.simulator.counts();
    let counts = counts.operations.get(&("pay".to_owned(), operation.to_owned()));
    counts.map_or(0, |counts| counts.answered)
}

fn fates(shown: &BatchShown) -> Vec<&str> {
    shown.row_list.iter().map(|row| row.fate.as_str()).collect()
}

const EXPECTED: [&str; 4] = ["done", "done", "done", "declined"];

#[tokio::test(start_paused = true)]
async fn a_batch_is_polled_through_hours_of_processing_and_its_declined_row_is_reported_once() {
    let world = World::new(START, &scenario("[aps]\nvalidation_s = 600\nprocessing_s = 7200\n"), "").await;
    let reference = one_batch(&world).await;
    world.pass_minutes(5.0).await;
    assert_eq!(shown(&world, &reference).await.line.stage, "validating");
    world.pass_minutes(20.0).await;
    assert_eq!(shown(&world, &reference).await.line.stage, "processing");
    world.pass_hours(3.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.uploads, batch.processes), ("finished", 1, 1));
    assert_eq!(fates(&batch), EXPECTED);
    assert_eq!(processed(&world), 1);
    let told = world.events("batch");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(world.chat().iter().any(|text| text.contains(&reference)), "{:?}", world.chat());
    let polls = answered(&world, "GET_BATCH_RESULTS");
    assert!((20..80).contains(&polls), "polls become rare: {polls}");
    let again = submit(&world, ROWS, None).await;
    assert!(again.files[0].was_known, "the same rows are one batch");
    world.pass_hours(1.0).await;
    assert_eq!((processed(&world), answered(&world, "UPLOAD_BATCH_FILE")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn rows_that_fail_validation_are_never_processed_and_are_reported() {
    let world = World::new(START, &scenario(""), "").await;
    let rows = "command,merchant_reference,amount,currency,customer_email,token_name\n\
                PURCHASE,paid-000000,5000,USD,a@b.com,Op9Vmp\nCAPTURE,auth-000000,4000,USD,,\n";
    let reference = submit(&world, rows, None).await.files[0].reference.clone();
    world.pass_hours(2.0).await;
    assert_eq!(shown(&world, &reference).await.line.stage, "invalid-rows");
    assert_eq!((processed(&world), world.events("batch").len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_reported_line_by_line_and_nothing_is_recorded() {
    let world = World::new(START, &scenario(""), "").await;
    let done = submit(
        &world,
        "command,merchant_reference,amount,currency\nCAPTURE,x,1.5,USD\nDANCE,y,1,USD\n",
        None,
    )
    .await;
    assert!(done.problems.iter().any(|problem| problem.starts_with("line 2")), "{:?}", done.problems);
    assert!(done.problems.iter().any(|problem| problem.starts_with("line 3")), "{:?}", done.problems);
    world.pass_hours(1.0).await;
    assert_eq!(answered(&world, "UPLOAD_BATCH_FILE"), 0);
}

#[tokio::test(start_paused = true)]
async fn restarts_between_every_two_steps_process_once_and_forget_nothing() {
    for seconds in [7.0, 31.0, 47.0] {
        let mut world = World::new(START, &scenario(""), "").await;
        let reference = one_batch(&world).await;
        let mut restarts = 0;
        while !shown(&world, &reference).await.line.is_ended {
            world.stop().await;
            world.start().await;
            world.pass_minutes(seconds / 60.0).await;
            restarts += 1;
            assert!(restarts < 2_000, "the batch does not end");
        }
        world.pass_minutes(10.0).await;
        let batch = shown(&world, &reference).await;
        assert_eq!((batch.line.stage.as_str(), fates(&batch)), ("finished", EXPECTED.to_vec()));
        assert_eq!((processed(&world), answered(&world, "UPLOAD_BATCH_FILE")), (1, 1));
        assert_eq!(world.events("batch").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_never_upload_or_process_twice() {
    let lost = |operation: &str| {
        format!("[[fault]]\nkind = \"truncated_body\"\noperation = \"{operation}\"\nto_s = 3600\n")
    };
    let faults = lost("UPLOAD_BATCH_FILE") + &*lost("PROCESS_BATCH");
    let mut world = World::new(START, &scenario(&faults), "").await;
    let reference = one_batch(&world).await;
    world.pass_minutes(1.0).await;
    world.stop().await;
    world.start().await;
    world.pass_hours(2.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), fates(&batch)), ("finished", EXPECTED.to_vec()));
    assert_eq!((processed(&world), answered(&world, "UPLOAD_BATCH_FILE")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_processing_request_that_never_arrived_waits_for_a_person_who_releases_it() {
    let fault = "[[fault]]\nkind = \"reset\"\noperation = \"PROCESS_BATCH\"\nto_s = 3600\n";
    let world = World::new(START, &scenario(fault), "").await;
    let reference = one_batch(&world).await;
    let release = || world.daemon().service();
    let request = BatchRelease { reference: reference.clone(), adopt: None };
    assert!(release().release_batch(request.clone()).await.is_err(), "nothing is in doubt yet");
    world.pass_hours(3.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.processes, processed(&world)), ("process-sent", 1, 0));
    assert_eq!(world.events("batch").len(), 1, "one alert says that it waits for a person");
    release().release_batch(request).await.unwrap();
    world.pass_hours(1.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), fates(&batch)), ("finished", EXPECTED.to_vec()));
    assert_eq!(processed(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_processing_that_seems_not_to_have_begun_is_not_requested_again() {
    let fault = "[aps]\nvalidated_code = \"76000\"\n\
                 [[fault]]\nkind = \"reset\"\noperation = \"PROCESS_BATCH\"\nto_s = 3600\n";
    let world = World::new(START, &scenario(fault), "").await;
    let reference = one_batch(&world).await;
    world.pass_hours(3.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.processes, processed(&world)), ("process-sent", 1, 0));
    assert_eq!(asked(&world, "PROCESS_BATCH"), 1, "sent once, whatever the polls say");
    assert_eq!(world.events("batch").len(), 1, "one alert says that it waits for a person");
    let request = BatchRelease { reference: reference.clone(), adopt: None };
    world.daemon().service().release_batch(request).await.unwrap();
    world.pass_hours(1.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), fates(&batch)), ("finished", EXPECTED.to_vec()));
    assert_eq!(processed(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_delay_a_batch_and_do_not_end_it() {
    let fault = "[[fault]]\nkind = \"refused_credentials\"\nstatus = 403\nto_s = 259200\n";
    let world = World::new(START, &scenario(fault), "").await;
    let reference = one_batch(&world).await;
    world.pass_hours(71.0).await;
    let batch = shown(&world, &reference).await;
    assert!(!batch.line.is_ended, "{batch:?}");
    assert_eq!(world.events("batch").len(), 1, "one alert says that the account is refused");
    world.pass_hours(3.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), fates(&batch)), ("finished", EXPECTED.to_vec()));
    assert_eq!((processed(&world), answered(&world, "UPLOAD_BATCH_FILE")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_uploaded_before_is_in_doubt_and_its_orders_are_watched() {
    let world = World::new(START, &scenario(""), "").await;
    let reference = one_batch(&world).await;
    world.pass_hours(1.0).await;
    assert_eq!(shown(&world, &reference).await.line.stage, "finished");
    // The store was lost: the same rows give the same reference.
    let mut world = world;
    world.stop().await;
    std::fs::remove_dir_all(world.folder.path().join("store")).unwrap();
    world.start().await;
    assert_eq!(one_batch(&world).await, reference);
    world.pass_hours(1.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.line.unknown, processed(&world)), ("reference-taken", 4, 1));
    let told = world.chat().into_iter().filter(|text| text.contains("not processed")).collect::<Vec<_>>();
    assert!(!told.is_empty() && told.iter().all(|text| !text.contains("No money moved")), "{told:?}");
    let object: ObjectRef = "pay/aps-order/auth-000000".parse().unwrap();
    assert_eq!(world.record(&object).await.state(), Some("04"), "its orders are watched");
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_delays_no_other_accounts_batch() {
    let slow = "[[account]]\nname = \"slow\"\napi = \"aps\"\nmerchant_id = \"CycHSlow\"\n\
                environment = \"live\"\naccess_code = \"zx0ISlow\"\n\
                [[fault]]\nkind = \"hang\"\naccount = \"slow\"\noperation = \"UPLOAD_BATCH_FILE\"\n\
                [aps]\nvalidation_s = 20\nprocessing_s = 20\n";
    let scenario = scenario("");
    let (account, populations) = scenario.split_at(scenario.find("[[population]]").unwrap());
    let mut world = World::new(START, &format!("{account}{slow}{populations}"), "").await;
    world.stop().await;
    world.rewrite_config(|text| {
        text.replace("allow_writes = true\n", "allow_writes = true\ndeadline_s = 300\n")
    });
    world.start().await;
    let submission = BatchSubmission {
        account: "slow".parse().unwrap(),
        content: ROWS.to_owned(),
        operation: None,
        label: None,
        dry_run: false,
    };
    world.daemon().service().submit_batch(submission).await.unwrap();
    world.pass_minutes(0.5).await;
    let reference = one_batch(&world).await;
    world.pass_minutes(4.0).await;
    // The other account's upload still hangs.
    assert_eq!(shown(&world, &reference).await.line.stage, "finished");
}

#[tokio::test(start_paused = true)]
async fn rows_without_a_result_are_reported_and_their_orders_watched_to_the_end() {
    let world = World::new(START, &scenario("[aps]\nlost_row_share = 1.0\n"), "").await;
    let reference = one_batch(&world).await;
    world.pass_hours(26.0).await;
    let batch = shown(&world, &reference).await;
    assert_eq!((batch.line.stage.as_str(), batch.line.unknown), ("unanswered", 4));
    assert_eq!(world.events("batch").len(), 1);
    for (order, state) in [("new-1", "14"), ("auth-000000", "04"), ("paid-000000", "06")] {
        let object: ObjectRef = format!("pay/aps-order/{order}").parse().unwrap();
        let record = world.record(&object).await;
        assert_eq!((record.state(), record.phase()), (Some(state), Phase::Final), "{order}");
    }
    assert_eq!(processed(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_permission_to_write() {
    let mut world = World::new(START, &scenario(""), "").await;
    world.stop().await;
    world.rewrite_config(|text| text.replace("allow_writes = true", "allow_writes = false"));
    world.start().await;
    let done = submit(&world, ROWS, None).await;
    assert!(!done.may_send);
    world.pass_hours(48.0).await;
    assert_eq!(shown(&world, &done.files[0].reference).await.line.stage, "new");
    let requests = world.simulator.counts().total().requests;
    assert_eq!(requests, 0);
    assert_eq!(world.events("batch").len(), 1, "one alert says that nothing is sent");
    world.stop().await;
    world.rewrite_config(|text| text.replace("allow_writes = false", "allow_writes = true"));
    world.start().await;
    world.pass_hours(1.0).await;
    assert_eq!(shown(&world, &done.files[0].reference).await.line.stage, "finished");
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_nothing_was_sent_can_be_cancelled_and_no_other() {
    let mut world = World::new(START, &scenario(""), "").await;
    world.stop().await;
    world.rewrite_config(|text| text.replace("allow_writes = true", "allow_writes = false"));
    world.start().await;
    let reference = submit(&world, ROWS, None).await.files[0].reference.clone();
    let cancel = |reference: &str| BatchCancel { reference: reference.to_owned() };
    let service = world.daemon().service();
    for _ in 0..2 {
        assert_eq!(service.cancel_batch(&cancel(&reference)).await.unwrap().stage, "never-sent");
    }
    world.pass_minutes(10.0).await;
    let batch = shown(&world, &reference).await;
    assert!(batch.line.is_ended && fates(&batch) == ["declined"; 4], "{batch:?}");
    assert!(batch.row_list.iter().all(|row| row.code.as_deref() == Some("NeverSent")), "{batch:?}");
    drop(service);
    world.stop().await;
    world.rewrite_config(|text| text.replace("allow_writes = false", "allow_writes = true"));
    world.start().await;
    let sent = submit(&world, ROWS, Some("again")).await.files[0].reference.clone();
    world.pass_hours(1.0).await;
    assert_eq!(shown(&world, &sent).await.line.stage, "finished");
    let refused = world.daemon().service().cancel_batch(&cancel(&sent)).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be cancelled any more"), "{refused}");
    assert_eq!((shown(&world, &reference).await.line.stage.as_str(), processed(&world)), ("never-sent", 1));
}

#[tokio::test(start_paused = true)]
async fn two_captures_of_one_order_go_in_two_files_one_after_another() {
    let world = World::new(START, &scenario("[aps]\nprocessing_s = 1800\n"), "").await;
    let rows = "command,merchant_reference,amount,currency\nCAPTURE,auth-000000,3000,USD\nCAPTURE,auth-000000,2000,USD\n";
    let files = submit(&world, rows, Some("march")).await.files;
    assert_eq!(files.len(), 2);
    world.pass_minutes(15.0).await;
    assert_eq!(shown(&world, &files[1].reference).await.line.stage, "new");
    assert_eq!(answered(&world, "UPLOAD_BATCH_FILE"), 1);
    world.pass_hours(3.0).await;
    for file in &files {
        assert_eq!(shown(&world, &file.reference).await.line.stage, "finished");
    }
    assert_eq!((processed(&world), world.events("batch").len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_polled_to_its_decline_which_is_reported_once() {
    let declined = "[[population]]\naccount = \"pay\"\nkind = \"aps-order\"\ncount = 1\nreference_prefix = \"late-\"\n\
         currencies = [{ code = \"USD\", amount = [\"14.00\", \"14.00\"] }]\n\
         outcome = [{ steps = [{ state = \"19\" }, { after_s = 14400, state = \"13\", reason = \"666\" }] }]\n";
    let world = World::new(START, &scenario(declined), "").await;
    let objects = world.enrol_all("pay").await;
    let late = objects.iter().find(|object| object.id.as_str().starts_with("late-")).unwrap();
    world.pass_hours(3.0).await;
    assert_eq!(world.record(late).await.phase(), Phase::Moving);
    world.pass_hours(3.0).await;
    let record = world.record(late).await;
    assert_eq!((record.state(), record.phase()), (Some("13"), Phase::Final));
    assert_eq!(world.events("declined").len(), 1);
}
