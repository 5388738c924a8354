//! What a person would see of a message, with every mention and every link marked.
//!
//! Owns: the marks, and a scanner for the markup that the chats share. Must never know: a target's rules.

/// A message as a person sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Lines of text; a mention that fires is `⟦@name⟧`, a link that its text hides is `⟦text → address⟧`.
    pub(super) text: String,
    /// Who is alerted by name, such as `everyone`.
    pub(super) mentions: Vec<String>,
    /// Addresses behind a link whose text is another.
    pub(super) links: Vec<String>,
}

impl Shown {
    /// Starts a line, unless the text is empty.
    pub(super) fn start_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A line of text without any markup.
    pub(super) fn plain_line(&mut self, text: &str) {
        self.start_line();
        self.text.push_str(text);
    }

    /// A line of text with markup.
    pub(super) fn line(&mut self, text: &str, markup: &Markup) {
        self.start_line();
        markup.scan(text, self);
    }

    /// `title: value`.
    pub(super) fn field(&mut self, title: &str, value: &str, markup: &Markup) {
        self.start_line();
        markup.scan(title, self);
        self.text.push_str(": ");
        markup.scan(value, self);
    }

    pub(super) fn mention(&mut self, name: &str) {
        self.text.push_str(&format!("⟦@{name}⟧"));
        self.mentions.push(name.to_owned());
    }

    pub(super) fn link(&mut self, text: &str, address: &str) {
        self.text.push_str(&format!("⟦{text} → {address}⟧"));
        self.links.push(address.to_owned());
    }
}

/// What `<…>` means.
#[derive(Debug)]
pub(super) enum Angle {
    /// Somebody is alerted.
    Mention(String),
    /// A link: text and address.
    Link(String, String),
    /// A reference that is shown and alerts nobody.
    Reference(String),
    /// Only text.
    Text,
}

/// What a chat's markup may hold. Bold, italic and the like stay as written: they change nothing that matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Markup {
    /// A backslash takes the meaning from the punctuation after it.
    pub(super) has_escapes: bool,
    /// Nothing has a meaning between backticks.
    pub(super) has_code: bool,
    /// `[text](address)`.
    pub(super) has_links: bool,
    /// `&amp;`, `&lt;` and `&gt;`.
    pub(super) has_entities: bool,
    /// Whether `@name` alerts somebody.
    pub(super) mentions: fn(&str) -> bool,
    /// What the inside of `<…>` means.
    pub(super) angle: fn(&str) -> Angle,
}

impl Markup {
    /// No markup at all.
    pub(super) const NONE: Markup = Markup {
        has_escapes: false,
        has_code: false,
        has_links: false,
        has_entities: false,
        mentions: |_| false,
        angle: |_| Angle::Text,
    };

    /// Appends the text as it is shown.
    pub(super) fn scan(&self, text: &str, shown: &mut Shown) {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let before = text[..text.len() - rest.len()].chars().next_back();
            let taken = match letter {
                '\\' if self.has_escapes => escape(rest, shown),
                '`' if self.has_code => code(rest, shown),
                '[' if self.has_links => link(rest, shown),
                '&' if self.has_entities => entity(rest, shown),
                '<' => self.angle(rest, shown),
                '@' if !before.is_some_and(is_of_name) => self.name(rest, shown),
                _ => None,
            };
            rest = match taken {
                Some(length) => &rest[length..],
                None => {
                    shown.text.push(letter);
                    &rest[letter.len_utf8()..]
                }
            };
        }
    }

    fn angle(&self, rest: &str, shown: &mut Shown) -> Option<usize> {
        let inside = rest[1..]
            .split(['>', '<', '\n'])
            .next()
            .filter(|inside| rest[1 + inside.len()..].starts_with('>'))?;
        match (self.angle)(inside) {
            Angle::Mention(name) => shown.mention(&name),
            Angle::Link(text, address) if text == address => shown.text.push_str(&text),
            Angle::Link(text, address) => shown.link(&text, &address),
            Angle::Reference(text) => shown.text.push_str(&text),
            Angle::Text => return None,
        }
        Some(inside.len() + 2)
    }

    fn name(&self, rest: &str, shown: &mut Shown) -> Option<usize> {
        let name: &str = rest[1..].split(|letter| !is_of_name(letter)).next().unwrap_or_default();
        let name = name.trim_end_matches(['.', '-', '_']);
        if name.is_empty() || !(self.mentions)(name) {
            return None;
        }
        shown.mention(name);
        Some(name.len() + 1)
    }
}

/// The text with its entities decoded.
pub(super) fn without_entities(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || ".-_".contains(letter)
}

fn escape(rest: &str, shown: &mut Shown) -> Option<usize> {
    let next = rest[1..].chars().next().filter(char::is_ascii_punctuation)?;
    shown.text.push(next);
    Some(2)
}

fn code(rest: &str, shown: &mut Shown) -> Option<usize> {
    let run = rest.len() - rest.trim_start_matches('`').len();
    let fence = &rest[..run];
    let inside = &rest[run..];
    let length = inside.find(fence)?;
    shown.text.push_str(&inside[..length]);
    Some(length + 2 * run)
}

fn link(rest: &str, shown: &mut Shown) -> Option<usize> {
    let text = rest[1..].split([']', '\n']).next()?;
    let behind = rest[1 + text.len()..].strip_prefix("](")?;
    let address =
        behind.split([')', '\n', ' ']).next().filter(|address| behind[address.len()..].starts_with(')'))?;
    shown.link(text, address);
    Some(text.len() + address.len() + 4)
}

fn entity(rest: &str, shown: &mut Shown) -> Option<usize> {
    let entities = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];
    let (entity, letter) = entities.into_iter().find(|(entity, _)| rest.starts_with(entity))?;
    shown.text.push(letter);
    Some(entity.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Markup = Markup {
        has_escapes: true,
        has_code: true,
        has_links: true,
        has_entities: true,
        mentions: |name| name == "all",
        angle: |inside| match inside.strip_prefix('!') {
            Some(name) => Angle::Mention(name.to_owned()),
            None => Angle::Text,
        },
    };

    #[test]
    fn mentions_and_links_are_marked_and_escapes_disarm_them() {
        for (text, expected, mentions) in [
            ("hi @all.", "hi ⟦@all⟧.", 1),
            ("a@all @allx @-", "a@all @allx @-", 0),
            ("\\@all `@all` ``<!x>``", "@all @all <!x>", 0),
            ("<!x> <y> < !x> <!x", "⟦@x⟧ <y> < !x> <!x", 1),
            ("<a<!x>>", "<a⟦@x⟧>", 1),
            ("[a](http://b) \\[a](b) [a] (b)", "⟦a → http://b⟧ [a](b) [a] (b)", 0),
            ("&lt;!x&gt; &amp;lt; &", "<!x> &lt; &", 0),
            ("@\u{200b}all \u{202e}@all", "@\u{200b}all \u{202e}⟦@all⟧", 1),
        ] {
            let mut shown = Shown::default();
            ALL.scan(text, &mut shown);
            assert_eq!((shown.text.as_str(), shown.mentions.len()), (expected, mentions), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_scanned(text in r"[\\`\[\]()<>&@!a-z ä\n]{0,40}") {
            let mut shown = Shown::default();
            ALL.scan(&text, &mut shown);
            let mut plain = Shown::default();
            Markup::NONE.scan(&text, &mut plain);
            prop_assert_eq!(plain.text, text);
        }
    }
}
