//! What is overdue, and countdowns before a deadline.

use super::*;

#[test]
fn overdue_is_reported_once_even_when_every_poll_fails() {
    let record = after(&[("Started", 0)]);
    assert!(step(&record, Ok(observed("Started", 0)), 23).alerts.is_empty());
    let late = step(&record, Err(Failure::Transient { detail: "timed out".into() }), 25);
    assert_eq!(kinds(&late), ["overdue"]);
    assert!(late.is_news);
    assert!(step(&late.record, Ok(observed("Started", 0)), 26).alerts.is_empty());
    let unseen = step(&new(), Err(Failure::Transient { detail: "timed out".into() }), 25);
    assert_eq!(kinds(&unseen), ["overdue"]);
}

#[test]
fn an_unused_reservation_counts_down_and_is_polled_in_time() {
    let record = after(&[("Reserved", 0)]);
    let quiet = step(&record, Ok(observed("Reserved", 0)), 100);
    assert!(quiet.alerts.is_empty());
    let first = step(&quiet.record, Ok(observed("Reserved", 0)), 121);
    assert_eq!(kinds(&first), ["expiring"]);
    assert!(first.alerts[0].headline.contains("ends in 1d 23h"), "{}", first.alerts[0].headline);
    let second = step(&first.record, Ok(observed("Reserved", 0)), 145);
    assert_eq!(kinds(&second), ["expiring"]);
    assert!(step(&second.record, Ok(observed("Reserved", 0)), 150).alerts.is_empty());
    // A countdown comes before the resting interval ends, so the poll is early.
    let early = step(&record, Ok(observed("Reserved", 0)), 115);
    assert_eq!(due_in_s(&early, 115), Some(5 * 3600));
    // One warning after a long silence, not two.
    assert_eq!(kinds(&step(&record, Ok(observed("Reserved", 0)), 150)), ["expiring"]);
}

#[test]
fn countdowns_within_an_hour_are_distinguished() {
    let first = warned(&[], &[90, 60, 45], 80);
    assert_eq!(
        (kinds(&first), first.record.warned.as_slice()),
        (vec!["expiring"], &["guarantee-90m".to_owned()][..])
    );
    let second = warned(&["guarantee-90m"], &[90, 60, 45], 50);
    assert_eq!(
        (kinds(&second), second.record.warned.last().unwrap().as_str()),
        (vec!["expiring"], "guarantee-1h")
    );
    let third = warned(&["guarantee-90m", "guarantee-1h"], &[90, 60, 45], 40);
    assert_eq!(
        (kinds(&third), third.record.warned.last().unwrap().as_str()),
        (vec!["expiring"], "guarantee-45m")
    );
    assert_ne!(first.alerts[0].key, second.alerts[0].key);
}

#[test]
fn a_countdown_sent_under_a_tag_of_whole_hours_is_not_sent_again() {
    for (tag, countdown, left) in [
        ("guarantee-1h", 90, 80),
        ("guarantee-1h", 60, 50),
        ("guarantee-0h", 45, 40),
        ("guarantee-24h", 1440, 1400),
    ] {
        let decision = warned(&[tag], &[countdown], left);
        assert!(decision.alerts.is_empty(), "{tag} for {countdown} minutes");
        assert_eq!(decision.record.warned, [tag]);
    }
}
