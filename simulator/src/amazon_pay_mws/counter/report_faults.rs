//! What can be wrong with a transaction file: docs/src/reference/amazon-pay-batch.md sections 11 and 17.
//!
//! Owns: each fault's form. Must never know: objects, requests.

use super::super::merchant::MwsReportHabits;

/// How files are declared unless they are in another encoding.
pub(super) const UTF_8: &str = "text/plain;charset=UTF-8";

/// What a proxy with a sign-in page says instead of any file.
pub(super) const WEB_PAGE: &[u8] = b"<!DOCTYPE html><html><body>Sign in</body></html>";

/// The file with its faults, and how it is declared.
pub(super) fn spoil(file: Vec<u8>, habits: &MwsReportHabits) -> (&'static str, Vec<u8>) {
    let Ok(text) = String::from_utf8(file) else { return (UTF_8, Vec::new()) };
    let mut rows: Vec<Vec<String>> = text.lines().map(cells).collect();
    let Some(header) = rows.first().cloned() else { return (UTF_8, text.into_bytes()) };
    let place = |name: &dyn Fn(&str) -> bool| header.iter().position(|column| name(column));
    let (amount, state) = (
        place(&|column| column.ends_with("Amount") || column == "OrderTotal"),
        place(&|column| column.ends_with("Status")),
    );
    for (number, row) in (0_u32..).zip(rows.iter_mut().skip(1)) {
        if let Some(cell) =
            amount.and_then(|place| row.get_mut(place)).filter(|_| number < habits.other_amounts)
        {
            *cell = format!("1{cell}");
        }
        if let Some(cell) =
            state.and_then(|place| row.get_mut(place)).filter(|_| number < habits.other_states)
        {
            *cell = "Declined".to_owned();
        }
    }
    for number in 0..habits.bad_rows {
        rows.push(bad_row(&header, amount, number));
    }
    if habits.has_extra_column {
        for (number, row) in rows.iter_mut().enumerate() {
            row.push(if number == 0 { "LoyaltyTier".to_owned() } else { format!("tier {number}") });
        }
    }
    let lines: Vec<String> = rows.iter().map(|row| line(row)).collect();
    let text = lines.join("\n") + "\n";
    if habits.is_western {
        // Every letter up to U+00FF that is written here stands at the same place there.
        let western = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect();
        return ("text/plain;charset=windows-1252", western);
    }
    let mark = if habits.has_mark { "\u{feff}" } else { "" };
    (UTF_8, format!("{mark}{text}").into_bytes())
}

/// In turn: a row that is too short, one with a grouped amount, one without its date.
fn bad_row(header: &[String], amount: Option<usize>, number: u32) -> Vec<String> {
    let mut row: Vec<String> = header
        .iter()
        .map(|column| match column.as_str() {
            "LastUpdateTimestamp" | "CreationTimestamp" => "2026-03-01T00:00:00 -0700".to_owned(),
            "CurrencyCode" => "EUR".to_owned(),
            column if column.ends_with("Status") => "Completed".to_owned(),
            column if column.ends_with("Id") => format!("P02-9999999-9999999-C90000{number}"),
            _ => String::new(),
        })
        .collect();
    match number % 3 {
        0 => row.truncate(2),
        1 => {
            if let Some(cell) = amount.and_then(|place| row.get_mut(place)) {
                *cell = "1.234,50".to_owned();
            }
        }
        _ => {
            let date = header.iter().position(|column| column == "LastUpdateTimestamp");
            if let Some(cell) = date.and_then(|place| row.get_mut(place)) {
                *cell = "yesterday".to_owned();
            }
        }
    }
    row
}

fn cells(line: &str) -> Vec<String> {
    let inside = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line);
    inside.split("\",\"").map(|cell| cell.replace("\"\"", "\"")).collect()
}

fn line(row: &[String]) -> String {
    let quoted: Vec<String> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    quoted.join(",")
}
