//! The day as a spreadsheet.

use std::io::Read;

use super::*;

/// A part of the workbook as text.
fn part(folder: &Path, name: &str) -> String {
    let file = std::fs::File::open(folder.join("nightly_2026-01-15.xlsx")).unwrap();
    let mut text = String::new();
    zip::ZipArchive::new(file).unwrap().by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The cells of a sheet as `A1: content`.
fn cells(sheet: &str) -> BTreeMap<String, String> {
    let inner = |text: &str, open: &str, close: &str| {
        text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(inner, _)| inner.to_owned())
    };
    let cell = |text: &str| {
        let name = text.split('"').next().unwrap().to_owned();
        let value = inner(text, "<v>", "</v>").or_else(|| inner(text, "<t>", "</t>"));
        (name, value.unwrap_or_default())
    };
    sheet.split("<c r=\"").skip(1).map(cell).collect()
}

#[tokio::test]
async fn the_workbook_has_real_numbers_and_dates_below_a_frozen_header() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let folder = ledger.reports(at(DAY_S)).make(day()).await.unwrap().folder;
    let names = part(&folder, "xl/workbook.xml");
    for name in ["declined", "resolved", "pending", "quarantined"] {
        assert!(names.contains(&format!("<sheet name=\"{name}\"")), "{names}");
    }
    let sheet = part(&folder, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains("<pane ySplit=\"1\"") && sheet.contains("state=\"frozen\""), "{sheet}");
    let declined = cells(&sheet);
    let column = |name: &str| -> &str {
        let (place, _) = declined.iter().find(|(place, text)| place.ends_with('1') && *text == name).unwrap();
        &declined[&place.replace('1', "2")]
    };
    for (name, expected) in [
        // Days since 1899-12-30.
        ("business_date", "46037"),
        ("seen_time_utc", "46037.791666666664"),
        ("seen_time_local", "46037.833333333336"),
        ("amount", "14"),
        ("amount_minor", "1400"),
        ("detection_delay_s", "60"),
        ("currency", "EUR"),
        ("merchant_reference_id", "=HYPERLINK(\"http://evil.example\")&lt;b&gt;"),
    ] {
        assert_eq!(column(name), expected, "{name}");
    }
    assert!(!sheet.contains("<f>"), "no formula");
    let styles = part(&folder, "xl/styles.xml");
    assert!(
        styles.contains("yyyy-mm-dd") && styles.contains("yyyy\\-mm\\-dd hh:mm:ss")
            || styles.contains("hh:mm:ss")
    );
}

#[tokio::test]
async fn the_workbook_is_the_same_however_the_files_are_written_and_can_be_left_out() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let name = "nightly_2026-01-15.xlsx";
    let mut workbooks = Vec::new();
    for (delimiter, decimal, xlsx) in [(b',', b'.', true), (b';', b',', true), (b'\t', b',', false)] {
        let folder = tempfile::tempdir().unwrap();
        let config = ReportsConfig {
            folder: folder.path().to_owned(),
            csv_bom: decimal == b',',
            delimiter,
            decimal,
            xlsx,
            ..ledger.config("Europe/Berlin")
        };
        let clock = VirtualClock::starting_at(at(DAY_S));
        let made = Reports::new(ledger.store.clone(), clock, config, [].into()).make(day()).await.unwrap();
        let resolved = std::fs::read_to_string(made.folder.join("resolved_2026-01-15.csv")).unwrap();
        let amount = format!("{0}14{1}00{0}EUR{0}1400{0}", char::from(delimiter), char::from(decimal));
        assert!(resolved.contains(&amount), "{resolved}");
        let manifest = json(&made.folder, "manifest.json");
        assert_eq!(manifest["csv"]["decimal"], char::from(decimal).to_string());
        let is_listed = manifest["files"].as_array().unwrap().iter().any(|file| file["name"] == name);
        assert_eq!((is_listed, made.folder.join(name).exists()), (xlsx, xlsx));
        if xlsx {
            workbooks.push(std::fs::read(made.folder.join(name)).unwrap());
        }
    }
    assert_eq!(workbooks[0], workbooks[1]);
}
