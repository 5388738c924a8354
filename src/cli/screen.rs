//! What a command writes: results to standard output, everything else to standard error.
//!
//! Owns: escaping of characters that could control a terminal, tables, colour. Must never know: any command.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::exit::Failed;
use super::wrap::{COLUMNS, cut, wrap};
use crate::text;

/// Where a command writes.
pub struct Screen<'a> {
    /// Results.
    pub out: &'a mut (dyn Write + Send),
    /// Messages about the run.
    pub err: &'a mut (dyn Write + Send),
    /// Whether standard output shows colours.
    pub has_colour: bool,
    /// Whether standard error is a terminal, so that a progress bar makes sense.
    pub is_watched: bool,
}

/// Whether standard output should have colours: a terminal, and `NO_COLOR` unset or empty.
pub fn wants_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colours, used sparingly: only where something needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neutral.
    Plain,
    /// A heading.
    Strong,
    /// Good news.
    Good,
    /// A person should check it.
    Warning,
    /// A person must act.
    Bad,
}

impl Screen<'_> {
    /// Writes a line of results. Control characters are escaped.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text::line(text))
    }

    /// Writes a line of results in a tone.
    pub fn toned(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        let painted = paint(&text::line(text), tone, self.has_colour);
        writeln!(self.out, "{painted}")
    }

    /// Writes a line about the run.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            writeln!(self.err, "{}", text::line(line))?;
        }
        Ok(())
    }

    /// Writes a message as indented JSON. JSON itself escapes control characters below U+0020. This escapes the
    /// others, in JSON's own syntax.
    pub fn json(&mut self, message: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(message)?;
        writeln!(self.out, "{}", text::json(&text))
    }

    /// Writes a message as one line of JSON.
    pub fn json_line(&mut self, message: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(message)?;
        writeln!(self.out, "{}", text::json(&text))
    }

    /// Writes a text in lines of at most 80 columns, the first after `first`, the others indented as far.
    pub fn wrapped(&mut self, first: &str, text: &str, tone: Tone) -> io::Result<()> {
        let lines = wrap(&text::line(first), &text::line(text), COLUMNS);
        lines.iter().try_for_each(|line| writeln!(self.out, "{}", paint(line, tone, self.has_colour)))
    }

    /// Like [`Screen::pair`], in lines of at most 80 columns.
    pub fn pair_wrapped(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.wrapped(&format!("{:<16} ", format!("{name}:")), value, Tone::Plain)
    }

    /// Writes a line `name: value`. All values are aligned in one column.
    pub fn pair(&mut self, name: &str, value: &str) -> io::Result<()> {
        let name = if name.is_empty() { String::new() } else { format!("{}:", text::line(name)) };
        writeln!(self.out, "{name:<16} {}", text::line(value))
    }
}

/// Reports why a command failed. Only the first line starts at the margin, so that no part of it can pass for another
/// message.
pub(super) fn complain(failed: &Failed, err: &mut dyn Write) -> io::Result<()> {
    let mut lines = failed.what.lines();
    writeln!(err, "reconciled: {}", text::line(lines.next().unwrap_or_default()))?;
    lines
        .chain(failed.remedy.lines())
        .try_for_each(|line| writeln!(err, "  {}", text::line(line.trim_start())))
}

fn paint(text: &str, tone: Tone, has_colour: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Strong => "1",
        Tone::Good => "32",
        Tone::Warning => "33",
        Tone::Bad => "31",
    };
    if has_colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Rows under headings, each column as wide as its widest cell.
#[derive(Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<(Vec<String>, Tone)>,
    /// Text below a row, by the row's position.
    notes: BTreeMap<usize, String>,
}

impl Table {
    /// A table with these headings. A heading that ends in `>` is for numbers and is right-aligned.
    pub fn new(headings: &[&'static str]) -> Table {
        Table {
            headings: headings.iter().map(|heading| heading.trim_end_matches('>')).collect(),
            right: headings.iter().map(|heading| heading.ends_with('>')).collect(),
            rows: Vec::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: Vec<String>, tone: Tone) {
        let mut cells: Vec<String> = cells.iter().map(|cell| text::line(cell).into_owned()).collect();
        cells.resize(self.headings.len(), String::new());
        self.rows.push((cells, tone));
    }

    /// Puts a text below the last row.
    pub fn note(&mut self, note: String) {
        self.notes.insert(self.rows.len(), note);
    }

    /// Writes the table with headings in at most 80 columns: texts in the widest columns are cut.
    pub fn write_fitting(mut self, screen: &mut Screen<'_>) -> io::Result<()> {
        let gaps = self.headings.len().saturating_sub(1) * 2;
        loop {
            let widths = self.widths();
            let excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(COLUMNS);
            let texts = (0..widths.len()).filter(|column| !self.right[*column]);
            let Some(widest) = texts.max_by_key(|column| widths[*column]).filter(|_| excess > 0) else {
                break;
            };
            let width = widths[widest].saturating_sub(excess).max(12);
            if width >= widths[widest] {
                break;
            }
            for (cells, _) in &mut self.rows {
                cells[widest] = cut(&cells[widest], width);
            }
        }
        self.write(screen, true)
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| heading.width()).collect();
        for (cells, _) in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        widths
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table, with headings only when `with_headings` is set. Widths are in terminal columns: each
    /// character of a Japanese order number takes two.
    pub fn write(&self, screen: &mut Screen<'_>, with_headings: bool) -> io::Result<()> {
        let widths = self.widths();
        if with_headings {
            let headings: Vec<String> = self.headings.iter().map(|heading| heading.to_uppercase()).collect();
            writeln!(
                screen.out,
                "{}",
                paint(&self.joined(&headings, &widths), Tone::Strong, screen.has_colour)
            )?;
        }
        for (number, (cells, tone)) in self.rows.iter().enumerate() {
            writeln!(screen.out, "{}", paint(&self.joined(cells, &widths), *tone, screen.has_colour))?;
            if let Some(note) = self.notes.get(&(number + 1)) {
                screen.wrapped("  ", note, Tone::Plain)?;
            }
        }
        Ok(())
    }

    fn joined(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (position, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if position > 0 {
                line.push_str("  ");
            }
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if self.right[position] {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::exit::Exit;
    use super::*;

    /// What a piece of code writes: results and notes.
    pub(in crate::cli) fn written(code: impl FnOnce(&mut Screen<'_>)) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        code(&mut Screen { out: &mut out, err: &mut err, has_colour: false, is_watched: false });
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn nothing_from_data_can_command_a_terminal() {
        let hostile = "a\u{1b}[2J\u{9b}\u{202e}\u{200b}\r\nb";
        let safe = "a\\u{1b}[2J\\u{9b}\\u{202e}\\u{200b}\\r\\nb";
        let (out, err) = written(|screen| {
            screen.line(hostile).unwrap();
            screen.toned(hostile, Tone::Bad).unwrap();
            screen.pair("name", hostile).unwrap();
            let mut table = Table::new(&["cell"]);
            table.row(vec![hostile.to_owned()], Tone::Plain);
            table.write(screen, false).unwrap();
            screen.note("one\u{1b}\ntwo").unwrap();
        });
        assert_eq!(out, format!("{safe}\n{safe}\nname:            {safe}\n{safe}\n"));
        assert_eq!(err, "one\\u{1b}\ntwo\n");
        let (out, _) = written(|screen| screen.json_line(&[hostile]).unwrap());
        assert_eq!(out, "[\"a\\u001b[2J\\u009b\\u202e\\u200b\\r\\nb\"]\n");
        assert_eq!(serde_json::from_str::<[String; 1]>(&out).unwrap(), [hostile]);
    }

    #[test]
    fn a_message_cannot_forge_another() {
        let failed = Failed::new(Exit::Data, "bad:\n  one\nreconciled: all is well\u{7}", "fix it");
        let (_, err) = written(|screen| complain(&failed, screen.err).unwrap());
        assert_eq!(err, "reconciled: bad:\n  one\n  reconciled: all is well\\u{7}\n  fix it\n");
    }

    #[test]
    fn columns_stand_under_each_other_in_every_script() {
        let mut table = Table::new(&["order", "amount>"]);
        table.row(vec!["注文1".to_owned(), "5".to_owned()], Tone::Plain);
        table.row(vec!["A-10000".to_owned(), "14.00".to_owned()], Tone::Bad);
        table.row(vec!["x\ty".to_owned()], Tone::Plain);
        let (out, _) = written(|screen| table.write(screen, true).unwrap());
        assert_eq!(out, "ORDER    AMOUNT\n注文1         5\nA-10000   14.00\nx\\ty\n");
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(paint("a", Tone::Bad, false), "a");
        assert_eq!(paint("a", Tone::Bad, true), "\u{1b}[31ma\u{1b}[0m");
        assert_eq!(paint("a", Tone::Plain, true), "a");
    }
}
