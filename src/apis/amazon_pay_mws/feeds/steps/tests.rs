use std::time::Duration;

use super::*;

fn start() -> Timestamp {
    "2019-07-01T12:00:00Z".parse().unwrap()
}

fn after_s(seconds: i64) -> Timestamp {
    later(start(), SignedDuration::from_secs(seconds))
}

fn row(id: &str, status: FeedStatus, submitted_at: Timestamp) -> FeedRow {
    FeedRow { id: id.to_owned(), feed_type: None, status, submitted_at: Some(submitted_at) }
}

/// Sent at the start, with this answer at once.
fn sent(submission: Submission) -> State {
    let state = State::new(start());
    let step = next_step(&state, start());
    assert_eq!(step, Step::Submit);
    let state = about_to(state, &step, start());
    took(state, Outcome::Submitted(submission), start())
}

fn lost() -> State {
    sent(Submission::Lost { detail: "timeout".to_owned() })
}

fn following() -> State {
    sent(Submission::Accepted { feed_id: "5".to_owned() })
}

fn seen(status: FeedStatus, at_s: i64) -> State {
    took(following(), Outcome::Seen(vec![row("5", status, start())]), after_s(at_s))
}

fn ending(state: &State) -> Option<&Ending> {
    match &state.phase {
        Phase::Finished { ending, .. } => Some(ending),
        _ => None,
    }
}

#[test]
fn what_a_clock_that_was_ahead_planned_is_due_now() {
    let ahead = later(start(), SignedDuration::from_hours(400 * 24));
    assert_eq!(next_step(&State::new(ahead), start()), Step::Submit);
    let mut state = following();
    state.following("5".to_owned(), ahead);
    assert_eq!(next_step(&state, start()), Step::Look { feed_id: "5".to_owned() });
    // Its date is in the future, so it may have been sent at any time: a search must not begin in the future.
    let mut lost = lost();
    (lost.first_sent_at, lost.last_sent_at) = (Some(ahead), Some(ahead));
    lost.phase = Phase::Searching { searches: 0, next_at: ahead };
    match next_step(&lost, start()) {
        Step::Search { from } => assert!(from < start(), "{from}"),
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_state_that_says_sending_is_never_followed_by_sending() {
    let state = about_to(State::new(start()), &Step::Submit, start());
    assert_eq!(next_step(&state, start()), Step::WaitUntil(after_s(60)));
    let from = start().checked_sub(SignedDuration::from_mins(16)).unwrap();
    assert_eq!(next_step(&state, after_s(60)), Step::Search { from });
    assert!(state.blocks_others());
}

#[test]
fn it_is_sent_again_only_after_fifteen_minutes_of_empty_searches() {
    let mut state = lost();
    let mut searches = Vec::new();
    let mut at = start();
    loop {
        match next_step(&state, at) {
            Step::WaitUntil(until) => at = until,
            Step::Search { .. } => {
                searches.push(at.duration_since(start()).as_secs());
                state = took(state, Outcome::Listed(Vec::new()), at);
            }
            Step::Submit => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(searches, [60, 180, 360, 600, 900]);
    assert_eq!(state.warning, Some(Warning::SentAgain));
    // Hours of downtime do not reduce the number of searches.
    let hours_later = after_s(40_000);
    let state = took(lost(), Outcome::Listed(Vec::new()), hours_later);
    assert!(matches!(next_step(&state, hours_later), Step::WaitUntil(_)), "{state:?}");
}

#[test]
fn the_search_takes_one_candidate_and_holds_when_there_are_more() {
    let submitted = |id: &str, at_s: i64| row(id, FeedStatus::Submitted, after_s(at_s));
    let look = |rows: Vec<FeedRow>| took(lost(), Outcome::Listed(rows), after_s(60));
    assert_eq!(look(vec![submitted("7", 2), submitted("7", 2)]).feed_id(), Some("7"));
    // The provider's clock may be up to 15 minutes off ours.
    assert_eq!(look(vec![submitted("7", -900)]).feed_id(), Some("7"));
    assert_eq!(look(vec![submitted("7", -7200), submitted("8", 9_000)]).feed_id(), None);
    let other_type = FeedRow { feed_type: Some("_POST_PRODUCT_DATA_".to_owned()), ..submitted("7", 2) };
    assert_eq!(look(vec![other_type]).feed_id(), None);
    let held = look(vec![submitted("7", 2), submitted("8", 3)]);
    assert_eq!(
        (next_step(&held, after_s(9_999)), &held.warning),
        (Step::AskAPerson, &Some(Warning::Ambiguous))
    );
    assert_eq!(
        took(held.clone(), Outcome::Adopted { feed_id: "8".into() }, after_s(99)).feed_id(),
        Some("8")
    );
    assert_eq!(next_step(&took(held, Outcome::MayBeSentAgain, after_s(99)), after_s(99)), Step::Submit);
}

#[test]
fn plain_refusals_wait_or_end_without_doubt() {
    let wait = Some(Duration::from_secs(120));
    let state = sent(Submission::NotNow { retry_after: wait, detail: "HTTP 503".into() });
    assert_eq!(next_step(&state, start()), Step::WaitUntil(after_s(120)));
    assert_eq!(next_step(&state, after_s(120)), Step::Submit);
    let refused = sent(Submission::Refused { detail: "HTTP 400 InvalidFeedType".into() });
    let ending = ending(&refused).unwrap();
    assert!(!ending.leaves_doubt(), "{ending:?}");
}

/// Lost at the start, not found for 15 minutes, then sent again.
fn sent_again(submission: Submission) -> (State, Timestamp) {
    let mut state = lost();
    let mut at = start();
    loop {
        match next_step(&state, at) {
            Step::WaitUntil(until) => at = until,
            Step::Search { .. } => state = took(state, Outcome::Listed(Vec::new()), at),
            Step::Submit => {
                state = about_to(state, &Step::Submit, at);
                return (took(state, Outcome::Submitted(submission), at), at);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refusal_of_a_later_sending_says_nothing_about_an_earlier_one() {
    let (state, _) = sent_again(Submission::Refused { detail: "HTTP 400 InvalidFeedType".into() });
    assert_eq!(state.possible_arrivals(), 1);
    let doubt = ending(&state).unwrap();
    assert_eq!(*doubt, Ending::InDoubt { detail: "HTTP 400 InvalidFeedType".into() });
    assert!(doubt.leaves_doubt(), "its rows are checked individually");
    // Submissions that were certainly not accepted leave no doubt.
    let mut sure = sent(Submission::NotNow { retry_after: None, detail: "HTTP 503".into() });
    sure = about_to(sure, &Step::Submit, after_s(900));
    sure = took(sure, Outcome::Submitted(Submission::Refused { detail: "HTTP 400".into() }), after_s(900));
    assert_eq!(ending(&sure), Some(&Ending::NotTaken { detail: "HTTP 400".into() }));
}

#[test]
fn what_left_once_is_never_said_not_to_have_left() {
    // Cancelled while it was lost, and never listed.
    let mut state = took(lost(), Outcome::CancelWanted, after_s(1));
    let mut at = start();
    while ending(&state).is_none() {
        match next_step(&state, at) {
            Step::WaitUntil(until) => at = until,
            Step::Search { .. } => state = took(state, Outcome::Listed(Vec::new()), at),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(ending(&state), Some(Ending::InDoubt { .. })), "{state:?}");
    // Throttled when it was sent again: the list is searched once more before the next submission.
    let (again, at) = sent_again(Submission::NotNow { retry_after: None, detail: "HTTP 503".into() });
    assert_eq!(next_step(&again, at), Step::WaitUntil(later(at, SLOWLY)));
    assert!(matches!(next_step(&again, later(at, SLOWLY)), Step::Search { .. }), "{again:?}");
    let cancelled = took(again, Outcome::CancelWanted, at);
    let cancelled = took(cancelled, Outcome::Listed(Vec::new()), later(at, SLOWLY));
    assert!(matches!(ending(&cancelled), Some(Ending::InDoubt { .. })), "{cancelled:?}");
    // A submission that was certainly not accepted may be withdrawn.
    let sure = sent(Submission::NotNow { retry_after: None, detail: "HTTP 503".into() });
    assert_eq!(ending(&took(sure, Outcome::CancelWanted, after_s(9))), Some(&Ending::NeverSent));
}

#[test]
fn refused_credentials_end_no_feed() {
    let detail = || "HTTP 403 InvalidAccessKeyId".to_owned();
    let mut state = sent(Submission::AccountRefused { detail: detail() });
    for sending in 2..100 {
        assert_eq!(state.warning, Some(Warning::AccountRefused(detail())));
        let Step::WaitUntil(at) = next_step(&state, state.last_sent_at.unwrap()) else { panic!("{state:?}") };
        assert_eq!(next_step(&state, at), Step::Submit);
        state = about_to(state, &Step::Submit, at);
        assert_eq!(state.sendings, sending);
        state = took(state, Outcome::Submitted(Submission::AccountRefused { detail: detail() }), at);
    }
    assert_eq!(state.possible_arrivals(), 0);
    // The same at every other step: it waits, and the first answer clears the warning.
    let wanted = took(following(), Outcome::CancelWanted, after_s(1));
    for state in [lost(), following(), wanted, seen(FeedStatus::Done, 120)] {
        let refused = took(state.clone(), Outcome::AccountRefused { detail: detail() }, after_s(200));
        let later = later(after_s(200), SLOWLY);
        assert_eq!(refused.warning, Some(Warning::AccountRefused(detail())));
        assert_eq!(next_step(&refused, after_s(200)), Step::WaitUntil(later), "{state:?}");
        assert_eq!(next_step(&refused, later), next_step(&state, later), "the same step again");
    }
    let collecting =
        took(seen(FeedStatus::Done, 120), Outcome::AccountRefused { detail: detail() }, after_s(300));
    assert_eq!(took(collecting, Outcome::NotReady, after_s(2000)).warning, None);
}

#[test]
fn every_status_leads_where_the_sheet_says() {
    for status in [
        FeedStatus::Submitted,
        FeedStatus::Unconfirmed,
        FeedStatus::InProgress,
        FeedStatus::AwaitingReply,
        FeedStatus::InSafetyNet,
        FeedStatus::Unknown("_NEW_".into()),
    ] {
        let state = seen(status.clone(), 120);
        assert_eq!(next_step(&state, after_s(120)), Step::WaitUntil(after_s(240)), "{status:?}");
        let expected = match status {
            FeedStatus::InSafetyNet => Some(Warning::HeldForSafety),
            FeedStatus::Unknown(word) => Some(Warning::UnknownStatus(word)),
            _ => None,
        };
        assert_eq!(state.warning, expected);
    }
    let done = seen(FeedStatus::Done, 120);
    assert_eq!(ending(&done), None, "`_DONE_` does not mean carried out");
    assert_eq!(next_step(&done, after_s(120)), Step::WaitUntil(after_s(240)));
    let refused = seen(FeedStatus::Cancelled, 120);
    assert_eq!(next_step(&refused, after_s(120)), Step::FetchResult { feed_id: "5".into() });
    let rejected = took(refused.clone(), Outcome::Collected { answers: 0, is_rejection: true }, after_s(121));
    assert_eq!(ending(&rejected), Some(&Ending::Rejected));
    assert_eq!(ending(&took(refused, Outcome::Never, after_s(121))), Some(&Ending::Rejected));
}

#[test]
fn a_feed_that_is_not_listed_is_looked_for_and_then_told() {
    let mut state = following();
    let mut at = start();
    for _ in 0..MOST_MISSING {
        at = later(at, FOLLOW_EVERY);
        state = took(state, Outcome::Seen(vec![row("6", FeedStatus::Done, start())]), at);
    }
    assert_eq!(state.warning, Some(Warning::NotListed));
    assert_eq!(next_step(&state, at), Step::WaitUntil(later(at, SLOWLY)));
}

#[test]
fn results_are_waited_for_a_day_and_an_empty_one_is_none() {
    let mut state = seen(FeedStatus::Done, 0);
    let mut at = start();
    let mut fetches = 0;
    while ending(&state).is_none() {
        match next_step(&state, at) {
            Step::WaitUntil(until) => at = until,
            Step::FetchResult { .. } => {
                fetches += 1;
                let empty = Outcome::Collected { answers: 0, is_rejection: false };
                state = took(state, if fetches % 2 == 0 { empty } else { Outcome::NotReady }, at);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ending(&state), Some(&Ending::NoResult));
    assert_eq!(at.duration_since(start()).as_hours(), 24);
    assert!((90..110).contains(&fetches), "{fetches}");
}

#[test]
fn a_spoilt_result_is_fetched_three_times_more_at_once() {
    let mut state = seen(FeedStatus::Done, 0);
    let at = after_s(120);
    for _ in 0..SPOILT_AT_ONCE {
        state = took(state, Outcome::Spoilt, at);
        assert_eq!(next_step(&state, at), Step::FetchResult { feed_id: "5".into() });
    }
    state = took(state, Outcome::Spoilt, at);
    assert!(matches!(next_step(&state, at), Step::WaitUntil(_)));
    assert_eq!(state.warning, Some(Warning::Spoilt));
}

#[test]
fn when_a_batch_is_complete_each_waiting_one_asks_about_itself_at_once() {
    let hinted = took(following(), Outcome::OneIsComplete, after_s(30));
    assert_eq!(next_step(&hinted, after_s(30)), Step::Look { feed_id: "5".into() });
    let other = took(hinted, Outcome::Seen(vec![row("5", FeedStatus::InProgress, start())]), after_s(31));
    assert_eq!(next_step(&other, after_s(31)), Step::WaitUntil(after_s(151)), "it was another one");
    let hinted = took(seen(FeedStatus::Done, 120), Outcome::OneIsComplete, after_s(130));
    assert_eq!(next_step(&hinted, after_s(130)), Step::FetchResult { feed_id: "5".into() });
    for state in [State::new(start()), lost()] {
        assert_eq!(took(state.clone(), Outcome::OneIsComplete, after_s(30)), state);
    }
}

#[test]
fn a_cancellation_counts_only_by_its_own_row() {
    let wanted = took(following(), Outcome::CancelWanted, after_s(1));
    assert_eq!(next_step(&wanted, after_s(1)), Step::Cancel { feed_id: "5".into() });
    let answered = |rows: Vec<FeedRow>| took(wanted.clone(), Outcome::CancelAnswered(rows), after_s(2));
    let done = answered(vec![row("4", FeedStatus::Done, start()), row("5", FeedStatus::Cancelled, start())]);
    assert_eq!(ending(&done), Some(&Ending::Cancelled));
    let late = answered(vec![row("5", FeedStatus::InProgress, start())]);
    assert_eq!(
        (next_step(&late, after_s(2)), late.warning),
        (Step::Look { feed_id: "5".into() }, Some(Warning::NotCancelled))
    );
    let of_another = answered(vec![row("4", FeedStatus::Cancelled, start())]);
    assert_eq!(next_step(&of_another, after_s(2)), Step::Look { feed_id: "5".into() });
    let failed = took(wanted, Outcome::Failed { retry_after_s: Some(9) }, after_s(2));
    assert_eq!(next_step(&failed, after_s(11)), Step::Look { feed_id: "5".into() });
}

#[test]
fn cancelling_before_it_left_ends_it_and_while_it_is_lost_only_after_a_search() {
    let never = took(State::new(start()), Outcome::CancelWanted, start());
    assert_eq!(ending(&never), Some(&Ending::NeverSent));
    let wanted = took(lost(), Outcome::CancelWanted, after_s(1));
    assert!(ending(&wanted).is_none());
    let found = took(wanted, Outcome::Listed(vec![row("7", FeedStatus::Submitted, start())]), after_s(60));
    assert_eq!(next_step(&found, after_s(60)), Step::Cancel { feed_id: "7".into() });
    let collecting = took(seen(FeedStatus::Done, 120), Outcome::CancelWanted, after_s(121));
    assert_eq!(collecting.warning, Some(Warning::NotCancelled));
}

#[test]
fn an_outcome_of_another_phase_changes_nothing() {
    let state = following();
    for outcome in [
        Outcome::Submitted(Submission::Accepted { feed_id: "6".into() }),
        Outcome::Listed(Vec::new()),
        Outcome::NotReady,
        Outcome::Adopted { feed_id: "6".into() },
        Outcome::MayBeSentAgain,
    ] {
        assert_eq!(took(state.clone(), outcome.clone(), after_s(5)), state, "{outcome:?}");
    }
}
