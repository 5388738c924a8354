//! The two markups of Telegram: HTML and MarkdownV2.
//!
//! Owns: which tags, entities and characters are allowed, and what they show. Must never know: requests.

use super::shown::Shown;

/// Characters of MarkdownV2 that need a backslash wherever they are no markup.
const RESERVED: &str = "_*[]()~`>#+-=|{}.!";

/// A text without its markup, and as a person sees it.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) plain: String,
    pub(super) shown: Shown,
}

const TAGS: [&str; 14] = [
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "blockquote",
    "tg-spoiler",
    "tg-emoji",
];

/// Text without markup.
pub(super) fn plain(text: &str) -> Parsed {
    let mut pieces = Pieces::default();
    pieces.text(text, false);
    pieces.parsed()
}

/// What was parsed so far: each letter, and whether it stands in code; and links from one letter to another.
/// Telegram looks for names when all markup is gone, so that neither an entity nor a tag within a name disarms it.
#[derive(Default)]
struct Pieces {
    letters: Vec<(char, bool)>,
    links: Vec<(usize, usize, String)>,
}

impl Pieces {
    fn text(&mut self, text: &str, is_code: bool) {
        self.letters.extend(text.chars().map(|letter| (letter, is_code)));
    }

    /// Everything since `from` is a link.
    fn link(&mut self, from: usize, address: &str) {
        self.links.push((from, self.letters.len(), address.to_owned()));
    }

    fn parsed(self) -> Parsed {
        let plain: String = self.letters.iter().map(|(letter, _)| *letter).collect();
        let mut shown = Shown::default();
        let mut at = 0;
        while let Some((letter, _)) = self.letters.get(at) {
            let mut links = self.links.iter();
            if let Some((_, end, address)) = links.find(|(from, end, _)| *from == at && end > from) {
                let text: String = self.letters[at..*end].iter().map(|(letter, _)| *letter).collect();
                match address.strip_prefix("tg://user?id=") {
                    Some(id) => shown.mention(id),
                    None => shown.link(&text, address),
                }
                at = *end;
            } else if let Some(name) = self.name_at(at) {
                shown.mention(&name);
                at += name.len() + 1;
            } else {
                shown.text.push(*letter);
                at += 1;
            }
        }
        Parsed { plain, shown }
    }

    /// `@` outside code and a user name: a letter, then letters, digits and underscores, five together at least.
    fn name_at(&self, at: usize) -> Option<String> {
        let is_after_name = at > 0 && is_of_name(self.letters[at - 1].0);
        if self.letters[at] != ('@', false) || is_after_name {
            return None;
        }
        let letters = self.letters[at + 1..].iter();
        let name: String = letters
            .take_while(|(letter, is_code)| !is_code && is_of_name(*letter))
            .map(|(letter, _)| *letter)
            .collect();
        let is_name =
            (5..=32).contains(&name.len()) && name.starts_with(|first: char| first.is_ascii_alphabetic());
        is_name.then_some(name)
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// A start tag that waits for its end: name, where it starts among the letters, address of a link.
struct Open {
    name: String,
    from: usize,
    address: Option<String>,
}

pub(super) fn html(text: &str) -> Result<Parsed, String> {
    let mut pieces = Pieces::default();
    let mut open: Vec<Open> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let is_code = open.iter().any(|tag| matches!(tag.name.as_str(), "code" | "pre"));
        if let Some(tag) = rest.strip_prefix("</") {
            let name = tag.split('>').next().filter(|name| name.len() < tag.len());
            let name = name.ok_or_else(|| format!("Unclosed end tag at byte offset {at}"))?;
            let last = open.pop().ok_or_else(|| format!("Unexpected end tag at byte offset {at}"))?;
            if !name.trim().eq_ignore_ascii_case(&last.name) {
                return Err(format!(
                    "Unmatched end tag at byte offset {at}, expected \"</{}>\", found \"</{name}>\"",
                    last.name
                ));
            }
            if let Some(address) = last.address.filter(|address| !address.is_empty()) {
                pieces.link(last.from, &address);
            }
            rest = &tag[name.len() + 1..];
        } else if let Some(tag) = rest.strip_prefix('<') {
            let inside = tag.split('>').next().filter(|inside| inside.len() < tag.len());
            let inside = inside.ok_or_else(|| format!("Unclosed start tag at byte offset {at}"))?;
            let (name, address) = start_tag(inside, at)?;
            open.push(Open { name, from: pieces.letters.len(), address });
            rest = &tag[inside.len() + 1..];
        } else if let Some((letter, length)) = entity(rest) {
            pieces.text(letter.encode_utf8(&mut [0; 4]), is_code);
            rest = &rest[length..];
        } else {
            let mut later = rest.char_indices().skip(1);
            let end = later.find(|(_, letter)| matches!(letter, '<' | '&')).map_or(rest.len(), |(at, _)| at);
            let (run, more) = rest.split_at(end);
            pieces.text(run, is_code);
            rest = more;
        }
    }
    match open.pop() {
        Some(tag) => Err(format!("Can't find end tag corresponding to start tag \"{}\"", tag.name)),
        None => Ok(pieces.parsed()),
    }
}

/// The name of a start tag, and the address when it is a link.
fn start_tag(inside: &str, at: usize) -> Result<(String, Option<String>), String> {
    let (name, attributes) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
    let name = name.to_ascii_lowercase();
    let attribute = |key: &str| {
        let value = attributes.trim().strip_prefix(key)?.strip_prefix('=')?;
        Some(value.trim_matches(['"', '\'']).replace("&quot;", "\"").replace("&amp;", "&"))
    };
    let is_allowed = match name.as_str() {
        "a" => true,
        "span" => attribute("class").as_deref() == Some("tg-spoiler"),
        known => TAGS.contains(&known),
    };
    if !is_allowed {
        return Err(format!("Unsupported start tag \"{name}\" at byte offset {at}"));
    }
    let address = (name == "a").then(|| attribute("href").unwrap_or_default());
    Ok((name, address))
}

/// A named or numeric entity. Any other ampersand stays as written.
fn entity(rest: &str) -> Option<(char, usize)> {
    let inside = rest
        .strip_prefix('&')?
        .split(';')
        .next()
        .filter(|inside| rest[inside.len() + 1..].starts_with(';'))?;
    let letter = match inside {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((letter, inside.len() + 2))
}

/// MarkdownV2: bold, italic, underline, strikethrough, spoiler, code, pre and links. All other reserved characters
/// must be escaped.
pub(super) fn markdown(text: &str) -> Result<Parsed, String> {
    const MARKS: [(&str, &str); 7] = [
        ("__", "Underline"),
        ("||", "Spoiler"),
        ("*", "Bold"),
        ("_", "Italic"),
        ("~", "Strikethrough"),
        ("```", "Pre"),
        ("`", "Code"),
    ];
    let mut pieces = Pieces::default();
    let mut open: Vec<(&str, &str, usize)> = Vec::new();
    let mut brackets: Vec<(usize, usize)> = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let at = text.len() - rest.len();
        let next = rest[letter.len_utf8()..].chars().next();
        if let ('\\', Some(_)) =
            (letter, next.filter(|next| next.is_ascii() && !next.is_ascii_alphanumeric()))
        {
            pieces.text(&rest[1..2], false);
            rest = &rest[2..];
            continue;
        }
        let mark = MARKS.iter().find(|(mark, _)| rest.starts_with(mark));
        if let Some((mark @ ("```" | "`"), name)) = mark.copied() {
            let inside = &rest[mark.len()..];
            let end = inside
                .find(mark)
                .ok_or_else(|| format!("Can't find end of {name} entity at byte offset {at}"))?;
            pieces.text(&inside[..end].replace("\\`", "`").replace("\\\\", "\\"), true);
            rest = &inside[end + mark.len()..];
        } else if let Some((mark, name)) = mark.copied() {
            match open.last() {
                Some((last, _, _)) if *last == mark => {
                    open.pop();
                }
                _ => open.push((mark, name, at)),
            }
            rest = &rest[mark.len()..];
        } else if letter == '[' {
            brackets.push((pieces.letters.len(), at));
            rest = &rest[1..];
        } else if letter == ']' && !brackets.is_empty() {
            let (from, start) = brackets.pop().unwrap_or_default();
            let address = rest.strip_prefix("](").and_then(|behind| behind.split_once(')'));
            let (address, more) =
                address.ok_or_else(|| format!("Can't find end of a URL at byte offset {start}"))?;
            pieces.link(from, &address.replace('\\', ""));
            rest = more;
        } else if RESERVED.contains(letter) {
            return Err(format!(
                "Character '{letter}' is reserved and must be escaped with the preceding '\\'"
            ));
        } else {
            let mut later = rest.char_indices().skip(1);
            let is_special = |letter: char| RESERVED.contains(letter) || letter == '\\';
            let end = later.find(|(_, letter)| is_special(*letter)).map_or(rest.len(), |(at, _)| at);
            pieces.text(&rest[..end], false);
            rest = &rest[end..];
        }
    }
    if let Some((_, name, at)) = open.pop() {
        return Err(format!("Can't find end of {name} entity at byte offset {at}"));
    }
    match brackets.pop() {
        Some((_, at)) => Err(format!("Can't find end of a URL at byte offset {at}")),
        None => Ok(pieces.parsed()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_answered(text in r"[<>/abi&;#\\_*~|`\[\]() @.ä😀]{0,40}") {
            let _ = html(&text);
            let _ = markdown(&text);
        }

        #[test]
        fn escaped_text_is_shown_as_written(text in r"[<>&a-z _*.\[\]()`~\\ä]{0,30}") {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(html(&escaped).expect("it is escaped").plain, text.clone());
            let escaped: String = text
                .chars()
                .flat_map(|letter| {
                    let is_reserved = letter.is_ascii_punctuation();
                    is_reserved.then_some('\\').into_iter().chain([letter])
                })
                .collect();
            prop_assert_eq!(markdown(&escaped).expect("it is escaped").plain, text);
        }
    }
}
