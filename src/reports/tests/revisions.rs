//! Reports that are made again, or whose disk fails.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_repeated_report_has_the_same_bytes_whatever_happened_since() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let first = ledger.reports(at(DAY_S)).make(day()).await.unwrap();
    let bytes = content(&first.folder);

    let mut released = row("C4", Some("Authorized"), "Captured", DAY_S + 5);
    released.note = "released from quarantine".to_owned();
    ledger.see(released).await;
    ledger.see(row("C5", None, "Declined", DAY_S + 10)).await;
    ledger.enrol("C6", DAY_S).await;
    let again = ledger.reports(at(5 * DAY_S)).make(day()).await.unwrap();
    assert!(again.was_there);
    assert_eq!((again.folder, again.manifest_sha256), (first.folder.clone(), first.manifest_sha256));
    assert_eq!(content(&first.folder), bytes);

    std::fs::rename(ledger.folder.path().join("reports"), ledger.folder.path().join("elsewhere")).unwrap();
    let anew = ledger.reports(at(5 * DAY_S)).make(day()).await.unwrap();
    assert!(!anew.was_there);
    assert_eq!(content(&anew.folder), bytes);
    let next = ledger.reports(at(5 * DAY_S)).make("2026-01-16".parse().unwrap()).await.unwrap();
    assert_eq!(next.rows, [("declined", 1), ("resolved", 1), ("pending", 1), ("quarantined", 0)]);
    assert_eq!(next.failed_checks, Vec::<String>::new());
}

#[tokio::test]
async fn a_report_that_differs_becomes_a_new_revision_beside_the_old_one() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let reports = ledger.reports(at(DAY_S));
    let first = reports.make(day()).await.unwrap();
    let bytes = content(&first.folder);
    let mut known = enrolment("C5");
    known.details.merchant_reference = Some("ORDER-LATE".to_owned());
    ledger.store.enrol(vec![known], at(DAY_S + 1)).await.unwrap();
    let second = reports.make(day()).await.unwrap();
    assert_eq!((second.revision, second.was_there), (2, false));
    assert_eq!(second.folder, ledger.month().join("2026-01-15_r2"));
    assert_eq!(content(&first.folder), bytes, "a published file never changes");
    let supersedes = &json(&second.folder, "manifest.json")["supersedes"];
    assert_eq!(supersedes["folder"], "2026-01-15");
    assert_eq!(supersedes["manifest_sha256"], first.manifest_sha256);
    assert!(reports.make(day()).await.unwrap().was_there);

    std::fs::write(second.folder.join("declined_2026-01-15.csv"), "tampered").unwrap();
    assert_eq!(reports.make(day()).await.unwrap().revision, 3, "a damaged one is created again beside it");
}

#[derive(Debug)]
struct FailAt {
    step: usize,
    count: AtomicUsize,
}

impl Probe for FailAt {
    fn before(&self, step: Step, path: &Path) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let refused = || io::Error::other(format!("no {step:?} of {}", path.display()));
        if number == self.step { Err(refused()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_any_step_leaves_nothing_visible() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let mut failures = 0;
    for step in 0.. {
        let probe = Arc::new(FailAt { step, count: AtomicUsize::new(0) });
        let outcome = ledger.reports_with(at(DAY_S), probe).make(day()).await;
        if let Ok(made) = outcome {
            assert_eq!(content(&made.folder).len(), 9);
            break;
        }
        failures += 1;
        // Before the rename nothing is visible; if only the last syncs fail, all of it is.
        let entries = std::fs::read_dir(ledger.month()).map(|entries| entries.count()).unwrap_or(0);
        if entries > 0 {
            assert_eq!(
                content(&ledger.month().join(day().to_string())).len(),
                9,
                "after failing step {step}"
            );
            assert_eq!(entries, 1, "after failing step {step}");
        }
        assert!(!ledger.reports(at(DAY_S)).is_made(day()).await.unwrap());
    }
    assert!(failures > 20, "only {failures} steps were tried");
}
