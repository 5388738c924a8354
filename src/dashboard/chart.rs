//! A chart of days: one column for each, as numbers that a template writes as SVG.
//!
//! Owns: where each column is. Must never know: what is counted.

use jiff::civil::Date;

/// The size of a chart, in its own units.
pub(super) const WIDTH: u64 = 620;
pub(super) const HEIGHT: u64 = 90;

/// A column of a chart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    /// What a pointer shows: `2026-01-15: 12`.
    pub(super) title: String,
    /// The day is not over yet.
    pub(super) is_part: bool,
}

/// One count for each day.
#[derive(Debug, Default)]
pub(super) struct Chart {
    pub(super) name: &'static str,
    pub(super) tone: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) highest: u64,
    pub(super) sum: u64,
}

/// A chart of days in order. A day without a count has no column; the last one is not over.
pub(super) fn chart(name: &'static str, tone: &'static str, days: &[(Date, Option<u64>)]) -> Chart {
    let counts = days.iter().filter_map(|(_, count)| *count);
    let (highest, sum) = (counts.clone().max().unwrap_or(0), counts.sum());
    let step = WIDTH / u64::try_from(days.len()).unwrap_or(1).max(1);
    let column = |(place, (date, count)): (u64, &(Date, Option<u64>))| {
        let count = count.filter(|count| *count > 0)?;
        // At least three units, so that a single decline is seen.
        let height = (count.saturating_mul(HEIGHT) / highest.max(1)).clamp(3, HEIGHT);
        Some(Column {
            x: place * step + 2,
            y: HEIGHT - height,
            width: step.saturating_sub(4).max(1),
            height,
            title: format!("{date}: {count}"),
            is_part: place + 1 == days.len() as u64,
        })
    };
    Chart { name, tone, columns: (0u64..).zip(days).filter_map(column).collect(), highest, sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_a_report_has_no_column_and_one_decline_is_seen() {
        let date = |day| Date::new(2026, 1, day).unwrap();
        let days = [(date(1), Some(1_000_000)), (date(2), None), (date(3), Some(0)), (date(4), Some(1))];
        let chart = chart("declined", "bad", &days);
        let shown: Vec<(u64, u64, bool)> =
            chart.columns.iter().map(|column| (column.x, column.height, column.is_part)).collect();
        assert_eq!(shown, [(2, HEIGHT, false), (467, 3, true)]);
        assert_eq!((chart.highest, chart.sum), (1_000_000, 1_000_001));
    }
}
