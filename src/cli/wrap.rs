//! Text in lines of a given width.
//!
//! Owns: where a line breaks. Must never know: any command.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The width of everything that is written for a terminal of any size.
pub(super) const COLUMNS: usize = 80;

/// The words of a text in lines of at most `columns`, the first after `first`, the others after as many spaces as it is
/// wide. A word that is longer than a line is cut into pieces.
pub(super) fn wrap(first: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(first.width());
    let room = columns.saturating_sub(first.width()).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in text.split_whitespace().flat_map(|word| pieces(word, room)) {
        if !line.is_empty() && line.width() + 1 + piece.width() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(piece);
    }
    lines.push(line);
    let start = |number: usize| if number == 0 { first } else { indent.as_str() };
    let lines = lines.iter().enumerate().map(|(number, line)| format!("{}{line}", start(number)));
    lines.map(|line| line.trim_end().to_owned()).collect()
}

/// The text, with `…` in place of what is too wide.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let kept = pieces(text, columns.saturating_sub(1).max(1));
    format!("{}…", kept.first().copied().unwrap_or_default())
}

fn pieces(word: &str, room: usize) -> Vec<&str> {
    let (mut pieces, mut start, mut width) = (Vec::new(), 0, 0);
    for (at, letter) in word.char_indices() {
        let wide = letter.width().unwrap_or_default();
        if width + wide > room && at > start {
            pieces.push(&word[start..at]);
            (start, width) = (at, 0);
        }
        width += wide;
    }
    pieces.push(&word[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_it_may_be() {
        assert_eq!(wrap("! ", "one two three", 9), ["! one two", "  three"]);
        assert_eq!(wrap("", "abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("name: ", "", 20), ["name:"]);
        assert_eq!(wrap("", "注文注文 1", 5), ["注文", "注文", "1"]);
    }

    #[test]
    fn what_is_left_out_is_marked() {
        assert_eq!(cut("shop", 4), "shop");
        assert_eq!(cut("shop-de", 5), "shop…");
        assert_eq!(cut("注文注文", 5), "注文…");
    }
}
