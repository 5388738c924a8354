use super::super::tests::alert;
use super::*;
use crate::payments::alert::Recipient;
use crate::store::Options;
use crate::time::later;
use proptest::prelude::*;

const BEGIN: &str = "2026-01-15T09:00:00Z";

fn at(minutes: u64) -> Timestamp {
    later(BEGIN.parse().unwrap(), Duration::from_secs(60 * minutes))
}

fn silence(conditions: &str, minutes: u64) -> Silence {
    Silence {
        number: 1,
        matchers: toml::from_str(conditions).unwrap(),
        by: "uid:1000".to_owned(),
        reason: "maintenance".to_owned(),
        begins_at: at(0),
        ends_at: at(minutes),
        until_resolved: false,
        ended: None,
    }
}

/// A chat that hears everything about shop-de and shop-fr.
fn routes() -> Routes {
    let accounts = ["shop-de", "shop-fr"].map(|name| (name.parse().unwrap(), BTreeMap::new()));
    let rule = super::super::routes::Rule { targets: vec!["chat".to_owned()], ..Default::default() };
    Routes { rules: vec![rule], labels: accounts.into(), ..Routes::default() }
}

#[test]
fn a_silence_is_in_force_from_its_begin_to_its_end() {
    let timed = silence("", 60);
    let ended = Silence { ended: Some(Ended { at: at(10), by: "uid:1000".to_owned() }), ..timed.clone() };
    for (minutes, is_active, is_active_if_ended) in
        [(0, true, true), (9, true, true), (10, true, false), (59, true, false), (60, false, false)]
    {
        assert_eq!(timed.is_active(at(minutes)), is_active, "{minutes}");
        assert_eq!(ended.is_active(at(minutes)), is_active_if_ended, "{minutes}");
    }
    let late = Ended { at: at(90), by: "uid:1000".to_owned() };
    assert_eq!(Silence { ended: Some(late), ..timed }.end(), at(60), "an end cannot lengthen it");
}

#[test]
fn its_end_is_announced_an_hour_before_or_at_a_quarter_of_its_length() {
    for (minutes, warned_at) in [(24 * 60, 23 * 60), (4 * 60, 3 * 60), (60, 45), (4, 3)] {
        let silence = silence("accounts = ['shop-de']", minutes);
        assert_eq!(silence.warns_at(), at(warned_at), "{minutes}");
        let routes = routes();
        assert!(silence.warning(&routes, at(warned_at - 1)).is_none());
        assert!(silence.warning(&routes, at(minutes)).is_none());
        let warning = silence.warning(&routes, at(warned_at)).unwrap();
        assert_eq!(warning.targets, [Recipient::from("chat")]);
        assert_eq!(warning.alert.kind, AlertKind::SilenceEnding);
        assert!(warning.alert.explanation.contains("maintenance"), "{}", warning.alert.explanation);
        let everything = self::silence("accounts = ['shop-de']", minutes);
        assert!(!everything.holds(&routes.candidate(&warning.alert)), "it never silences its own warning");
    }
    let elsewhere = silence("accounts = ['shop-us']", 60);
    assert_eq!(elsewhere.warning(&routes(), at(50)), None, "no configured account is concerned");
}

#[test]
fn only_what_has_an_end_can_be_silenced_until_then() {
    for (conditions, can) in [
        ("kinds = ['no-success', 'credentials-refused']", true),
        ("kinds = ['credentials-accepted']", false),
        ("kinds = ['no-success', 'declined']", false),
        ("accounts = ['shop-de']", false),
    ] {
        assert_eq!(can_be_resolved(&toml::from_str(conditions).unwrap()), can, "{conditions}");
    }
    let account = "shop-de".parse().unwrap();
    let routes = routes();
    let refused = Alert::new(AlertKind::CredentialsRefused, "1", Severity::Critical, &account, at(5));
    let accepted = Alert::new(AlertKind::CredentialsAccepted, "1", Severity::Info, &account, at(5));
    let until = Silence {
        until_resolved: true,
        ..silence("kinds = ['credentials-refused']\nmin_severity = 'critical'", 60)
    };
    assert!(until.holds(&routes.candidate(&refused)) && !until.holds(&routes.candidate(&accepted)));
    assert!(until.is_resolved_by(&routes.candidate(&accepted)));
    assert!(!until.is_resolved_by(&routes.candidate(&refused)));
    assert!(!silence("kinds = ['credentials-refused']", 60).is_resolved_by(&routes.candidate(&accepted)));
    assert!(!until.holds(&routes.candidate(&alert("a/1"))));
}

#[tokio::test]
async fn silences_outlive_the_process_and_one_that_cannot_be_read_holds_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { folder: folder.path().to_owned(), ..Options::default() };
    let (store, _) = Store::open(options.clone(), at(0)).await.unwrap();
    let silences = Silences::new(store.clone());
    for number in 1..=11 {
        assert_eq!(silences.add(silence("kinds = ['overdue']", 60)).await.unwrap().number, number);
    }
    assert_eq!(silences.end(12, "uid:1000", at(1)).await.unwrap(), None);
    let ended = silences.end(2, "uid:1000", at(1)).await.unwrap().unwrap();
    assert_eq!(silences.end(2, "uid:1001", at(2)).await.unwrap(), Some(ended), "the first end counts");
    store.remember("silence/0000000003", "{").await.unwrap();
    store.close().await.unwrap();
    let (store, _) = Store::open(options, at(3)).await.unwrap();
    let silences = Silences::new(store.clone());
    let active = silences.active(at(3)).await.unwrap();
    let numbers: Vec<u64> = active.iter().map(|silence| silence.number).collect();
    assert_eq!(numbers, [1, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(silences.warn(&routes(), at(3)).await.unwrap(), Some(at(45)));
    assert_eq!(silences.warn(&routes(), at(45)).await.unwrap(), None);
    silences.warn(&routes(), at(46)).await.unwrap();
    let warnings = store.alerts(AlertFilter::default(), None, 100).await.unwrap().items;
    assert_eq!(warnings.len(), 9, "each once");
    store.close().await.unwrap();
}

#[tokio::test]
async fn each_silence_has_a_number_of_its_own_whoever_adds_one_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { folder: folder.path().to_owned(), ..Options::default() };
    let (store, _) = Store::open(options, at(0)).await.unwrap();
    store.remember("silence/0000000001", "{").await.unwrap();
    let add = || {
        let silences = Silences::new(store.clone());
        async move { silences.add(silence("kinds = ['overdue']", 60)).await.unwrap().number }
    };
    let (one, other, third) = tokio::join!(add(), add(), add());
    assert_eq!(BTreeSet::from([one, other, third]), BTreeSet::from([2, 3, 4]));
    let kept = store.recall("silence/0000000001").await.unwrap();
    assert_eq!(kept.as_deref(), Some("{"), "one that cannot be read is not replaced");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_delays_no_early_end() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { folder: folder.path().to_owned(), ..Options::default() };
    let (store, _) = Store::open(options, at(0)).await.unwrap();
    let silences = Silences::new(store.clone());
    let until = Silence { until_resolved: true, ..silence("kinds = ['no-success']", 600) };
    for silence in [until.clone(), until] {
        silences.add(silence).await.unwrap();
    }
    let earlier = earlier(at(0), Duration::from_secs(7200));
    let ended = silences.end(2, "uid:1000", earlier).await.unwrap().unwrap();
    assert_eq!(ended.ended.map(|ended| ended.by).as_deref(), Some("uid:1000"));
    let account = "shop-de".parse().unwrap();
    let over = Alert::new(AlertKind::NoSuccess, "shop-de/1/ended", Severity::Info, &account, earlier);
    silences.resolve(&[routes().candidate(&over)], earlier).await.unwrap();
    let ended = silences.all().await.unwrap().into_iter().filter_map(|silence| silence.ended);
    assert_eq!(ended.map(|ended| ended.by).collect::<Vec<_>>(), [RESOLVED, "uid:1000"]);
    assert_eq!(silences.active(at(5)).await.unwrap(), []);
    store.close().await.unwrap();
}

proptest! {
    #[test]
    fn a_silence_warns_before_it_ends_and_while_it_is_in_force(minutes in 1u64..40_000) {
        let silence = silence("", minutes);
        prop_assert!(silence.begins_at < silence.warns_at() && silence.warns_at() < silence.ends_at);
        prop_assert!(between(silence.warns_at(), silence.ends_at) <= WARN_BEFORE);
        prop_assert!(silence.is_active(silence.warns_at()));
    }
}
