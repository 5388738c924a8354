//! Careful XML parsing: a small tree that holds only the requested elements.
//!
//! Owns: what a well-formed, harmless document is, and its encoding. Must never know: what an element means. Refused:
//! document types (and with them entity bombs), excessive size, depth or number of elements, truncated documents,
//! anything outside the root. Elements that are not requested never enter the tree, so a buyer's name and address are
//! not even held in memory as such.
//!
//! Invalid bytes and undefined entities make only the text that contains them unreadable; all other fields can be read.
//! A bare `&` is read as it is. A buyer's name in a wrong code page hides no decline.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceResolver, ResolveResult};

use crate::apis::decoding::{Decoded, NO_LETTER, decode};
use crate::apis::marks::{Odd, Oddity};

/// The longest document that is read. The provider's own stay below 20 KB.
pub const LONGEST_BODY_BYTES: usize = 1024 * 1024;
/// How deep elements may be nested. The provider's own go to 7.
pub(in crate::apis::amazon_pay_mws) const DEEPEST: usize = 32;
/// How many elements a document may have. The provider's own stay below 200.
pub(in crate::apis::amazon_pay_mws) const MOST_ELEMENTS: usize = 20_000;
/// The longest text of one element, in bytes. The provider's longest field has 1024 characters.
pub(in crate::apis::amazon_pay_mws) const LONGEST_TEXT_BYTES: usize = 4096;

/// Why a document is refused. Names places, never quotes the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::apis::amazon_pay_mws) enum Unreadable {
    /// Longer than [`LONGEST_BODY_BYTES`].
    #[error("the document is longer than {LONGEST_BODY_BYTES} bytes")]
    TooLong,
    /// Not text in the encoding that it declares, and not parseable even so.
    #[error("the document is not text in {0}")]
    NotText(&'static str),
    /// Nothing in it.
    #[error("the document is empty")]
    Empty,
    /// Not well-formed.
    #[error("the document is not well-formed XML near byte {position}")]
    Syntax {
        /// Bytes from its beginning.
        position: u64,
    },
    /// It declares a document type, which the provider never does.
    #[error("the document declares a document type")]
    DocumentType,
    /// Deeper than [`DEEPEST`].
    #[error("elements are nested deeper than {DEEPEST}")]
    TooDeep,
    /// More than [`MOST_ELEMENTS`].
    #[error("the document has more than {MOST_ELEMENTS} elements")]
    TooMany,
    /// It ends before its root does.
    #[error("the document is cut off")]
    CutOff,
    /// Something precedes or follows the root.
    #[error("there is something outside the root element")]
    Outside,
    /// The root is in another namespace.
    #[error("the root element is not in the namespace of the payment service")]
    ForeignRoot,
    /// A field that is read is in another namespace.
    #[error("element {0} is not in the namespace of the payment service")]
    Foreign(&'static str),
    /// A field that may appear once appears more than once.
    #[error("element {0} stands more than once")]
    Twice(&'static str),
    /// A required field is missing.
    #[error("element {0} is missing or empty")]
    Missing(&'static str),
    /// A field whose text is not valid.
    #[error("element {0} cannot be read")]
    Unfit(&'static str),
}

impl Odd for Unreadable {
    fn oddity(&self) -> Oddity {
        if matches!(self, Unreadable::Twice(_)) { Oddity::DuplicateField } else { Oddity::UnreadableField }
    }
}

/// An element with the requested part of its content. Names and texts are borrowed from the document if they appear
/// there as they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::apis::amazon_pay_mws) struct Element<'a> {
    name: Cow<'a, str>,
    is_foreign: bool,
    text: Cow<'a, str>,
    children: Vec<Element<'a>>,
}

impl<'a> Element<'a> {
    /// Its local name.
    pub(in crate::apis::amazon_pay_mws) fn name(&self) -> &str {
        &self.name
    }

    /// The only child of that name, or none. An error if there are two or if it is in another namespace.
    pub(in crate::apis::amazon_pay_mws) fn one(
        &self,
        name: &'static str,
    ) -> Result<Option<&Element<'a>>, Unreadable> {
        let mut named = self.children.iter().filter(|child| child.name == name);
        let first = named.next();
        if named.next().is_some() {
            return Err(Unreadable::Twice(name));
        }
        match first {
            Some(child) if child.is_foreign => Err(Unreadable::Foreign(name)),
            found => Ok(found),
        }
    }

    /// Like [`Element::one`], for a name that is built at run time.
    pub(in crate::apis::amazon_pay_mws) fn result(
        &self,
        name: &str,
    ) -> Result<Option<&Element<'a>>, Unreadable> {
        let mut named = self.children.iter().filter(|child| child.name == name);
        let first = named.next();
        match (first, named.next()) {
            (_, Some(_)) => Err(Unreadable::Twice("Result")),
            (Some(child), None) if child.is_foreign => Err(Unreadable::Foreign("Result")),
            (found, None) => Ok(found),
        }
    }

    /// The only element at the end of a path of names, or none.
    pub(in crate::apis::amazon_pay_mws) fn at(
        &self,
        path: &[&'static str],
    ) -> Result<Option<&Element<'a>>, Unreadable> {
        let mut place = self;
        for name in path {
            match place.one(name)? {
                Some(child) => place = child,
                None => return Ok(None),
            }
        }
        Ok(Some(place))
    }

    /// All children of that name. An error if one of them is in another namespace.
    pub(in crate::apis::amazon_pay_mws) fn all(
        &self,
        name: &'static str,
    ) -> Result<Vec<&Element<'a>>, Unreadable> {
        let named: Vec<&Element<'a>> = self.children.iter().filter(|child| child.name == name).collect();
        if named.iter().any(|child| child.is_foreign) { Err(Unreadable::Foreign(name)) } else { Ok(named) }
    }

    /// All children in the right namespace.
    pub(in crate::apis::amazon_pay_mws) fn children(&self) -> impl Iterator<Item = &Element<'a>> {
        self.children.iter().filter(|child| !child.is_foreign)
    }

    /// Its text without the whitespace around it; none if nothing is left.
    pub(in crate::apis::amazon_pay_mws) fn text(&self) -> Option<&str> {
        Some(self.text.trim()).filter(|text| !text.is_empty())
    }

    /// Its text with all its whitespace. Whitespace between two children is not text.
    pub(in crate::apis::amazon_pay_mws) fn raw_text(&self) -> &str {
        &self.text
    }

    /// The text of the only child of that name; none if there is no such child or it is empty. An error if it is not a
    /// short plain line.
    pub(in crate::apis::amazon_pay_mws) fn text_of(
        &self,
        name: &'static str,
    ) -> Result<Option<&str>, Unreadable> {
        self.text_at(&[name])
    }

    /// The text at the end of a path, like [`Element::text_of`].
    pub(in crate::apis::amazon_pay_mws) fn text_at(
        &self,
        path: &[&'static str],
    ) -> Result<Option<&str>, Unreadable> {
        let text = self.at(path)?.and_then(Element::text);
        let is_odd = |letter: char| letter.is_control() || letter == NO_LETTER;
        let is_plain = text.is_none_or(|text| text.len() <= LONGEST_TEXT_BYTES && !text.contains(is_odd));
        let last = path.last().copied().unwrap_or("(root)");
        if is_plain { Ok(text) } else { Err(Unreadable::Unfit(last)) }
    }

    fn into_owned(self) -> Element<'static> {
        Element {
            name: Cow::Owned(self.name.into_owned()),
            is_foreign: self.is_foreign,
            text: Cow::Owned(self.text.into_owned()),
            children: self.children.into_iter().map(Element::into_owned).collect(),
        }
    }

    fn add_text(&mut self, piece: Cow<'a, str>) {
        let is_indent = !self.children.is_empty() && is_blank(&piece) && is_blank(&self.text);
        if self.text.is_empty() {
            self.text = piece;
        } else if !is_indent {
            self.text.to_mut().push_str(&piece);
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// What the reader of a document wants from it.
#[derive(Debug, Clone, Copy)]
pub(in crate::apis::amazon_pay_mws) struct Wanted {
    /// Whether an element of that local name goes into the tree. If not, its children are dropped, too.
    pub(in crate::apis::amazon_pay_mws) is_read: fn(&str) -> bool,
    /// Whether a namespace is the right one. Elements without a namespace always are.
    pub(in crate::apis::amazon_pay_mws) is_home: fn(&str) -> bool,
}

/// Reads a whole document in the encoding given by its byte order mark or its declaration, else in UTF-8. Errors if it
/// is not well-formed, harmless and complete.
pub(in crate::apis::amazon_pay_mws) fn parse(body: &[u8], wanted: Wanted) -> Result<Element<'_>, Unreadable> {
    if body.len() > LONGEST_BODY_BYTES {
        return Err(Unreadable::TooLong);
    }
    let Decoded { text, encoding, is_whole } = decode(body, declared_encoding(body));
    let root = match text {
        Cow::Borrowed(text) => parse_text(text, wanted),
        Cow::Owned(text) => parse_text(&text, wanted).map(Element::into_owned),
    };
    root.map_err(|problem| if is_whole { problem } else { Unreadable::NotText(encoding) })
}

/// The encoding named in `<?xml version="1.0" encoding="..."?>`.
pub(in crate::apis::amazon_pay_mws) fn declared_encoding(body: &[u8]) -> Option<&str> {
    let begin = body.strip_prefix(b"<?xml")?;
    let end = begin.iter().take(200).position(|byte| *byte == b'>')?;
    let declaration = std::str::from_utf8(begin.get(..end)?).ok()?;
    let (_, rest) = declaration.split_once("encoding")?;
    rest.trim_start().strip_prefix('=')?.trim_start().split(['"', '\'']).nth(1)
}

fn parse_text(text: &str, wanted: Wanted) -> Result<Element<'_>, Unreadable> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().allow_dangling_amp = true;
    let mut builder =
        Builder { wanted, text, open: Vec::with_capacity(8), skipped: 0, count: 0, home: None, root: None };
    loop {
        let position = reader.buffer_position();
        let event = reader.read_event().map_err(|_| Unreadable::Syntax { position })?;
        if !builder.take(event, reader.resolver(), position)? {
            return builder.finish();
        }
    }
}

/// The characters that a reference stands for; [`NO_LETTER`] if XML itself does not define it.
pub(in crate::apis::amazon_pay_mws) fn resolved(reference: &BytesRef<'_>) -> Cow<'static, str> {
    match reference.resolve_char_ref() {
        Ok(Some(letter)) => Cow::Owned(letter.into()),
        Ok(None) => {
            Cow::Borrowed(resolve_predefined_entity(&reference.xml10_content()).unwrap_or("\u{fffd}"))
        }
        Err(_) => Cow::Borrowed("\u{fffd}"),
    }
}

struct Builder<'a> {
    wanted: Wanted,
    /// The whole document.
    text: &'a str,
    open: Vec<Element<'a>>,
    /// How many unwanted elements are open inside the last wanted one.
    skipped: usize,
    count: usize,
    /// The namespace that was last found to be the right one.
    home: Option<String>,
    root: Option<Element<'a>>,
}

impl<'a> Builder<'a> {
    /// Takes the next event, which begins at `position`; false at the end of the input.
    fn take(
        &mut self,
        event: Event<'a>,
        spaces: &NamespaceResolver,
        position: u64,
    ) -> Result<bool, Unreadable> {
        match event {
            Event::Start(start) | Event::Empty(start) => self.start(&start, spaces, position)?,
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(text.xml10_content())?,
            Event::CData(text) => self.text(text.xml10_content())?,
            Event::GeneralRef(reference) => self.text(resolved(&reference))?,
            Event::DocType(_) => return Err(Unreadable::DocumentType),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return Ok(false),
        }
        Ok(true)
    }

    fn start(
        &mut self,
        start: &BytesStart<'_>,
        spaces: &NamespaceResolver,
        position: u64,
    ) -> Result<(), Unreadable> {
        if self.open.len() + self.skipped >= DEEPEST {
            return Err(Unreadable::TooDeep);
        }
        self.count += 1;
        if self.count > MOST_ELEMENTS {
            return Err(Unreadable::TooMany);
        }
        let (space, local) = spaces.resolve_element(start.name());
        let name = local.into_inner();
        let is_root = self.open.is_empty();
        if is_root && self.root.is_some() {
            return Err(Unreadable::Outside);
        }
        if !is_root && (self.skipped > 0 || !(self.wanted.is_read)(name)) {
            self.skipped += 1;
            return Ok(());
        }
        let is_foreign = match space {
            ResolveResult::Unbound => false,
            ResolveResult::Bound(space) => !self.is_home(space.into_inner()),
            // A fragment has lost the declarations around it. A reader that accepts any namespace accepts this, too.
            ResolveResult::Unknown(_) => !(self.wanted.is_home)(""),
        };
        if is_root && is_foreign {
            return Err(Unreadable::ForeignRoot);
        }
        let name_begins = start.name().as_ref().len() - name.len();
        let name = self.in_document(name, position, name_begins);
        self.open.push(Element { name, is_foreign, text: Cow::default(), children: Vec::new() });
        Ok(())
    }

    /// Whether a namespace is the right one. Nearly all elements of a document share one, so the last match is
    /// remembered.
    fn is_home(&mut self, space: &str) -> bool {
        let is_known = self.home.as_deref() == Some(space);
        let is_home = is_known || (self.wanted.is_home)(space.trim());
        if is_home && !is_known {
            self.home = Some(space.to_owned());
        }
        is_home
    }

    /// An element's name, borrowed from the document: the `<` is at `position`, and the name begins after it and
    /// `behind` more bytes. A copy if the name is not there.
    fn in_document(&self, name: &str, position: u64, behind: usize) -> Cow<'a, str> {
        let begins = usize::try_from(position).map_or(usize::MAX, |at| at.saturating_add(1 + behind));
        let there = self.text.get(begins..).and_then(|rest| rest.get(..name.len()));
        match there {
            Some(there) if there == name => Cow::Borrowed(there),
            _ => Cow::Owned(name.to_owned()),
        }
    }

    fn end(&mut self) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        let Some(closed) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
    }

    fn text(&mut self, text: Cow<'a, str>) -> Result<(), Unreadable> {
        match self.open.last_mut() {
            Some(element) if self.skipped == 0 => element.add_text(text),
            Some(_) => {}
            None if is_blank(&text) => {}
            None => return Err(Unreadable::Outside),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element<'a>, Unreadable> {
        if !self.open.is_empty() {
            return Err(Unreadable::CutOff);
        }
        self.root.ok_or(Unreadable::Empty)
    }
}

#[cfg(test)]
mod tests;
