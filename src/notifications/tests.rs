use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::apis::Fetching;
use crate::apis::notifications::{Envelope, Notification, Notifier, Refused};
use crate::apis::pace::Permit;
use crate::clock::{Clock, VirtualClock};
use crate::http::{Request, Response, TransportError};
use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{Kind, ObjectId};
use certificates::Missing;

/// Answers every request with 404 and counts them.
#[derive(Default)]
struct Nothing(AtomicU64);

impl Transport for Nothing {
    fn send<'a>(&'a self, _: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Response { status: 404, ..Response::default() }) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_made_up_certificate_addresses_fetches_few_of_them_and_keeps_few() {
    let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
    let nothing = Arc::new(Nothing::default());
    let transport: Arc<dyn Transport> = nothing.clone();
    let certificates = Certificates::new(transport, clock.clone(), None);
    for number in 0..5_000 {
        let url = format!("https://sns.eu-west-1.amazonaws.com/{number}.pem");
        assert_eq!(certificates.at(&url, false).await.err(), Some(Missing::Unavailable));
    }
    assert_eq!(nothing.0.load(Ordering::SeqCst), 4);
    let own = "https://sns.eu-west-1.amazonaws.com/own.pem";
    assert!(certificates.at(own, true).await.is_err());
    assert_eq!(
        nothing.0.load(Ordering::SeqCst),
        5,
        "messages that name a trusted topic have their own budget"
    );
    clock.sleep(Duration::from_secs(60)).await;
    for _ in 0..100 {
        assert!(certificates.at("https://sns.eu-west-1.amazonaws.com/x.pem", false).await.is_err());
    }
    assert_eq!(nothing.0.load(Ordering::SeqCst), 6, "a failure is remembered");
}

mod hints {
    use std::time::Duration;

    use super::super::channel::{Known, Moment};
    use super::super::fusion::Fusion;
    use super::super::seen::Memory;
    use super::super::state::State;
    use crate::payments::object::ObjectRef;
    use crate::payments::observation::EndedPoll;
    use jiff::{SignedDuration, Timestamp};

    const KINDS: &[&str] = &["charge"];

    /// This many minutes after the start, by both clocks.
    fn at(minute: i64) -> Moment {
        let start: Timestamp = "2027-01-15T06:00:00Z".parse().unwrap();
        let elapsed = Duration::from_secs(u64::try_from(60 * minute).unwrap_or_default());
        Moment { at: start + SignedDuration::from_mins(minute), elapsed }
    }

    fn known() -> Known {
        let account: crate::payments::object::AccountName = "shop".parse().unwrap();
        let mut state = State::new(account.clone());
        state.counts.last_verified_at = Some(at(0).at);
        Known::new(state, Memory::restored(account, Vec::new()), Fusion::default(), at(0).elapsed)
    }

    fn charge() -> ObjectRef {
        "shop/charge/A1".parse().unwrap()
    }

    /// A poll that finds the final state of an object that was last seen at minute `before`.
    fn finds_final(known: &mut Known, kind: &str, before: Option<i64>, sent: i64) {
        let object = format!("shop/{kind}/A1").parse().unwrap();
        let polled = EndedPoll {
            object: &object,
            seen_before_at: before.map(|minute| at(minute).at),
            sent: at(sent).elapsed,
            is_seen: true,
            has_moved: true,
            became_final: true,
            was_announced: false,
        };
        known.polled(&polled, KINDS, at(sent));
    }

    /// A poll after which the charge is not final.
    fn polls(known: &mut Known, sent: i64, is_seen: bool, has_moved: bool) {
        let object = charge();
        let polled = EndedPoll {
            object: &object,
            seen_before_at: Some(at(sent - 1).at),
            sent: at(sent).elapsed,
            is_seen,
            has_moved,
            became_final: false,
            was_announced: false,
        };
        known.polled(&polled, KINDS, at(sent));
    }

    fn counts(known: &Known) -> (u64, u64) {
        let sums = known.fusion.kinds().values();
        sums.fold((0, 0), |(finals, announced), count| (finals + count.finals, announced + count.announced))
    }

    #[test]
    fn a_final_state_is_announced_by_a_hint_before_it_or_soon_after() {
        let mut before = known();
        before.hinted(&charge(), at(70));
        finds_final(&mut before, "charge", Some(60), 71);
        assert_eq!(counts(&before), (1, 1));
        let mut late = known();
        finds_final(&mut late, "charge", Some(60), 71);
        assert_eq!(counts(&late), (0, 0), "it may still come");
        late.hinted(&charge(), at(80));
        assert_eq!(counts(&late), (1, 1), "polling was faster");
        let mut never = known();
        finds_final(&mut never, "charge", Some(60), 71);
        assert_eq!(never.end_waits(at(85)), Some(Duration::from_secs(60)));
        assert_eq!(never.end_waits(at(86)), None);
        assert_eq!(counts(&never), (1, 0));
    }

    #[test]
    fn a_hint_is_used_up_by_the_poll_that_answers_it() {
        // The news that it announced were found: a later final state needs a hint of its own.
        let mut moved = known();
        moved.hinted(&charge(), at(60));
        polls(&mut moved, 60, true, true);
        finds_final(&mut moved, "charge", Some(61), 780);
        moved.end_waits(at(800));
        assert_eq!(counts(&moved), (1, 0));
        // A poll right after it that sees nothing new was too early, and a failed one says nothing.
        let mut waiting = known();
        waiting.hinted(&charge(), at(60));
        polls(&mut waiting, 61, true, false);
        polls(&mut waiting, 70, false, false);
        finds_final(&mut waiting, "charge", Some(61), 90);
        assert_eq!(counts(&waiting), (1, 1));
        let mut nothing = known();
        nothing.hinted(&charge(), at(60));
        polls(&mut nothing, 62, true, false);
        finds_final(&mut nothing, "charge", Some(62), 120);
        nothing.end_waits(at(140));
        assert_eq!(counts(&nothing), (1, 0), "that hint was about something else");
        // One that was sent before the hint does not answer it.
        let mut during = known();
        during.hinted(&charge(), at(61));
        polls(&mut during, 60, true, true);
        finds_final(&mut during, "charge", Some(60), 62);
        assert_eq!(counts(&during), (1, 1));
    }

    #[test]
    fn what_cannot_be_expected_is_no_evidence() {
        let mut silent = known();
        finds_final(&mut silent, "charge", None, 71);
        finds_final(&mut silent, "charge", Some(-5), 71);
        finds_final(&mut silent, "charge-permission", Some(60), 71);
        polls(&mut silent, 71, true, true);
        silent.state.counts.last_verified_at = None;
        finds_final(&mut silent, "charge", Some(60), 71);
        silent.end_waits(at(200));
        assert_eq!(counts(&silent), (0, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_no_test() {
        let mut known = known();
        for minute in (100..112).map(|minute| 10 * minute) {
            // The wall clock shows a day less.
            let now = Moment { at: at(minute).at - SignedDuration::from_hours(24), ..at(minute) };
            let object = charge();
            let polled = EndedPoll {
                object: &object,
                seen_before_at: Some(now.at - SignedDuration::from_mins(60)),
                sent: now.elapsed,
                is_seen: true,
                has_moved: true,
                became_final: true,
                was_announced: false,
            };
            known.polled(&polled, KINDS, now);
            assert!(known.end_waits(now).is_some_and(|wait| wait <= Duration::from_secs(900)), "{minute}");
        }
        known.end_waits(at(2000));
        assert_eq!(counts(&known), (12, 0));
    }

    #[test]
    fn the_hints_that_are_remembered_are_bounded_and_the_newest_stay() {
        let mut known = known();
        let object = |number: i64| format!("shop/charge/A{number}").parse::<ObjectRef>().unwrap();
        for number in 0..10_001 {
            known.hinted(&object(number), at(60));
        }
        known.hinted(&charge(), at(60));
        finds_final(&mut known, "charge", Some(60), 61);
        assert_eq!(counts(&known), (1, 1));
    }
}

/// An API that names a report and an object in every notification, with the body as its key.
struct Reporting;

impl crate::apis::Api for Reporting {
    fn kinds(&self) -> &'static [&'static str] {
        &["charge"]
    }

    fn lifecycle(&self, _: &Kind) -> Option<&'static dyn Lifecycle> {
        None
    }

    fn operation(&self, _: &Kind) -> Option<&'static str> {
        None
    }

    fn accepts(&self, _: &Kind, _: &ObjectId) -> Result<(), String> {
        Ok(())
    }

    fn kind_of(&self, _: &ObjectId) -> Option<Kind> {
        None
    }

    fn fetch<'a>(&'a self, _: &'a Kind, _: &'a ObjectId, _: Permit) -> Fetching<'a> {
        Box::pin(std::future::pending())
    }

    fn where_to_look(&self) -> &'static str {
        "nowhere"
    }

    fn notifications(&self) -> Option<&dyn Notifier> {
        Some(self)
    }
}

impl Notifier for Reporting {
    fn envelope(&self) -> Envelope {
        Envelope::Own
    }

    fn read(&self, text: &[u8], _: &str) -> Result<Notification, Refused> {
        let key = Some(String::from_utf8_lossy(text).into_owned());
        Ok(Notification { key, report_id: Some("12345".to_owned()), ..Notification::default() })
    }

    fn redelivered_for(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn announced_kinds(&self) -> &'static [&'static str] {
        &["charge"]
    }

    fn where_to_paste(&self) -> &'static str {
        "nowhere"
    }

    fn refused_example(&self) -> (&'static str, Vec<u8>) {
        ("text/plain", Vec::new())
    }
}

/// A hub whose report port fails while the switch is on.
async fn hub_with_failing_reports(
    folder: &std::path::Path,
    fails: Arc<AtomicBool>,
) -> (Hub, Arc<VirtualClock>) {
    let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
    let options = crate::store::Options { folder: folder.to_owned(), ..Default::default() };
    let (store, _) = Store::open(options, clock.now()).await.unwrap();
    let hub = Hub::new(Parts {
        store,
        clock: clock.clone(),
        transport: Arc::new(Nothing::default()),
        public: Arc::new(Nothing::default()),
        roots: None,
        settings: Settings { listen: Some("127.0.0.1:1".parse().unwrap()), ..Settings::default() },
        routes: Arc::new(|_, _| Vec::new()),
        reports: Arc::new(move |_, _| {
            let fails = fails.load(Ordering::SeqCst);
            Box::pin(async move { if fails { Err("the disk is full".to_owned()) } else { Ok(()) } })
        }),
    });
    let account = Account::new("shop".parse().unwrap(), Arc::new(Reporting));
    hub.set_accounts(&[Arc::new(account)]).await.unwrap();
    (hub, clock)
}

#[tokio::test(start_paused = true)]
async fn a_report_that_cannot_be_stored_is_asked_for_again() {
    let (folder, fails) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(true)));
    let (hub, _) = hub_with_failing_reports(folder.path(), Arc::clone(&fails)).await;
    let received = Received { body: b"one", header: &|_| None };
    assert_eq!(hub.receive("shop", &received).await, Answer::Later);
    fails.store(false, Ordering::SeqCst);
    assert_eq!(hub.receive("shop", &received).await, Answer::Stored);
    let counts = hub.views().remove(0).counts;
    assert_eq!((counts.verified, counts.postponed, counts.duplicates), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_signature_of_its_own_counts_for_one_day() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, clock) = hub_with_failing_reports(folder.path(), Arc::default()).await;
    let received = Received { body: b"two refunds with equal parameters", header: &|_| None };
    for expected in [(1, 0), (1, 1)] {
        assert_eq!(hub.receive("shop", &received).await, Answer::Stored);
        let counts = hub.views().remove(0).counts;
        assert_eq!((counts.verified, counts.duplicates), expected);
    }
    clock.sleep(Duration::from_secs(86_400)).await;
    assert_eq!(hub.receive("shop", &received).await, Answer::Stored);
    assert_eq!(hub.views().remove(0).counts.verified, 2);
}
