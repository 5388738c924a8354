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
    use super::super::channel::{Known, Polled};
    use super::super::fusion::Fusion;
    use super::super::seen::Memory;
    use super::super::state::State;
    use jiff::{SignedDuration, Timestamp};

    const KINDS: &[&str] = &["charge"];

    fn at(minute: i64) -> Timestamp {
        "2027-01-15T06:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
    }

    fn known() -> Known {
        let account: crate::payments::object::AccountName = "shop".parse().unwrap();
        let mut state = State::new(account.clone());
        state.counts.last_verified_at = Some(at(0));
        Known::new(state, Memory::restored(account, Vec::new()), Fusion::default(), at(0))
    }

    /// Polls one object: the poll before, this one, whether it is final now. True if it must be repeated.
    fn poll(known: &mut Known, kind: &str, before: Option<i64>, sent: i64, became_final: bool) -> bool {
        let object = format!("shop/{kind}/A1").parse().unwrap();
        let polled =
            Polled { object: &object, polled_before_at: before.map(at), sent_at: at(sent), became_final };
        known.polled(&polled, KINDS, at(sent))
    }

    fn counts(known: &Known) -> (u64, u64) {
        let sums = known.fusion.kinds().values();
        sums.fold((0, 0), |(finals, announced), count| (finals + count.finals, announced + count.announced))
    }

    #[test]
    fn a_final_state_is_announced_by_a_hint_since_the_poll_before_or_soon_after() {
        let object = "shop/charge/A1".parse().unwrap();
        let mut before = known();
        before.hinted(&object, at(70));
        assert!(!poll(&mut before, "charge", Some(60), 71, true));
        assert_eq!(counts(&before), (1, 1));
        let mut late = known();
        poll(&mut late, "charge", Some(60), 71, true);
        assert_eq!(counts(&late), (0, 0), "it may still come");
        late.hinted(&object, at(80));
        assert_eq!(counts(&late), (1, 1), "polling was faster");
        let mut never = known();
        poll(&mut never, "charge", Some(60), 71, true);
        assert_eq!(never.end_waits(at(85)), Some(std::time::Duration::from_secs(60)));
        assert_eq!(never.end_waits(at(86)), None);
        assert_eq!(counts(&never), (1, 0));
        let mut old = known();
        old.hinted(&object, at(10));
        poll(&mut old, "charge", Some(60), 71, true);
        old.end_waits(at(120));
        assert_eq!(counts(&old), (1, 0), "that hint was about something else");
    }

    #[test]
    fn what_cannot_be_expected_is_no_evidence() {
        let mut silent = known();
        poll(&mut silent, "charge", None, 71, true);
        poll(&mut silent, "charge", Some(-5), 71, true);
        poll(&mut silent, "charge-permission", Some(60), 71, true);
        poll(&mut silent, "charge", Some(60), 71, false);
        silent.state.counts.last_verified_at = None;
        poll(&mut silent, "charge", Some(60), 71, true);
        silent.end_waits(at(200));
        assert_eq!(counts(&silent), (0, 0));
    }

    #[test]
    fn a_hint_during_a_poll_that_saw_nothing_repeats_it() {
        let object = "shop/charge/A1".parse().unwrap();
        let mut known = known();
        known.hinted(&object, at(71));
        assert!(poll(&mut known, "charge", Some(60), 71, false));
        assert!(!poll(&mut known, "charge", Some(71), 72, false));
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
