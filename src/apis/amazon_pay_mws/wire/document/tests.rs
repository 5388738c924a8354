use super::*;
use proptest::prelude::*;

const ALL: Wanted = Wanted { is_read: |name| name != "Secret", is_home: |space| space == "urn:home" };

fn check_refused(document: &str, why: Unreadable) {
    assert_eq!(parse(document.as_bytes(), ALL), Err(why), "{document:.200}");
}

#[test]
fn text_is_joined_around_entities_and_sections() {
    let root = parse(b"<r xmlns='urn:home'><a> x &amp; y&#33;<![CDATA[<z>]]> </a><b/><c></c></r>", ALL);
    let root = root.unwrap();
    assert_eq!(root.text_of("a").unwrap(), Some("x & y!<z>"));
    assert_eq!(root.text_of("b").unwrap(), None);
    assert_eq!(root.text_of("c").unwrap(), None);
    assert_eq!(root.text_of("d").unwrap(), None);
}

#[test]
fn names_are_pieces_of_the_document_wherever_they_stand() {
    let document = "<?xml version='1.0'?>\n<!-- a --><h:r xmlns:h='urn:home'>x &amp;<h:a\n one='1'/>\
                    <b>\u{e4}</b><![CDATA[y]]><c/>&#33;<d >1</d ></h:r>";
    let root = parse(document.as_bytes(), ALL).unwrap();
    let names: Vec<&str> = root.children.iter().map(Element::name).collect();
    assert_eq!((root.name(), names), ("r", vec!["a", "b", "c", "d"]));
    assert!(root.children.iter().chain([&root]).all(|element| matches!(element.name, Cow::Borrowed(_))));
    assert_eq!(root.text(), Some("x &y!"));
    let marked = parse("\u{feff}\u{feff}<r><a>1</a></r>".as_bytes(), ALL).unwrap();
    assert_eq!((marked.name(), marked.text_of("a")), ("r", Ok(Some("1"))));
}

#[test]
fn space_between_children_is_no_text_and_space_in_a_text_stays() {
    let root = parse(b"<r>\n  <a> &#32;x\r\n </a>\n  <b/>\n y <c/> z\n</r>", ALL).unwrap();
    assert_eq!(root.children[0].raw_text(), "  x\n ");
    assert_eq!(root.text(), Some("y  z"));
}

#[test]
fn unwanted_elements_never_enter_the_tree() {
    let root = parse(b"<r><Secret>top<deep>secret</deep></Secret><a>1</a></r>", ALL).unwrap();
    assert!(!format!("{root:?}").contains("ecret"));
    assert_eq!(root.text_of("a").unwrap(), Some("1"));
}

#[test]
fn what_is_not_one_whole_harmless_document_is_refused() {
    check_refused("", Unreadable::Empty);
    check_refused("<?xml version='1.0'?>", Unreadable::Empty);
    check_refused("hello", Unreadable::Outside);
    check_refused("<r/>junk", Unreadable::Outside);
    check_refused("<r/><s/>", Unreadable::Outside);
    check_refused("<r><a>", Unreadable::CutOff);
    check_refused("<r><a></r>", Unreadable::Syntax { position: 6 });
    check_refused("<r></s>", Unreadable::Syntax { position: 3 });
    check_refused("<!DOCTYPE r><r/>", Unreadable::DocumentType);
    check_refused("<r xmlns='urn:other'/>", Unreadable::ForeignRoot);
    assert_eq!(parse(b"<r>\xff", ALL), Err(Unreadable::NotText("UTF-8")));
    assert_eq!(parse(b"\x1f\x8b\x08\x00\xff", ALL), Err(Unreadable::NotText("UTF-8")));
    check_refused("<r><Secret>a < b</Secret><a>1</a></r>", Unreadable::Syntax { position: 33 });
    assert_eq!(parse(&vec![b' '; LONGEST_BODY_BYTES + 1], ALL), Err(Unreadable::TooLong));
}

#[test]
fn a_text_that_cannot_be_read_spoils_itself_alone() {
    for spoilt in
        [&b"M\xfcller"[..], b"cut \xe2\x82", b"A&nbsp;B", b"&#0;", b"&#xd800;", b"&#x110000;", b"&;"]
    {
        for name in ["Secret", "b"] {
            let document = [b"<r><", name.as_bytes(), b">", spoilt, b"</", name.as_bytes(), b"><a>1</a></r>"];
            let document = document.concat();
            let root = parse(&document, ALL).unwrap();
            assert_eq!(root.text_of("a"), Ok(Some("1")), "{}", document.escape_ascii());
            let expected = if name == "b" { Err(Unreadable::Unfit("b")) } else { Ok(None) };
            assert_eq!(root.text_of("b"), expected, "{}", document.escape_ascii());
        }
    }
    let bare = parse(b"<r><Secret>Tom & Jerry</Secret><b>Tom & Jerry &amp; R&D</b></r>", ALL).unwrap();
    assert_eq!(bare.text_of("b"), Ok(Some("Tom & Jerry & R&D")));
}

#[test]
fn a_document_is_read_in_the_encoding_that_it_declares() {
    let document = |encoding: &str| {
        format!("<?xml version='1.0' encoding = '{encoding}' ?><r><a>J\u{fc}rgen 5 \u{20ac}</a></r>")
    };
    let utf_16 = |text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        mark.iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect::<Vec<u8>>()
    };
    let western = document("windows-1252");
    let wide = document("UTF-16");
    for bytes in [
        document("utf-8").into_bytes(),
        document("no-such-name").into_bytes(),
        // The conversion to UTF-8 left the declaration as it was.
        wide.clone().into_bytes(),
        encoding_rs::WINDOWS_1252.encode(&western).0.into_owned(),
        encoding_rs::WINDOWS_1252.encode(&document("ISO-8859-1")).0.into_owned(),
        utf_16(&wide, b"\xff\xfe", u16::to_le_bytes),
        utf_16(&wide, b"\xfe\xff", u16::to_be_bytes),
        utf_16(&wide, b"", u16::to_le_bytes),
        utf_16(&wide, b"", u16::to_be_bytes),
        utf_16("<r><a>J\u{fc}rgen 5 \u{20ac}</a></r>", b"", u16::to_be_bytes),
    ] {
        let root = parse(&bytes, ALL).unwrap_or_else(|problem| panic!("{problem}: {}", bytes.escape_ascii()));
        assert_eq!(root.text_of("a"), Ok(Some("J\u{fc}rgen 5 \u{20ac}")), "{}", bytes.escape_ascii());
    }
    let japanese = encoding_rs::SHIFT_JIS
        .encode("<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><r><a>\u{65e5}</a></r>")
        .0
        .into_owned();
    assert_eq!(parse(&japanese, ALL).unwrap().text_of("a"), Ok(Some("\u{65e5}")));
}

#[test]
fn an_entity_bomb_does_not_expand() {
    let mut bomb = String::from("<!DOCTYPE r [<!ENTITY a0 'lol'>");
    for level in 1..30 {
        bomb.push_str(&format!("<!ENTITY a{level} '&a{0};&a{0};'>", level - 1));
    }
    bomb.push_str("]><r>&a29;</r>");
    check_refused(&bomb, Unreadable::DocumentType);
}

#[test]
fn depth_and_number_have_an_end_inside_and_outside_what_is_wanted() {
    let nested = |name: &str, depth: usize| {
        format!("{}{}", format!("<{name}>").repeat(depth), format!("</{name}>").repeat(depth))
    };
    assert!(parse(nested("a", DEEPEST).as_bytes(), ALL).is_ok());
    check_refused(&nested("a", DEEPEST + 1), Unreadable::TooDeep);
    check_refused(&format!("<r>{}</r>", nested("Secret", 50_000)), Unreadable::TooDeep);
    check_refused(&format!("<r>{}</r>", "<a/>".repeat(MOST_ELEMENTS)), Unreadable::TooMany);
}

#[test]
fn a_field_that_stands_twice_or_elsewhere_is_not_guessed_at() {
    let root = parse(b"<r xmlns:o='urn:o'><a>1</a><a>2</a><o:b>3</o:b><u:c>4</u:c></r>", ALL).unwrap();
    assert_eq!(root.text_of("a"), Err(Unreadable::Twice("a")));
    assert_eq!(root.text_of("b"), Err(Unreadable::Foreign("b")));
    assert_eq!(root.text_of("c"), Err(Unreadable::Foreign("c")));
    assert_eq!(root.all("a").unwrap().len(), 2);
    assert_eq!(root.all("b"), Err(Unreadable::Foreign("b")));
}

#[test]
fn a_text_with_control_letters_or_without_end_is_unfit() {
    let root = parse(b"<r><a>x&#10;y</a></r>", ALL).unwrap();
    assert_eq!(root.text_of("a"), Err(Unreadable::Unfit("a")));
    let long = format!("<r><a>{}</a></r>", "x".repeat(LONGEST_TEXT_BYTES + 1));
    assert_eq!(parse(long.as_bytes(), ALL).unwrap().text_of("a"), Err(Unreadable::Unfit("a")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, ALL);
    }

    #[test]
    fn random_markup_never_panics(text in "[<>/&;#xa!\\[\\]\"'=:?r \\-]{0,80}") {
        if let Ok(root) = parse(text.as_bytes(), ALL) {
            prop_assert!(text.contains(root.name()));
        }
    }
}
