//! The day's CSV files as one spreadsheet: real numbers, real dates, whatever the reader's language.
//!
//! Owns: the type of each column, one sheet for each file. Must never know: rows, totals, the store.
//!
//! The finished CSV files are read again line by line, and sheets are written through temporary files in the draft's
//! folder, so memory stays small for any number of rows.

use std::io::{self, BufWriter, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::{Date, DateTime};
use rust_xlsxwriter::{DocProperties, Format, Workbook, Worksheet, XlsxError};

use super::day_files::Filed;
use super::sheet::{Dialect, Measured};
use super::write::{Draft, Put};

/// How many rows a sheet holds beside its header. Excel has no more.
const SHEET_ROWS: u64 = 1_048_575;
/// A number with more digits is written as text: a spreadsheet would round it.
const DIGITS: usize = 15;

/// What manifests call the file.
pub(super) const MEDIA_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// `nightly_2026-01-15.xlsx`.
pub(super) fn file_name(date: Date) -> String {
    format!("nightly_{date}.xlsx")
}

/// How many rows of the files no sheet has room for.
pub(super) fn rows_left_out(filed: &[Filed]) -> u64 {
    filed.iter().map(|file| file.totals.count().saturating_sub(SHEET_ROWS)).sum()
}

/// Rows after which progress is reported.
const PAGE: u32 = 500;

/// Writes the workbook from the finished files. `pages` grows on the way, because a large one takes long.
pub(super) fn write(
    draft: &Draft,
    filed: &[Filed],
    date: Date,
    (dialect, pages): (Dialect, &AtomicU64),
) -> io::Result<Put> {
    // The library panics when its temporary files cannot be written.
    let written = panic::catch_unwind(AssertUnwindSafe(|| write_all(draft, filed, date, (dialect, pages))));
    written.unwrap_or_else(|_| Err(io::Error::other("the temporary files of the workbook cannot be written")))
}

fn write_all(
    draft: &Draft,
    filed: &[Filed],
    date: Date,
    (dialect, pages): (Dialect, &AtomicU64),
) -> io::Result<Put> {
    let mut workbook = Workbook::new();
    workbook.set_tempdir(draft.folder()).map_err(failed)?;
    // The same day always gives the same bytes.
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&date));
    let formats = Formats::new();
    for file in filed {
        let sheet = workbook.add_worksheet_with_constant_memory().map_err(failed)?;
        sheet.set_name(file.sort).map_err(failed)?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .from_path(draft.folder().join(&file.name))
            .map_err(io::Error::other)?;
        let header = reader.headers().map_err(io::Error::other)?.clone();
        // Only the first name can begin with the byte order mark.
        let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        begin(sheet, &names, &formats).map_err(failed)?;
        let mut record = csv::StringRecord::new();
        let mut row = 0;
        while u64::from(row) < SHEET_ROWS && reader.read_record(&mut record).map_err(io::Error::other)? {
            row += 1;
            if row % PAGE == 0 {
                pages.fetch_add(1, Ordering::Relaxed);
            }
            for ((column, name), text) in (0..).zip(&names).zip(&record) {
                cell(sheet, (row, column), name, text, dialect, &formats).map_err(failed)?;
            }
        }
    }
    let mut measured = Measured::new(BufWriter::new(draft.create(&file_name(date))?));
    workbook.save_to_writer(&mut measured).map_err(failed)?;
    measured.flush()?;
    let (inner, bytes, sha256) = measured.finish();
    inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync()?;
    Ok(Put { bytes, sha256 })
}

struct Formats {
    header: Format,
    time: Format,
    date: Format,
    /// By the number of decimals.
    amounts: [Format; 5],
}

impl Formats {
    fn new() -> Formats {
        Formats {
            header: Format::new().set_bold(),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            date: Format::new().set_num_format("yyyy-mm-dd"),
            amounts: ["#,##0", "#,##0.0", "#,##0.00", "#,##0.000", "#,##0.0000"]
                .map(|format| Format::new().set_num_format(format)),
        }
    }
}

/// The header, which stays in place while the rows are scrolled.
fn begin(sheet: &mut Worksheet, names: &[&str], formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_freeze_panes(1, 0)?;
    for (column, name) in (0..).zip(names) {
        sheet.set_column_width(column, if name.ends_with("_id") { 28 } else { 20 })?;
        sheet.write_string_with_format(0, column, *name, &formats.header)?;
    }
    Ok(())
}

/// One cell, as the type that its column has. What does not fit the type is text.
fn cell(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    name: &str,
    text: &str,
    dialect: Dialect,
    formats: &Formats,
) -> Result<(), XlsxError> {
    if text.is_empty() {
        return Ok(());
    }
    match kind(name) {
        Kind::Amount => {
            let text = text.replace(char::from(dialect.decimal), ".");
            let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            if let Some((number, format)) = number(&text).zip(formats.amounts.get(decimals)) {
                sheet.write_number_with_format(row, column, number, format)?;
                return Ok(());
            }
        }
        Kind::Number => {
            if let Some(number) = number(text) {
                sheet.write_number(row, column, number)?;
                return Ok(());
            }
        }
        Kind::Time => {
            if let Some(moment) = text.get(..19).and_then(|text| text.parse::<DateTime>().ok()) {
                sheet.write_datetime_with_format(row, column, moment, &formats.time)?;
                return Ok(());
            }
        }
        Kind::Date => {
            if let Ok(date) = text.parse::<Date>() {
                sheet.write_datetime_with_format(row, column, date, &formats.date)?;
                return Ok(());
            }
        }
        Kind::Text => {}
    }
    // A text cell is never a formula here, so it needs no guard.
    sheet.write_string(row, column, unguarded(text))?;
    Ok(())
}

/// What a column holds.
enum Kind {
    Text,
    Number,
    Amount,
    /// A moment; the zone is in the column's name.
    Time,
    Date,
}

fn kind(name: &str) -> Kind {
    match name {
        "business_date" => Kind::Date,
        "amount" | "newly_captured" | "newly_refunded" => Kind::Amount,
        "amount_minor" | "currency_exponent" => Kind::Number,
        _ if name.ends_with("_amount") => Kind::Amount,
        _ if name.ends_with("_utc") || name.ends_with("_local") => Kind::Time,
        _ if name.ends_with("_s") => Kind::Number,
        _ => Kind::Text,
    }
}

fn number(text: &str) -> Option<f64> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.parse().ok().filter(|_| digits <= DIGITS)
}

/// Without the `'` that keeps a spreadsheet from reading a CSV cell as a formula.
fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| crate::text::is_formula(rest)).unwrap_or(text)
}

fn failed(error: XlsxError) -> io::Error {
    io::Error::other(error)
}
