//! Figures beside their goals.

use std::fmt;

/// Which side of a goal is good.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    None,
}

#[derive(Debug)]
struct Row {
    figure: String,
    measured: String,
    baseline: String,
    /// The value that the goal applies to.
    value: f64,
    goal: Goal,
    unit: &'static str,
}

impl Row {
    fn is_met(&self) -> Option<bool> {
        match self.goal {
            Goal::AtLeast(least) => Some(self.value >= least),
            Goal::AtMost(most) => Some(self.value <= most),
            Goal::None => None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// A figure whose goal applies to `value`, in `unit`. It is printed at once, because the whole run takes
    /// long.
    pub(crate) fn add(
        &mut self,
        figure: impl Into<String>,
        measured: impl Into<String>,
        baseline: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
    ) {
        let (figure, measured, baseline) = (figure.into(), measured.into(), baseline.into());
        let row = Row { figure, measured, baseline, value, goal, unit };
        println!("  {}", row.line().join(" | "));
        self.0.push(row);
    }

    /// A figure without a goal.
    pub(crate) fn tell(&mut self, figure: impl Into<String>, measured: impl Into<String>) {
        self.add(figure, measured, "", 0.0, "", Goal::None);
    }

    pub(crate) fn misses(&self) -> usize {
        self.0.iter().filter(|row| row.is_met() == Some(false)).count()
    }
}

impl Row {
    fn line(&self) -> [String; 6] {
        let number = |value: f64| if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        let (value, goal) = match self.goal {
            Goal::AtLeast(least) => (number(self.value), format!(">= {}{}", number(least), self.unit)),
            Goal::AtMost(most) => (number(self.value), format!("<= {}{}", number(most), self.unit)),
            Goal::None => (String::new(), String::new()),
        };
        let value = if value.is_empty() { value } else { format!("{value}{}", self.unit) };
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        [self.figure.clone(), self.measured.clone(), self.baseline.clone(), value, goal, verdict.to_owned()]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["figure", "measured", "baseline", "value", "goal", "verdict"].map(str::to_owned);
        let lines: Vec<[String; 6]> = std::iter::once(head).chain(self.0.iter().map(Row::line)).collect();
        let mut widths = [0; 6];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        writeln!(formatter)?;
        for line in &lines {
            let cells: Vec<String> =
                line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(formatter, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}
