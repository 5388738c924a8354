use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

fn object(kind: &str, id: &str) -> ObjectRef {
    format!("shop/{kind}/{id}").parse().unwrap()
}

/// A breaker and its history. Each request is sent one second before its result arrives.
struct Story(CircuitBreaker);

impl Story {
    fn new() -> Story {
        Story(CircuitBreaker::new(Duration::from_secs(300)))
    }

    fn fails(&mut self, cause: Cause, kind: &str, id: &str, seconds: i64) -> (Blame, Option<Transition>) {
        self.fails_as(cause, kind, id, seconds, |_| ())
    }

    fn fails_as(
        &mut self,
        cause: Cause,
        kind: &str,
        id: &str,
        seconds: i64,
        change: impl Fn(&mut FailedRequest<'_>),
    ) -> (Blame, Option<Transition>) {
        let object = object(kind, id);
        let mut request = FailedRequest {
            object: &object,
            cause,
            was_in_trouble: false,
            was_seen: true,
            due_at: at(seconds - 10),
            sent_at: at(seconds - 1),
        };
        change(&mut request);
        self.0.failed(request, at(seconds))
    }

    fn refused(&mut self, kind: &str, id: &str, seconds: i64) -> Option<Transition> {
        let (blame, transition) = self.fails(Cause::Refused, kind, id, seconds);
        assert_eq!(blame, Blame::Account, "{kind} {id}");
        transition
    }

    fn answered(&mut self, kind: &str, id: &str, seconds: i64) -> Answered {
        self.0.answered(&object(kind, id), at(seconds))
    }

    fn allowance(&self, name: &str, seconds: i64) -> Result<usize, i64> {
        let allowed = self.0.allowance(&kind(name), 8, at(seconds));
        allowed.map_err(|probe_at| probe_at.as_second() - at(0).as_second())
    }
}

#[test]
fn a_refused_account_is_reported_once_and_probed_ever_more_rarely() {
    let mut story = Story::new();
    assert_eq!(story.allowance("charge", 0), Ok(8));
    assert_eq!(story.refused("charge", "A", 0), None);
    assert_eq!(story.allowance("charge", 0), Ok(1));
    assert_eq!(story.refused("charge", "B", 10), None);
    let refused = Transition::AccountRefused { since: at(20) };
    assert_eq!(story.refused("charge", "C", 20), Some(refused));
    let mut probe_at = 320;
    for wait in [600, 1200, 1800, 1800] {
        assert_eq!(story.allowance("charge", probe_at - 1), Err(probe_at));
        assert_eq!(story.allowance("charge", probe_at), Ok(1));
        let heard_at = probe_at + 1;
        assert_eq!(story.refused("charge", "D", heard_at), None);
        probe_at = heard_at + wait;
    }
    let answered = story.answered("charge", "E", probe_at);
    assert_eq!(answered.transitions, [Transition::AccountAccepted { since: at(20) }]);
    assert_eq!(story.allowance("charge", probe_at), Ok(8));
}

#[test]
fn one_object_that_is_always_refused_closes_nothing() {
    let mut story = Story::new();
    for minute in 0..600 {
        story.answered("charge", "healthy", minute * 60);
        let is_again = |request: &mut FailedRequest<'_>| request.was_in_trouble = minute > 0;
        let (blame, transition) = story.fails_as(Cause::Refused, "charge", "X", minute * 60 + 30, is_again);
        assert_eq!(transition, None);
        assert_eq!(blame, if minute == 0 { Blame::Account } else { Blame::Object });
    }
    assert_eq!(story.allowance("charge", 36_000), Ok(8), "its refusals are its own: no other object waits");

    // With a single object nobody can tell. Still, it trips nothing, and it does not count against the object.
    let mut story = Story::new();
    for minute in 0..600 {
        let is_again = |request: &mut FailedRequest<'_>| request.was_in_trouble = minute > 0;
        let heard = story.fails_as(Cause::Refused, "charge", "X", minute * 60, is_again);
        assert_eq!(heard, (Blame::Account, None));
    }
    assert_eq!(story.allowance("charge", 36_000), Ok(1));
}

#[test]
fn strangers_that_are_refused_among_known_objects_say_nothing_about_the_credentials() {
    let mut story = Story::new();
    let stranger = |request: &mut FailedRequest<'_>| request.was_seen = false;
    story.answered("charge", "healthy", 0);
    for id in ["A", "B", "C", "D"] {
        assert_eq!(story.fails_as(Cause::Refused, "charge", id, 60, stranger), (Blame::Object, None));
    }
    // Before anything was answered, or long after, they do.
    let mut heard = Vec::new();
    for (seconds, id) in [(2000, "E"), (2010, "F"), (2020, "G")] {
        heard.push(story.fails_as(Cause::Refused, "charge", id, seconds, stranger).1);
    }
    assert_eq!(heard[2], Some(Transition::AccountRefused { since: at(2020) }));
}

#[test]
fn a_burst_counts_once() {
    let mut story = Story::new();
    for number in 0..16 {
        let sent_together = |request: &mut FailedRequest<'_>| request.sent_at = at(0);
        let id = format!("B{number}");
        assert_eq!(story.fails_as(Cause::Refused, "charge", &id, 1, sent_together).1, None);
    }
    assert_eq!(story.refused("charge", "C1", 10), None);
    assert!(story.refused("charge", "C2", 20).is_some());
}

#[test]
fn refusals_are_counted_over_all_kinds() {
    let mut story = Story::new();
    assert_eq!(story.refused("charge", "A", 0), None);
    assert_eq!(story.refused("charge", "A", 100), None, "the same one counts once");
    assert_eq!(story.refused("refund", "B", 200), None);
    let refused = Some(Transition::AccountRefused { since: at(300) });
    assert_eq!(story.refused("charge", "C", 300), refused);
    assert_eq!(story.allowance("charge", 301), Err(600));
    assert_eq!(story.allowance("refund", 301), Ok(1));
    assert_eq!(story.refused("refund", "D", 310), None, "one message is enough");
    assert_eq!(story.allowance("refund", 311), Err(610));
}

#[test]
fn a_kind_that_alone_is_refused_is_reported_as_that() {
    let mut story = Story::new();
    for (id, seconds) in [("A", 0), ("B", 10)] {
        assert_eq!(story.refused("refund", id, seconds), None);
    }
    story.answered("charge", "X", 15);
    let alone = Transition::KindRefused { kind: kind("refund"), since: at(20) };
    assert_eq!(story.refused("refund", "C", 20), Some(alone));
    assert_eq!(story.0.refused_since().account, None);
    assert_eq!((story.allowance("charge", 21), story.allowance("refund", 21)), (Ok(8), Err(320)));
    let accepted = story.answered("refund", "D", 321).transitions;
    assert_eq!(accepted, [Transition::KindAccepted { kind: kind("refund"), since: at(20) }]);
}

#[test]
fn the_only_object_of_a_kind_has_its_own_refusal_while_other_kinds_are_answered() {
    let mut story = Story::new();
    assert_eq!(story.refused("refund", "R1", 0), None);
    story.answered("charge", "C1", 60);
    let again = story.fails_as(Cause::Refused, "refund", "R1", 120, |request| request.was_in_trouble = true);
    assert_eq!(again, (Blame::Object, None));
    // Without an answer of any kind, it is not known who is responsible.
    let mut silent = Story::new();
    assert_eq!(silent.refused("refund", "R1", 0), None);
    let again = silent.fails_as(Cause::Refused, "refund", "R1", 120, |request| request.was_in_trouble = true);
    assert_eq!(again, (Blame::Account, None));
}

#[test]
fn a_success_of_another_kind_opens_the_account_and_tries_the_refused_one_at_once() {
    let mut story = Story::new();
    for (id, seconds) in [("A", 0), ("B", 10), ("C", 20)] {
        story.refused("refund", id, seconds);
    }
    let accepted = story.answered("charge", "X", 30).transitions;
    assert_eq!(accepted, [Transition::AccountAccepted { since: at(20) }]);
    assert_eq!((story.allowance("charge", 30), story.allowance("refund", 30)), (Ok(8), Ok(1)));
    let alone = Transition::KindRefused { kind: kind("refund"), since: at(20) };
    assert_eq!(story.refused("refund", "D", 32), Some(alone));
    story.answered("charge", "X", 40);
    assert_eq!(story.allowance("refund", 40), Err(632), "only the first success is a reason");
    assert_eq!(story.refused("refund", "E", 633), None, "one message is enough");
    // A success outside of polling counts as well.
    let mut story = Story::new();
    for (id, seconds) in [("A", 0), ("B", 10), ("C", 20)] {
        story.refused("refund", id, seconds);
    }
    assert!(story.0.answered_elsewhere(at(30)));
    assert_eq!(story.allowance("refund", 30), Ok(1));
    assert!(!story.0.answered_elsewhere(at(31)));
}

#[test]
fn an_outage_leaves_a_trickle_and_its_first_answer_pulls_in_what_it_threw_back() {
    let mut story = Story::new();
    story.answered("charge", "X", 0);
    let silent =
        |story: &mut Story, id: &str, seconds| story.fails(Cause::Unanswered, "charge", id, seconds).1;
    assert_eq!(silent(&mut story, "A", 10), None);
    assert_eq!(story.allowance("charge", 10), Ok(8), "a single time-out slows nothing down");
    assert_eq!(silent(&mut story, "B", 20), None);
    let since = at(30);
    assert_eq!(silent(&mut story, "C", 30), Some(Transition::Unanswered { kind: kind("charge"), since }));
    let mut probes = 0;
    let mut now = 30;
    while now < 6 * 3600 {
        now = story.allowance("charge", now).expect_err("a probe was just sent") + 1;
        assert_eq!(story.allowance("charge", now - 1), Ok(1));
        silent(&mut story, "D", now);
        probes += 1;
    }
    assert!((350..=370).contains(&probes), "{probes} probes in six hours");
    let answered = story.answered("charge", "D", now + 60);
    assert_eq!(answered.transitions, [Transition::Answered { kind: kind("charge"), since }]);
    let pulled_in = answered.pulled_in;
    let expected = [("A", 0), ("B", 10), ("C", 20)].map(|(id, due)| (object("charge", id), at(due)));
    assert_eq!(pulled_in, expected, "each with its old due time");
    assert_eq!(story.allowance("charge", now + 60), Ok(8));
}

#[test]
fn what_failed_for_a_reason_of_its_own_is_not_pulled_in() {
    let mut story = Story::new();
    story.answered("charge", "X", 0);
    let ill = |request: &mut FailedRequest<'_>| request.was_in_trouble = true;
    story.fails_as(Cause::Unanswered, "charge", "ill", 10, ill);
    story.fails(Cause::Unanswered, "charge", "A", 20);
    assert!(story.answered("charge", "X", 30).pulled_in.is_empty(), "after seconds it is due soon anyway");
    story.fails(Cause::Unanswered, "charge", "B", 40);
    let pulled_in = story.answered("charge", "X", 100).pulled_in;
    assert_eq!(pulled_in, [(object("charge", "B"), at(30))], "two objects are enough for an account");
}

#[test]
fn a_probe_takes_another_object_than_the_last() {
    let mut story = Story::new();
    for (id, seconds) in [("A", 0), ("B", 10), ("C", 20)] {
        story.refused("charge", id, seconds);
    }
    let objects: Vec<ObjectRef> = ["A", "ill", "B", "C"].map(|id| object("charge", id)).to_vec();
    let choose = |story: &Story, most: usize| {
        let due = objects[..most].iter();
        let due = due.map(|object| Candidate { object, is_in_trouble: object.id.as_str() == "ill" });
        story.0.choose(&kind("charge"), due)
    };
    assert_eq!(choose(&story, 4), Some(1), "not tried since the last answer");
    story.refused("charge", "ill", 400);
    assert_eq!(choose(&story, 4), Some(0), "all tried: the one longest ago");
    story.refused("charge", "A", 1100);
    assert_eq!(choose(&story, 4), Some(2));
    assert_eq!((choose(&story, 1), choose(&story, 0)), (Some(0), None));
    assert_eq!(choose(&Story::new(), 4), Some(0));
}

#[test]
fn a_restart_probes_at_once_and_reports_nothing_again() {
    let mut story = Story::new();
    for (id, seconds) in [("A", 0), ("B", 10), ("C", 20)] {
        story.refused("refund", id, seconds);
    }
    let left = story.0.refused_since();
    assert_eq!(left.account, Some(at(20)));
    let text = serde_json::to_string(&left).unwrap();
    let left: RefusedSince = serde_json::from_str(&text).unwrap();
    let kinds = ["charge", "refund"].map(kind);
    let interval = Duration::from_secs(300);
    let mut story = Story(CircuitBreaker::restored(interval, &left, kinds.into_iter()));
    for name in ["charge", "refund"] {
        assert_eq!(story.allowance(name, 50), Ok(1));
        assert_eq!(story.refused(name, "A", 51), None);
        assert_eq!(story.allowance(name, 52), Err(651));
    }
    assert_eq!(
        story.answered("charge", "B", 700).transitions,
        [Transition::AccountAccepted { since: at(20) }]
    );
}

#[test]
fn a_clock_that_was_set_back_holds_up_no_probe() {
    let mut story = Story::new();
    let day = 86_400;
    for (id, seconds) in [("A", day), ("B", day + 10), ("C", day + 20)] {
        story.refused("charge", id, seconds);
    }
    assert_eq!(story.allowance("charge", day + 21), Err(day + 320));
    assert_eq!(story.allowance("charge", 0), Ok(1));
    assert_eq!(story.refused("charge", "D", 5), None);
    assert_eq!(story.allowance("charge", 6), Err(605));
    story.answered("charge", "A", 10);
    assert_eq!(story.refused("charge", "B", day + 30), None);
    for (id, seconds) in [("C", 40), ("D", 50)] {
        story.refused("charge", id, seconds);
    }
    assert_eq!(story.allowance("charge", 51), Err(350), "what was counted in the future counts no burst");
}
