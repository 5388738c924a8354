//! Published days, read again.

use super::*;

#[tokio::test]
async fn day_summaries_are_listed_with_their_figures_and_the_newest_revision_counts() {
    let ledger = Ledger::new().await;
    assert_eq!(ledger.reports(at(0)).day_summaries(10).await.unwrap(), [], "no folder yet");
    ledger.usual_day().await;
    let first = ledger.reports(at(DAY_S)).make(day()).await.unwrap();
    ledger.reports(at(3 * DAY_S)).make("2026-01-16".parse().unwrap()).await.unwrap();
    let reports = ledger.reports(at(3 * DAY_S));
    let dates = |days: &[DaySummary]| days.iter().map(|day| day.date.to_string()).collect::<Vec<_>>();
    let days = reports.day_summaries(10).await.unwrap();
    assert_eq!(dates(&days), ["2026-01-16", "2026-01-15"]);
    assert_eq!(dates(&reports.day_summaries(1).await.unwrap()), ["2026-01-16"]);
    let usual = &days[1];
    assert_eq!((&usual.folder, usual.revision), (&first.folder, 1));
    let figures = &usual.figures["live"];
    assert_eq!((figures.declined, figures.succeeded, figures.canceled, figures.closed), (1, 1, 1, 0));
    assert_eq!((figures.resolved(), figures.declined_texts()), (2, vec!["14.00 EUR".to_owned()]));
    let declined = usual.files.iter().find(|file| file.name == "declined_2026-01-15.csv").unwrap();
    assert_eq!(declined.rows, Some(1));
    // A second revision, a folder that is being made, and one that is none.
    let second = ledger.month().join("2026-01-15_r2");
    std::fs::create_dir(&second).unwrap();
    for name in ["manifest.json", "SHA256SUMS"] {
        std::fs::copy(first.folder.join(name), second.join(name)).unwrap();
    }
    for name in [".making-2026-01-17", "notes", "2026-01-18"] {
        std::fs::create_dir(ledger.month().join(name)).unwrap();
    }
    let days = reports.day_summaries(10).await.unwrap();
    assert_eq!(dates(&days), ["2026-01-16", "2026-01-15"]);
    assert_eq!((&days[1].folder, days[1].revision), (&second, 2));
    assert_eq!(reports.day_summary(day()).await.unwrap().unwrap().revision, 2);
    assert_eq!(reports.day_summary("2026-01-14".parse().unwrap()).await.unwrap(), None);
    assert!(reports.day_summary("2026-01-18".parse().unwrap()).await.is_err(), "it has no manifest");
}
