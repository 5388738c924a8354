use proptest::prelude::*;

use super::*;

/// The rows as `line: cell|cell`, bad ones as `line! reason`; or why there are none.
fn rows(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut shown = Vec::new();
    match open(bytes, None).map_err(|bad| bad.to_string())? {
        Text::Empty => {}
        Text::JsonLines(mut lines) => {
            while let Some(line) = lines.next().unwrap() {
                shown.push(format!("{}: {}", line.number, String::from_utf8_lossy(&line.bytes)));
            }
        }
        Text::Csv(mut csv) => {
            shown.push(format!("{}: {}", csv.header_line(), csv.header().join("|")));
            while let Some(record) = csv.next().unwrap() {
                shown.push(match record.cells {
                    Ok(cells) => format!("{}: {}", record.line, cells.join("|")),
                    Err(reason) => format!("{}! {reason}", record.line),
                });
            }
        }
    }
    Ok(shown)
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(rows(text.as_bytes()).unwrap(), expected, "{text:?}");
}

#[test]
fn all_kinds_of_line_ends_give_the_same_rows() {
    let expected = ["1: a|b", "2: 1|2", "3: 3|4"];
    for end in ["\n", "\r\n", "\r"] {
        check(&["a,b", "1,2", "3,4"].join(end), &expected);
        check(&["a,b", "1,2", "3,4", ""].join(end), &expected);
    }
    check("{\"id\":1}\r{\"id\":2}\r", &["1: {\"id\":1}", "2: {\"id\":2}"]);
    check("a,b\r\"x\ry\",2\r3,4", &["1: a|b", "2: x\ny|2", "4: 3|4"]);
}

#[test]
fn a_stray_line_end_of_another_kind_does_not_split_a_row() {
    check("a,b\n1\r,2\n", &["1: a|b", "2: 1\r|2"]);
    check("a,b\r1\n,2\r", &["1: a|b", "2: 1\n|2"]);
}

#[test]
fn line_ends_are_recognised_in_the_smallest_chunks() {
    for (text, count) in [("a,b\r\n1,2\r\n", 2), ("a,b\r1,2\r", 2), ("a,b\n1,2\n", 2), ("a,b\r", 1)] {
        let source = io::BufReader::with_capacity(1, text.as_bytes());
        let Text::Csv(mut csv) = open(source, None).unwrap() else { panic!("{text:?}") };
        let mut found = 1;
        while csv.next().unwrap().is_some() {
            found += 1;
        }
        assert_eq!((found, csv.bytes_read()), (count, u64::try_from(text.len()).unwrap()), "{text:?}");
    }
}

#[test]
fn cells_that_spreadsheets_leave_out_or_add_are_understood() {
    check("sep=;\r\na;b\r\n1,5;2\r\n", &["2: a|b", "3: 1,5|2"]);
    check("\u{feff}\"SEP=\t\"\n\na,x\tb\n1\t2\n", &["3: a,x|b", "4: 1|2"]);
    check("a;b;c\n1;2;3\n;;\n \u{a0};;\n4;5;6\n", &["1: a|b|c", "2: 1|2|3", "5: 4|5|6"]);
    check("a,b,c\n1,2\n3\n", &["1: a|b|c", "2: 1|2|", "3: 3||"]);
    check("a,b\n1,2,,\n", &["1: a|b", "2: 1|2"]);
    check(
        "a,b,,\n1,2,,\n1,2,3\n",
        &["1: a|b", "2: 1|2", "3! 3 cells where the header has 2; a comma in a cell needs quotes around it"],
    );
    check("a;b\n1;2;3\n", &["1: a|b", "2! 3 cells where the header has 2"]);
}

#[test]
fn a_file_that_is_not_text_is_named_with_the_remedy() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    for (bytes, part) in [
        (
            utf16("id,amount\n1,2\n"),
            "line 1: this is UTF-16 (little-endian, without a byte order mark); save it as UTF-8, or run: iconv -f UTF-16LE",
        ),
        (utf16("id,amount\r\n1,2\r\n"), "iconv -f UTF-16LE"),
        (big("id,amount\r\n1,2\r\n"), "iconv -f UTF-16BE"),
        (utf16("\u{feff}id,amount\n1,2\n"), "iconv -f UTF-16 -t UTF-8"),
        (b"PK\x03\x04\x14\0".to_vec(), ".xlsx"),
        (b"\xD0\xCF\x11\xE0\xA1".to_vec(), ".xls"),
        (b"\x1F\x8B\x08".to_vec(), "gunzip"),
        (b"id,M\xFCller\n".to_vec(), "line 1: the header: not UTF-8, probably windows-1252"),
        (b"id,a\x07b\n".to_vec(), "its cell 2 has a control character"),
        (b"id,\"a\nb\"\n".to_vec(), "a quote is opened"),
        (b"id,a\0b\n".to_vec(), "zero bytes"),
        (b"sep=;\n".to_vec(), "no header"),
    ] {
        let reason = rows(&bytes).unwrap_err();
        assert!(reason.contains(part), "{reason} lacks {part}");
    }
    let told = rows(b"id,name\n1,M\xFCller\n2,x\n").unwrap();
    assert!(
        told[1].starts_with("2! not UTF-8, probably windows-1252")
            && told[1].contains("iconv -f WINDOWS-1252"),
        "{told:?}"
    );
    assert_eq!(told[2], "3: 2|x");
    assert!(rows(b"id,name\n1,\x83\x81\x81[\n").unwrap()[1].contains("CP932"));
    assert_eq!(utf8(b"a\nb\xFC\n".to_vec()).unwrap_err().split(',').next(), Some("line 2: not UTF-8"));
    assert!(utf8(utf16("a,b\n1")).unwrap_err().contains("UTF-16LE"));
    assert_eq!(utf8("é\n".into()).unwrap(), "é\n");
}

#[test]
fn only_typing_mistakes_are_matched_to_known_names() {
    let known = ["amount", "id", "created_at"];
    for slip in ["amuont", "amoun", "amountt", "Amont", "amaunt", "creatdat"] {
        assert!(nearest(slip, known).is_some(), "{slip}");
    }
    for other in ["account", "amounts2", "ids", "updated_at", "created_by", "", "é"] {
        assert_eq!(nearest(other, known), None, "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), capacity in 1usize..9) {
        let _ = rows(&bytes);
        let _ = utf8(bytes.clone());
        let head = [b"a,b\n".as_slice(), &bytes].concat();
        let _ = rows(&head);
        if let Ok(Text::Csv(mut csv)) = open(io::BufReader::with_capacity(capacity, bytes.as_slice()), Some(Form::Csv)) {
            while csv.next().unwrap().is_some() {}
            prop_assert_eq!(csv.bytes_read(), u64::try_from(bytes.len()).unwrap());
        }
    }
}
