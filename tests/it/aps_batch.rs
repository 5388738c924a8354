//! Batches at Amazon Payment Services against the simulator, with crashes and lost answers at every step.
//! A batch is never processed twice and never forgotten.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use amazon_pay_simulator::aps::{ApsHabits, ApsMerchant, ApsProvider, ApsResults, ApsSignature};
use amazon_pay_simulator::exchange::{Incoming, Outgoing};
use amazon_pay_simulator::plan::{Plan, Step as PlanStep};
use amazon_pay_simulator::provider::{Provider, Random};
use reconciled::apis::Api;
use reconciled::apis::aps::batch::Rules;
use reconciled::apis::aps::batch::file::{AmountForm, BatchFile, plan};
use reconciled::apis::aps::batch::input::read;
use reconciled::apis::aps::batch::machine::{Batch, End, Patience, RowFate, Stage, Step};
use reconciled::apis::aps::batch::row::Usual;
use reconciled::apis::aps::config::{Addresses, DEFAULT_QUOTA, Settings};
use reconciled::apis::aps::sign::{Algorithm, Signer};
use reconciled::apis::aps::{Aps, OPERATION, ORDER};
use reconciled::apis::config::Environment;
use reconciled::apis::pace::Pace;
use reconciled::clock::{Clock, SharedClock, VirtualClock};
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};
use reconciled::payments::object::{AccountName, Kind, ObjectId};
use reconciled::secret::Secret;

const MERCHANT: &str = "CycHZxVj";

/// What the network does to one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Good,
    /// The request never arrives, and the client cannot know.
    RequestLost,
    /// The request arrives, the answer does not.
    AnswerLost,
    /// The request arrives after four later ones, and its answer is lost.
    RequestLate,
}

struct Wire {
    provider: Mutex<ApsProvider>,
    random: Mutex<Random>,
    luck: Mutex<Luck>,
    /// A delayed request, and how many others are still to overtake it.
    late: Mutex<Option<(u32, Incoming)>>,
    clock: Arc<VirtualClock>,
}

impl Wire {
    fn carry(&self, request: Request) -> Result<Response, TransportError> {
        let luck = std::mem::replace(&mut *self.luck.lock().unwrap(), Luck::Good);
        if luck == Luck::RequestLost {
            return Err(TransportError::Timeout);
        }
        let path = request.url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
        let incoming = Incoming {
            method: request.method.as_str().to_owned(),
            host: "sbpaymentservices.payfort.com".to_owned(),
            path,
            query: String::new(),
            headers: request.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: request.body,
            at: self.clock.now(),
        };
        if luck == Luck::RequestLate {
            *self.late.lock().unwrap() = Some((4, incoming));
            return Err(TransportError::Timeout);
        }
        let answer: Outgoing =
            self.provider.lock().unwrap().answer(&incoming, &mut self.random.lock().unwrap());
        self.deliver_late();
        if luck == Luck::AnswerLost {
            return Err(TransportError::Timeout);
        }
        Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
    }
}

impl Wire {
    fn deliver_late(&self) {
        let mut late = self.late.lock().unwrap();
        match late.take() {
            Some((0, mut incoming)) => {
                incoming.at = self.clock.now();
                self.provider.lock().unwrap().answer(&incoming, &mut self.random.lock().unwrap());
            }
            Some((left, incoming)) => *late = Some((left - 1, incoming)),
            None => {}
        }
    }
}

impl Transport for Wire {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let outcome = self.carry(request);
        Box::pin(async move { outcome })
    }
}

/// Where the daemon stops once, to restart from what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    Never,
    /// Before the mark is stored: nothing was sent.
    BeforeMark,
    /// The mark is stored, nothing was sent.
    BeforeSending,
    /// It was sent, the reply was not stored.
    BeforeStoring,
}

struct World {
    wire: Arc<Wire>,
    api: Aps,
    pace: Pace,
    account: AccountName,
    patience: Patience,
}

impl World {
    fn new(habits: ApsHabits, signature: (ApsSignature, Algorithm)) -> World {
        let clock = VirtualClock::starting_at("2026-01-15T12:00:00Z".parse().unwrap());
        let mut provider = ApsProvider::new(vec![ApsMerchant {
            merchant_identifier: MERCHANT.to_owned(),
            access_code: "zx0IPmPy5jp1vAz8Kpg7".to_owned(),
            request_phrase: "PASS".to_owned(),
            response_phrase: "RESP".to_owned(),
            signature: signature.0,
            is_sandbox: true,
        }]);
        provider.set_habits(habits);
        let wire = Arc::new(Wire {
            provider: Mutex::new(provider),
            random: Mutex::new(Random::new(7)),
            luck: Mutex::new(Luck::Good),
            late: Mutex::default(),
            clock: Arc::clone(&clock),
        });
        let signer = |phrase: &str| Signer::new(signature.1, Secret::new(phrase.to_owned()));
        let settings = Settings {
            environment: Environment::Sandbox,
            access_code: "zx0IPmPy5jp1vAz8Kpg7".to_owned(),
            merchant_identifier: MERCHANT.to_owned(),
            request_signer: signer("PASS"),
            response_signer: signer("RESP"),
            unsigned: Default::default(),
            language: "en",
            currency: "AED".parse().ok(),
            addresses: Addresses::below("https://sbpaymentservices.payfort.com"),
            quota: DEFAULT_QUOTA,
            deadline: Duration::from_secs(7),
            is_writing_allowed: true,
            batch: Rules::default(),
        };
        let shared: SharedClock = clock;
        let pace = Pace::new(Arc::clone(&shared));
        let account = AccountName::new("shop").unwrap();
        let api = Aps::new(settings, Arc::clone(&wire) as Arc<dyn Transport>, shared);
        api.set_quotas(&account, &pace);
        World { wire, api, pace, account, patience: Patience::default() }
    }

    fn now(&self) -> Timestamp {
        self.wire.clock.now()
    }

    fn pass(&self, seconds: i64) {
        self.wire.clock.jump(SignedDuration::from_secs(seconds));
    }

    fn plant(&self, reference: &str, state: &str) {
        let plan = Plan {
            kind: ORDER.to_owned(),
            amount: "100.00".to_owned(),
            currency: "AED".to_owned(),
            merchant_reference: reference.to_owned(),
            steps: vec![PlanStep { after: Duration::ZERO, state: state.to_owned(), reason: None }],
            invisible_for: Duration::ZERO,
        };
        let mut provider = self.wire.provider.lock().unwrap();
        provider.plant(MERCHANT, &plan, self.wire.clock.now(), &mut Random::new(1)).unwrap();
    }

    async fn state(&self, reference: &str) -> String {
        self.pace.assume_full(&self.account, OPERATION);
        let permit = self.pace.take(&self.account, OPERATION).unwrap();
        let kind = Kind::new(ORDER).unwrap();
        let seen = self.api.fetch(&kind, &ObjectId::new(reference).unwrap(), permit).await;
        seen.map(|seen| seen.state).unwrap_or_else(|failure| failure.class().to_owned())
    }

    /// Drives a batch to its end. At step number `at` the daemon crashes, or the network does this.
    async fn follow(&self, file: &BatchFile, at: usize, crash: Crash, luck: Luck) -> Batch {
        let mut stored = Batch::new(file, self.now());
        for number in 0..2_000 {
            let step = match stored.next_step(&self.patience, self.now()) {
                Step::Nothing => return stored,
                Step::Wait(until) => {
                    let wait = until.duration_since(self.now());
                    self.wire.clock.jump(wait);
                    continue;
                }
                step => step,
            };
            let crash = if number == at { crash } else { Crash::Never };
            let marked = stored.marked(&self.patience, step, self.now());
            if crash == Crash::BeforeMark {
                continue;
            }
            stored = through_storage(&marked);
            if crash == Crash::BeforeSending || step == Step::GiveUp {
                continue;
            }
            if number == at {
                *self.wire.luck.lock().unwrap() = luck;
            }
            self.pace.assume_full(&self.account, OPERATION);
            let permit = self.pace.take(&self.account, OPERATION).unwrap();
            let reply = self.api.carry_out(&stored, step, &file.bytes, permit).await.unwrap();
            if crash == Crash::BeforeStoring {
                continue;
            }
            stored = through_storage(&stored.took(&self.patience, step, &reply, self.now()));
        }
        panic!("the batch does not end: {:?}", stored.stage);
    }

    fn process_requests(&self, file: &BatchFile) -> Option<u32> {
        self.wire.provider.lock().unwrap().process_requests(MERCHANT, &file.reference)
    }
}

fn through_storage(batch: &Batch) -> Batch {
    serde_json::from_str(&serde_json::to_string(batch).unwrap()).unwrap()
}

fn files(input: &str) -> Vec<BatchFile> {
    let usual = Usual { language: "en", amounts: AmountForm::Minor };
    plan(read(input.as_bytes(), usual).unwrap(), &Rules::default(), "2026-01-15")
}

const INPUT: &str = "command,merchant_reference,amount,currency,customer_email,token_name\n\
    PURCHASE,new-1,5000,AED,a@b.com,Op9Vmp\n\
    CAPTURE,auth-1,4000,AED,,\n\
    REFUND,paid-1,2500,AED,,\n\
    VOID_AUTHORIZATION,auth-2,,,,\n\
    CAPTURE,gone-1,100,AED,,\n";

fn world(habits: ApsHabits) -> World {
    let world = World::new(habits, (ApsSignature::Sha256, Algorithm::Sha256));
    for (reference, state) in [("auth-1", "02"), ("auth-2", "02"), ("paid-1", "14")] {
        world.plant(reference, state);
    }
    world
}

fn habits() -> Vec<ApsHabits> {
    vec![
        ApsHabits::default(),
        ApsHabits { validated_code: "76000", ..ApsHabits::default() },
        ApsHabits { results: ApsResults::Member, is_answer_signed: true, ..ApsHabits::default() },
        ApsHabits { is_answer_signed: false, invisible_for: Duration::from_secs(40), ..ApsHabits::default() },
    ]
}

fn check_rows(batch: &Batch) {
    let fates: Vec<&str> = batch
        .rows
        .iter()
        .map(|row| match &row.fate {
            RowFate::Waiting => "waiting",
            RowFate::Done(_) => "done",
            RowFate::Declined(_) => "declined",
            RowFate::Open(_) => "open",
            RowFate::Unknown => "unknown",
            RowFate::NeverSent => "never-sent",
        })
        .collect();
    assert_eq!(fates, ["done", "done", "done", "done", "declined"]);
    assert_eq!(batch.contradictions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_trouble_ends_row_by_row_and_agrees_with_check_status() {
    for habits in habits() {
        let world = world(habits);
        let file = &files(INPUT)[0];
        let batch = world.follow(file, usize::MAX, Crash::Never, Luck::Good).await;
        assert_eq!(batch.stage, Stage::Ended(End::Finished));
        check_rows(&batch);
        assert_eq!(world.process_requests(file), Some(1));
        for (order, state) in
            [("new-1", "14"), ("auth-1", "04"), ("paid-1", "06"), ("auth-2", "08"), ("gone-1", "gone")]
        {
            assert_eq!(world.state(order).await, state, "{order}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_signature_works_with_every_call() {
    for signature in [
        (ApsSignature::Sha256, Algorithm::Sha256),
        (ApsSignature::Sha512, Algorithm::Sha512),
        (ApsSignature::Hmac256, Algorithm::Hmac256),
        (ApsSignature::Hmac512, Algorithm::Hmac512),
    ] {
        let world = World::new(ApsHabits::default(), signature);
        let file = &files("command,merchant_reference,amount,currency\nCAPTURE,gone-1,100,AED\n")[0];
        let batch = world.follow(file, usize::MAX, Crash::Never, Luck::Good).await;
        assert_eq!(batch.stage, Stage::Ended(End::Finished), "{signature:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_never_processes_twice_and_forgets_nothing() {
    for habits in habits() {
        for at in 0..16 {
            for crash in [Crash::BeforeMark, Crash::BeforeSending, Crash::BeforeStoring] {
                let world = world(habits.clone());
                let file = &files(INPUT)[0];
                let batch = world.follow(file, at, crash, Luck::Good).await;
                check_end(&world, file, &batch, &format!("{crash:?} at {at}"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_or_answer_at_any_step_never_processes_twice() {
    for habits in habits() {
        for at in 0..16 {
            for luck in [Luck::RequestLost, Luck::AnswerLost, Luck::RequestLate] {
                let world = world(habits.clone());
                let file = &files(INPUT)[0];
                let batch = world.follow(file, at, Crash::Never, luck).await;
                check_end(&world, file, &batch, &format!("{luck:?} at {at}"));
            }
        }
    }
}

/// Either everything is known, or every unknown row is passed to CHECK_STATUS.
fn check_end(world: &World, file: &BatchFile, batch: &Batch, what: &str) {
    let processed = world.process_requests(file).expect("the file arrived in the end");
    assert!(processed <= 1, "{what}: processed {processed} times");
    match batch.stage {
        Stage::Ended(End::Finished) => {
            assert_eq!(processed, 1, "{what}");
            check_rows(batch);
        }
        // Only an answer that shows processing proves that it began, and nobody released the batch.
        Stage::Ended(End::Unanswered) => {
            assert_eq!(processed, 0, "{what}");
            assert_eq!(batch.rows_to_watch().count(), batch.rows.len(), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_file_again_is_not_processed_again() {
    let world = world(ApsHabits::default());
    let file = &files(INPUT)[0];
    world.follow(file, usize::MAX, Crash::Never, Luck::Good).await;
    let again = world.follow(file, usize::MAX, Crash::Never, Luck::Good).await;
    assert_eq!(again.stage, Stage::Ended(End::ReferenceTaken));
    assert_eq!(world.process_requests(file), Some(1));
}

#[tokio::test(start_paused = true)]
async fn rows_without_a_result_are_left_to_check_status() {
    let world = world(ApsHabits { lost_row_share: 1.0, ..ApsHabits::default() });
    let file = &files(INPUT)[0];
    let batch = world.follow(file, usize::MAX, Crash::Never, Luck::Good).await;
    assert_eq!(batch.stage, Stage::Ended(End::Unanswered));
    assert_eq!(batch.rows_to_watch().count(), 5);
    assert_eq!(world.state("auth-1").await, "04");
}

#[tokio::test(start_paused = true)]
async fn two_captures_of_an_order_go_in_one_file_after_the_other() {
    let world = world(ApsHabits::default());
    let files = files(
        "command,merchant_reference,amount,currency\nCAPTURE,auth-1,4000,AED\nCAPTURE,auth-1,6000,AED\n\
         CAPTURE,auth-1,1,AED\n",
    );
    assert_eq!(files.len(), 3);
    let mut fates = Vec::new();
    for file in &files {
        let batch = world.follow(file, usize::MAX, Crash::Never, Luck::Good).await;
        fates.push(batch.rows[0].fate.clone());
        world.pass(10);
    }
    let is_done = |fate: &RowFate| matches!(fate, RowFate::Done(_));
    assert!(is_done(&fates[0]) && is_done(&fates[1]), "{fates:?}");
    assert!(matches!(&fates[2], RowFate::Declined(code) if code.as_str() == "05042"), "{fates:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Trouble on every exchange, drawn at random: still never twice.
    #[test]
    fn random_trouble_never_processes_twice(draws in proptest::collection::vec(0u8..6, 1..30), which in 0usize..4) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = world(habits().remove(which));
            let file = &files(INPUT)[0];
            let mut stored = Batch::new(file, world.now());
            let mut draws = draws.into_iter();
            loop {
                let step = match stored.next_step(&world.patience, world.now()) {
                    Step::Nothing => break,
                    Step::Wait(until) => {
                        world.wire.clock.jump(until.duration_since(world.now()));
                        continue;
                    }
                    step => step,
                };
                let trouble = draws.next().unwrap_or(5);
                let marked = stored.marked(&world.patience, step, world.now());
                if trouble == 0 {
                    continue;
                }
                stored = through_storage(&marked);
                if trouble == 1 || step == Step::GiveUp {
                    continue;
                }
                *world.wire.luck.lock().unwrap() = match trouble {
                    2 => Luck::RequestLost,
                    3 => Luck::AnswerLost,
                    _ => Luck::Good,
                };
                world.pace.assume_full(&world.account, OPERATION);
                let permit = world.pace.take(&world.account, OPERATION).unwrap();
                let reply = world.api.carry_out(&stored, step, &file.bytes, permit).await.unwrap();
                if trouble != 4 {
                    stored = stored.took(&world.patience, step, &reply, world.now());
                }
            }
            assert!(world.process_requests(file).unwrap_or(0) <= 1);
            let is_ended = matches!(stored.stage, Stage::Ended(_));
            assert!(is_ended);
            if stored.stage == Stage::Ended(End::Finished) {
                check_rows(&stored);
            }
        });
    }
}
