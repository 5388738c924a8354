//! Names of columns and keys: compared without case and punctuation, and typing mistakes found.

/// White space and characters without width: no-break spaces, direction marks, byte order marks.
pub fn is_invisible(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A text without the invisible characters around it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(is_invisible)
}

/// A name in the form in which names are compared: `Charge_ID`, `charge id` and `chargeId` are equal.
pub fn plain(name: &str) -> String {
    trimmed(name)
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' ' | '.'))
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// The known name that `name` nearly is: one letter more, less or different, or two swapped. Short names have
/// too many neighbours, and a known name is no mistake.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = plain(name);
    if name.len() < 4 {
        return None;
    }
    known.into_iter().find(|known| is_slip(&name, &plain(known)))
}

fn is_slip(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same_start = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same_start..], &other[same_start..]);
    let same_end = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[..one.len() - same_end], &other[..other.len() - same_end]);
    match (one, other) {
        ([], [_]) | ([_], [] | [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}
