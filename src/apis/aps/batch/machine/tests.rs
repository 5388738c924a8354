use super::super::Rules;
use super::super::answer::said;
use super::super::file::{AmountForm, plan};
use super::super::input::read;
use super::super::results::{ResultRow, Results};
use super::super::row::Usual;
use super::*;
use crate::apis::batch::Batch as _;
use crate::time::later;

fn start() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn batch() -> Batch {
    let usual = Usual { language: "en", amounts: AmountForm::Minor };
    let input = b"command,merchant_reference,amount,currency\nCAPTURE,a,100,AED\nREFUND,b,200,AED\n";
    let rows = read(input, usual).unwrap();
    Batch::new(&plan(rows, &Rules::default(), "today").remove(0), start())
}

/// A batch and its clock: each reply goes to the step that is due.
struct Story {
    batch: Batch,
    patience: Patience,
    now: Timestamp,
    steps: Vec<Step>,
}

impl Story {
    fn new() -> Story {
        Story { batch: batch(), patience: Patience::default(), now: start(), steps: Vec::new() }
    }

    /// Waits until something is due and marks it.
    fn mark(&mut self) -> Step {
        loop {
            match self.batch.next_step(&self.patience, self.now) {
                Step::Wait(until) => self.now = until,
                step => {
                    self.batch = self.batch.marked(&self.patience, step, self.now);
                    self.steps.push(step);
                    return step;
                }
            }
        }
    }

    fn reply(&mut self, reply: &Reply) -> &mut Story {
        let step = self.mark();
        self.batch = self.batch.took(&self.patience, step, reply, self.now);
        self
    }

    fn code(&mut self, text: &str) -> &mut Story {
        let code = Code::new(text).unwrap();
        self.reply(&Reply::Answered(Answer {
            said: said(&code),
            code: Some(code),
            batch_id: Some("150754364000030895".to_owned()),
            row_count: None,
            results: Results::default(),
        }))
    }

    fn rows(&mut self, rows: &[(u64, &str, &str)]) -> &mut Story {
        let rows = rows
            .iter()
            .map(|(line, code, order)| ResultRow {
                line: *line,
                code: Code::new(code).unwrap(),
                merchant_reference: Some((*order).to_owned()),
                fort_id: Some("149295435400084008".to_owned()),
                amount: None,
                currency: None,
            })
            .collect();
        let results = Results { rows, unreadable: Vec::new() };
        self.reply(&Reply::Answered(Answer {
            said: Said::Rows,
            code: None,
            batch_id: None,
            row_count: None,
            results,
        }))
    }

    fn check(&self, stage: Stage, steps: &[Step]) {
        assert_eq!((self.batch.stage, self.steps.as_slice()), (stage, steps));
    }
}

#[test]
fn a_look_that_a_clock_which_was_ahead_planned_is_due_now() {
    let (patience, now, mut batch) = (Patience::default(), start(), batch());
    batch.next_at = later(now, Duration::from_secs(240));
    assert_eq!(batch.next_step(&patience, now), Step::Wait(batch.next_at));
    batch.next_at = later(now, Duration::from_secs(400 * 86_400));
    assert_eq!(batch.next_step(&patience, now), Step::Upload);
}

#[test]
fn the_usual_life() {
    let mut story = Story::new();
    story.code("50000").code("71138").code("70000").code("72147").code("71140");
    assert_eq!(story.batch.batch_id.as_deref(), Some("150754364000030895"));
    story.rows(&[(3, "06000", "b")]).rows(&[(3, "06000", "b"), (2, "04000", "a")]);
    let steps = [Step::Upload, Step::Ask, Step::Ask, Step::Process, Step::Ask, Step::Ask, Step::Ask];
    story.check(Stage::Ended(End::Finished), &steps);
    assert!(story.batch.rows.iter().all(|row| matches!(row.fate, RowFate::Done(_))));
    assert_eq!(story.batch.rows_to_watch().count(), 0);
    assert_eq!(story.batch.next_step(&story.patience, story.now), Step::Nothing);
}

#[test]
fn rows_are_judged_by_their_own_command() {
    let check = |command: Command, code: &str, expected: fn(Code) -> RowFate| {
        let code = Code::new(code).unwrap();
        assert_eq!(RowFate::of(command, &code), expected(code.clone()), "{command:?} {code}");
    };
    use super::super::column::Command;
    check(Command::Purchase, "14000", RowFate::Done);
    check(Command::Purchase, "13666", RowFate::Declined);
    check(Command::Purchase, "13006", RowFate::Open);
    check(Command::Purchase, "15777", RowFate::Open);
    check(Command::Purchase, "00007", RowFate::Open);
    check(Command::Purchase, "04000", RowFate::Open);
    check(Command::Capture, "04000", RowFate::Done);
    check(Command::Capture, "05042", RowFate::Declined);
    check(Command::Capture, "14000", RowFate::Open);
    check(Command::Refund, "06784", RowFate::Open);
    check(Command::Refund, "07048", RowFate::Declined);
    check(Command::VoidAuthorization, "08000", RowFate::Done);
    check(Command::VoidAuthorization, "09034", RowFate::Declined);
    check(Command::Capture, "05000", RowFate::Open);
}

#[test]
fn a_doubtful_upload_is_asked_about_and_sent_again_only_when_unknown() {
    let mut story = Story::new();
    story.reply(&Reply::Doubtful).code("71141").code("71141");
    assert_eq!(story.batch.stage, Stage::UploadSent);
    story.code("71141");
    assert_eq!(story.batch.stage, Stage::New);
    story.code("51146").code("70000");
    let steps = [Step::Upload, Step::Ask, Step::Ask, Step::Ask, Step::Upload, Step::Ask];
    story.check(Stage::Validated, &steps);

    let mut found = Story::new();
    found.reply(&Reply::Doubtful).reply(&Reply::Doubtful).code("71138").code("76000");
    found.check(Stage::Validated, &[Step::Upload, Step::Ask, Step::Ask, Step::Ask]);
}

#[test]
fn a_reference_that_somebody_else_used_is_never_processed() {
    let mut story = Story::new();
    story.code("51146");
    story.check(Stage::Ended(End::ReferenceTaken), &[Step::Upload]);
}

#[test]
fn a_doubtful_processing_is_never_sent_again_before_a_person_releases_it() {
    let doubtful = || {
        let mut story = Story::new();
        story.code("50000").code("76000").reply(&Reply::Doubtful);
        story
    };
    // "Not started" may have been answered before the request arrived. So may a failed validation.
    for code in ["70000", "76000", "71138", "77136", "77142", "71137", "71141"] {
        let mut waiting = doubtful();
        while let Step::Ask | Step::Wait(_) = waiting.batch.next_step(&waiting.patience, waiting.now) {
            assert_eq!(waiting.batch.stage, Stage::ProcessSent, "{code}");
            waiting.code(code);
        }
        assert_eq!(waiting.batch.processes, 1, "{code}");
        assert_eq!(waiting.batch.stage, Stage::Ended(End::Unanswered), "{code}");
        assert_eq!(waiting.batch.rows_to_watch().count(), 2, "{code}");
        assert!(waiting.now.duration_since(start()).as_hours() >= 24, "{code}");
    }
    let mut told = doubtful();
    for _ in 0..7 {
        told.code("76000");
    }
    assert_eq!(
        told.batch.trouble(told.now).map(|trouble| (trouble.word, trouble.is_critical)),
        Some(("in-doubt", true))
    );

    let mut begun = doubtful();
    begun.code("76000").code("76000").code("76000").code("76000").code("71140");
    assert_eq!((begun.batch.stage, begun.batch.processes), (Stage::Processing, 1));

    // If it is released just before its deadline, it has the full time again.
    let mut decided = doubtful();
    decided.code("70000");
    decided.now = later(decided.now, Duration::from_secs(23 * 3600));
    decided.batch = decided.batch.not_processed(decided.now);
    decided.code("72148");
    decided.now = later(decided.now, Duration::from_secs(12 * 3600));
    decided.code("71140");
    assert_eq!((decided.batch.stage, decided.batch.processes), (Stage::Processing, 2));
}

#[test]
fn a_refusal_of_a_released_processing_says_nothing_about_the_one_before() {
    for code in ["73138", "73136", "73144", "73002", "73008"] {
        let mut story = Story::new();
        story.code("50000").code("76000").reply(&Reply::Doubtful);
        story.batch = story.batch.not_processed(story.now);
        story.code(code);
        assert_eq!((story.batch.stage, story.batch.processes), (Stage::ProcessSent, 1), "{code}");
        let mut only = Story::new();
        only.code("50000").code("76000").code(code);
        assert_ne!(only.batch.stage, Stage::ProcessSent, "{code}");
        assert_eq!(only.batch.processes, 0, "{code}");
    }
}

#[test]
fn a_refused_account_ends_no_batch_and_is_told() {
    let days = |story: &mut Story, reply: &Reply| {
        while story.now.duration_since(start()).as_hours() <= 48 {
            story.reply(reply);
        }
        assert_eq!(story.batch.trouble(story.now).map(|trouble| trouble.word), Some("account-refused"));
    };
    let refused = |code: &str| {
        let code = Code::new(code).unwrap();
        Reply::Answered(Answer {
            said: said(&code),
            code: Some(code),
            batch_id: None,
            row_count: None,
            results: Results::default(),
        })
    };
    let mut early = Story::new();
    days(&mut early, &refused("51008"));
    assert_eq!((early.batch.stage, early.batch.uploads), (Stage::New, 0));
    early.code("50000").code("76000");
    assert_eq!((early.batch.stage, early.batch.trouble(early.now)), (Stage::Validated, None));
    let mut validated = early;
    validated.reply(&refused("73010"));
    assert_eq!((validated.batch.stage, validated.batch.processes), (Stage::Validated, 0));
    validated.code("72147");
    assert_eq!((validated.batch.stage, validated.batch.processes), (Stage::Processing, 1));
    // A status says nothing about the step.
    let mut forbidden = Story::new();
    days(&mut forbidden, &Reply::Forbidden);
    assert_eq!((forbidden.batch.stage, forbidden.batch.uploads), (Stage::UploadSent, 1));
    let mut processing = Story::new();
    processing.code("50000").code("76000");
    days(&mut processing, &Reply::Forbidden);
    assert_eq!((processing.batch.stage, processing.batch.processes), (Stage::ProcessSent, 1));
}

#[test]
fn results_are_joined_by_line_and_order_alone() {
    let result = |fort_id: &str, amount: &str| ResultRow {
        line: 2,
        code: Code::new("04000").unwrap(),
        merchant_reference: Some("a".to_owned()),
        fort_id: Some(fort_id.to_owned()),
        amount: Some(amount.to_owned()),
        currency: Some("AED".to_owned()),
    };
    let row = || BatchRow { fort_id: Some("149295435400084008".to_owned()), ..batch().rows.remove(0) };
    let mut same = row();
    assert!(same.take(&result("149295435400084008", "100")) && same.mark().is_none());
    // An operation may have its own id: the row is done, and marked.
    let mut other = row();
    assert!(other.take(&result("999", "100")));
    assert!(matches!(other.fate, RowFate::Done(_)), "{other:?}");
    assert_eq!(other.mark().as_deref(), Some("the result names fort_id 999"));
    assert_eq!(other.fort_id.as_deref(), Some("149295435400084008"), "that of the file stays");
    // Another amount leaves the row open, and the doubt remains.
    let mut amount = row();
    assert!(!amount.take(&result("149295435400084008", "10000")));
    assert!(matches!(amount.fate, RowFate::Open(_)), "{amount:?}");
    assert!(
        !amount.take(&result("149295435400084008", "100")) && amount.mark().unwrap().contains("10000 AED")
    );
    let stored = serde_json::to_string(&other).unwrap();
    assert_eq!(serde_json::from_str::<BatchRow>(&stored).unwrap(), other);
}

#[test]
fn a_file_whose_reference_is_taken_may_have_been_carried_out() {
    let mut story = Story::new();
    story.code("51146");
    assert_eq!(story.batch.stage, Stage::Ended(End::ReferenceTaken));
    assert_eq!(story.batch.rows_to_watch().count(), 2, "the reference is derived from the content");
}

#[test]
fn a_file_that_did_not_pass_is_not_processed_unless_rows_may_be_wrong() {
    let after = |code: &str, is_opted_in: bool| {
        let mut story = Story::new();
        story.patience.is_processed_with_row_errors = is_opted_in;
        story.code("50000").code(code);
        story.batch.stage
    };
    assert_eq!(after("77136", false), Stage::Ended(End::InvalidRows));
    assert_eq!(after("77136", true), Stage::Validated);
    assert_eq!(after("77142", true), Stage::Ended(End::InvalidFile));
    assert_eq!(after("71137", true), Stage::Ended(End::InvalidFile));
    assert_eq!(after("71008", false), Stage::Validating, "a refused poll ends nothing");
    let mut refused = Story::new();
    refused.code("51002");
    refused.check(Stage::Ended(End::Refused), &[Step::Upload]);
    let mut early = Story::new();
    early.code("50000").code("70000").code("73138").code("70000").code("72147");
    assert_eq!(early.batch.stage, Stage::Processing);
}

#[test]
fn other_rows_than_ours_are_not_processed_and_not_believed() {
    let mut counted = Story::new();
    counted.code("50000");
    let code = Code::new("70000").unwrap();
    counted.reply(&Reply::Answered(Answer {
        said: Said::Answered,
        code: Some(code),
        batch_id: None,
        row_count: Some(9),
        results: Results::default(),
    }));
    assert_eq!(counted.batch.stage, Stage::Ended(End::OtherRows));
    let mut story = Story::new();
    story.code("50000").code("70000").code("72147").rows(&[(2, "04000", "b"), (9, "04000", "x")]);
    assert_eq!((story.batch.stage, story.batch.contradictions), (Stage::Processing, 2));
    story.rows(&[(2, "04000", "a"), (2, "05042", "a")]);
    assert!(matches!(story.batch.rows[0].fate, RowFate::Open(_)));
}

#[test]
fn rows_that_never_come_back_end_unknown() {
    let mut story = Story::new();
    story.code("50000").code("70000").code("72147").rows(&[(2, "04000", "a")]);
    while story.mark() != Step::GiveUp {
        story.batch = story.batch.took(&story.patience, Step::Ask, &Reply::Doubtful, story.now);
    }
    assert_eq!(story.batch.stage, Stage::Ended(End::Unanswered));
    assert_eq!(story.batch.rows[1].fate, RowFate::Unknown);
    let watched: Vec<&str> = story.batch.rows_to_watch().map(|row| row.merchant_reference.as_str()).collect();
    assert_eq!(watched, ["b"]);
}

#[test]
fn what_was_not_sent_is_sent_later_and_given_up_at_last() {
    let mut story = Story::new();
    story.reply(&Reply::Unsent);
    assert_eq!((story.batch.stage, story.batch.uploads), (Stage::New, 0));
    story.code("50000").code("70000").reply(&Reply::Unsent);
    assert_eq!((story.batch.stage, story.batch.processes), (Stage::Validated, 0));
    let mut never = Story::new();
    while never.mark() != Step::GiveUp {
        never.batch = never.batch.took(&never.patience, Step::Upload, &Reply::Unsent, never.now);
    }
    assert_eq!(never.batch.stage, Stage::Ended(End::GivenUp));
}

#[test]
fn waits_grow_to_their_longest_and_the_record_survives_storage() {
    let mut story = Story::new();
    story.code("50000");
    let mut waits = Vec::new();
    for _ in 0..8 {
        let before = story.now;
        story.code("71138");
        waits.push(story.now.duration_since(before).as_secs());
    }
    assert!(waits.windows(2).skip(1).take(3).all(|pair| pair[0] < pair[1]), "{waits:?}");
    assert!(waits.iter().all(|wait| (13..=330).contains(wait)), "{waits:?}");
    let stored = serde_json::to_string(&story.batch).unwrap();
    assert_eq!(serde_json::from_str::<Batch>(&stored).unwrap(), story.batch);
}
