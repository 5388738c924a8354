//! The page on paper: printed by Chromium, read back by pdftotext.

use std::process::Command;

use super::*;
use crate::payments::lifecycle::{Lifecycle, ReasonFacts, StateFacts, Tone};

/// States whose names are only codes.
struct Codes;

impl Lifecycle for Codes {
    fn states(&self) -> &'static [&'static str] {
        &["13"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        (word == "13").then_some(StateFacts {
            name: "13",
            phase: Phase::Final,
            outcome: Outcome::Declined,
            moves: Moves::Nothing,
            meaning: "The payment failed.",
            next: &[],
            patience: None,
            guarantee: None,
        })
    }

    fn reasons(&self, _state: &str) -> &'static [ReasonFacts] {
        &[ReasonFacts {
            name: "072",
            meaning: "The card has too little money.",
            advice: "Ask again.",
            tone: Tone::Alarming,
        }]
    }

    fn advice_without_reason(&self, _state: &str) -> &'static str {
        ""
    }
}

/// A day with more declines than fit on a page, on an account with a long name.
async fn full_day() -> (Ledger, PathBuf) {
    const ACCOUNT: &str = "shop-with-a-rather-long-name-for-the-north-west";
    let ledger = Ledger::new().await;
    let mut rows = Vec::new();
    for number in 0..70 {
        let object = format!("{ACCOUNT}/aps-order/P02-1234567-1234567-C{number:06}");
        rows.push((object, "13", number));
    }
    rows.push(("shop-test/charge/T1".to_owned(), "Declined", 80));
    rows.push((format!("{ACCOUNT}/aps-order/Q1"), "Surprise", 90));
    for (object, state, number) in rows {
        let enrolment = Enrolment { object: object.parse().unwrap(), details: Details::default() };
        ledger.store.enrol(vec![enrolment], at(10)).await.unwrap();
        let mut seen =
            Transition { object: object.parse().unwrap(), ..row("X", None, "Declined", 100 + number) };
        // The first seen happened last.
        seen.happened_at = at(90 - number);
        seen.to = state.to_owned();
        seen.reasons = vec!["072".to_owned()];
        seen.amount = Some(Money::parse(&format!("1234567{:03}.01", number), "EUR").unwrap());
        seen.merchant_reference = Some(format!("ORDER-2026-000000{number}"));
        if state == "Surprise" {
            (seen.phase, seen.outcome) = (Phase::Resting, Outcome::Undecided);
            seen.note = "quarantined: unknown-state".to_owned();
        }
        ledger.see(seen).await;
    }
    let find = |_: &_, kind: &crate::payments::object::Kind| {
        (kind.as_str() == "aps-order").then_some(&Codes as &'static dyn Lifecycle)
    };
    let reports = ledger.reports(at(DAY_S)).explained_by(Meanings::new(find));
    let made = reports.make(day()).await.unwrap();
    assert_eq!(made.failed_checks, Vec::<String>::new());
    (ledger, made.folder)
}

#[tokio::test]
async fn the_page_lists_what_needs_a_person_by_time_and_in_words_and_sandbox_apart() {
    let (_ledger, folder) = full_day().await;
    let page = std::fs::read_to_string(folder.join("summary.html")).unwrap();
    let (live, rest) = page.split_once("<h2>Quarantined</h2>").unwrap();
    let (quarantined, sandbox) = rest.split_once("<h2>Sandbox: declined</h2>").unwrap();
    assert!(live.contains("The first 50 of 70; all stand in the CSV file. Each needs a manual check."));
    let (first, last) = (live.find("C000049").unwrap(), live.find("C000000").unwrap());
    assert!(first < last, "sorted by when it happened");
    for text in
        ["1234567049.01 EUR", "The payment failed.", "The card has too little money.", "<td>live</td>"]
    {
        assert!(live.contains(text), "{text}");
    }
    for text in ["Q1", "unknown-state", "Surprise", "Each needs a manual check."] {
        assert!(quarantined.contains(text), "{text}");
    }
    assert!(sandbox.contains("T1") && sandbox.contains("No real money."));
    assert!(!sandbox.contains("Each needs a manual check."));
    assert!(!live.contains(">T1<") && !quarantined.contains(">T1<"));
}

/// A word on a page: its text, left and right edge.
type Word = (String, f64, f64);

/// Prints the page, with more style. Each page is its width and its words.
fn printed(page: &Path, style: &str, folder: &Path) -> Result<Vec<(f64, Vec<Word>)>, String> {
    let html = std::fs::read_to_string(page).unwrap();
    let (source, pdf) = (folder.join("page.html"), folder.join("page.pdf"));
    std::fs::write(&source, html.replace("</style>", &format!("{style}</style>"))).unwrap();
    let run = |command: &mut Command| {
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(text) } else { Err(format!("{command:?}: {output:?}")) }
    };
    run(Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"])
        .arg(format!("--user-data-dir={}", folder.join("browser").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(&source))?;
    let text = run(Command::new("pdftotext").arg("-bbox").args([&pdf, Path::new("-")]))?;
    let number = |line: &str, name: &str| -> f64 {
        let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let mut pages: Vec<(f64, Vec<Word>)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("<page ") {
            pages.push((number(line, "width"), Vec::new()));
        } else if line.starts_with("<word ") {
            let word = line.split(['>', '<']).nth(2).unwrap().to_owned();
            pages.last_mut().unwrap().1.push((word, number(line, "xMin"), number(line, "xMax")));
        }
    }
    Ok(pages)
}

/// Where `tests/skipped.rs` looks: the folder `tmp` beside the build's own.
fn skip_note() -> std::path::PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("tmp/skipped/the page on paper")
}

#[tokio::test]
async fn the_printed_page_cuts_nothing_and_repeats_its_headers() {
    let (_ledger, folder) = full_day().await;
    for (paper, width) in [("A4", 595.0), ("Letter", 612.0)] {
        let place = tempfile::tempdir().unwrap();
        let style = format!("@page {{ size: {paper} }}");
        let pages = match printed(&folder.join("summary.html"), &style, place.path()) {
            Ok(pages) => pages,
            Err(why) => {
                let is_required =
                    std::env::var_os("RECONCILED_REQUIRE_TOOLS").is_some_and(|value| value == "1");
                assert!(!is_required, "{why}");
                std::fs::create_dir_all(skip_note().parent().unwrap()).unwrap();
                return std::fs::write(skip_note(), why).unwrap();
            }
        };
        // There may be no note.
        let _ = std::fs::remove_file(skip_note());
        assert!(pages.len() > 2, "{paper}: {} pages", pages.len());
        let mut amounts = 0;
        for (number, (page_width, words)) in pages.iter().enumerate() {
            assert!((page_width - width).abs() < 2.0, "{paper}: {page_width}");
            for (word, left, right) in words {
                assert!(*left > 20.0 && *right < page_width - 20.0, "{paper} page {number}: {word} is cut");
            }
            let texts: Vec<&str> = words.iter().map(|(word, _, _)| word.as_str()).collect();
            let listed = texts
                .windows(2)
                .filter(|pair| pair[0].starts_with("1234567") && pair[0].ends_with(".01") && pair[1] == "EUR")
                .count();
            amounts += listed;
            if listed > 3 {
                assert!(texts.contains(&"when"), "{paper} page {number} has rows without their header");
            }
        }
        assert!(amounts >= 52, "{paper}: {amounts} amounts with their currency");
    }
}
