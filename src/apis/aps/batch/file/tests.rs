use proptest::prelude::*;

use super::super::input::read;
use super::super::row::Usual;
use super::*;

const USUAL: Usual = Usual { language: "en", amounts: AmountForm::Minor };

const GOLDEN: &str = "command,merchant_reference,fort_id,amount,currency,language,customer_email,eci,token_name,maintenance_reference\n\
    PURCHASE,newww30,,10000,USD,en,customer@domain.com,RECURRING,Op9Vmp,\n\
    CAPTURE,XYZ9239-yu898,149295435400084008,10000,AED,en,,,,\n\
    REFUND,XYZ9239-yu899,149295435400084009,100000,JOD,en,,,,ref-1\n\
    VOID_AUTHORIZATION,XYZ9239-yu900,149295435400084010,,,en,,,,\n";

/// The example file of section 3.3, written from what an operator would submit.
pub(in crate::apis::aps) fn golden_file() -> Vec<u8> {
    let input = "{\"command\":\"PURCHASE\",\"merchant_reference\":\"newww30\",\"amount\":10000,\"currency\":\"USD\",\
        \"customer_email\":\"customer@domain.com\",\"token_name\":\"Op9Vmp\"}\n\
        {\"command\":\"CAPTURE\",\"merchant_reference\":\"XYZ9239-yu898\",\"fort_id\":\"149295435400084008\",\
        \"amount\":10000,\"currency\":\"AED\"}\n\
        {\"command\":\"REFUND\",\"merchant_reference\":\"XYZ9239-yu899\",\"fort_id\":\"149295435400084009\",\
        \"amount\":100000,\"currency\":\"JOD\",\"maintenance_reference\":\"ref-1\"}\n\
        {\"command\":\"VOID_AUTHORIZATION\",\"merchant_reference\":\"XYZ9239-yu900\",\
        \"fort_id\":\"149295435400084010\"}\n";
    let rows = read(input.as_bytes(), USUAL).unwrap();
    let mut files = plan(rows, &Rules::default(), "today");
    assert_eq!(files.len(), 1);
    files.remove(0).bytes
}

fn captures(orders: &[&str]) -> Vec<InputRow> {
    let mut text = "command,merchant_reference,amount,currency\n".to_owned();
    for order in orders {
        text.push_str(&format!("CAPTURE,{order},100,AED\n"));
    }
    read(text.as_bytes(), USUAL).unwrap()
}

fn orders(files: &[BatchFile]) -> Vec<Vec<&str>> {
    let of = |file: &BatchFile| file.rows.len();
    assert!(files.iter().all(|file| of(file) > 0));
    files.iter().map(|file| file.rows.iter().map(|row| row.row.merchant_reference()).collect()).collect()
}

#[test]
fn the_golden_file_comes_out() {
    let file = golden_file();
    assert_eq!(String::from_utf8(file.clone()).unwrap(), GOLDEN);
    assert_eq!(file.len(), 363);
    assert_eq!(sha256(&file), "7428acc4f2d2e78d23835ce741b68eec155505b0d5d1582694a4574cb1ab8a0d");
}

#[test]
fn an_order_stands_in_each_file_only_once_and_limits_hold() {
    let rules = Rules::default();
    let files = plan(captures(&["a", "b", "a", "c", "a"]), &rules, "today");
    assert_eq!(orders(&files), [vec!["a", "b", "c"], vec!["a"], vec!["a"]]);
    let narrow = Rules { longest_file_rows: Some(2), ..Rules::default() };
    let files = plan(captures(&["a", "b", "c", "d", "e"]), &narrow, "today");
    assert_eq!(orders(&files), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    let files = plan_within(captures(&["a", "b", "c"]), &rules, "today", 420);
    assert!(files.len() > 1 && files.iter().all(|file| file.bytes.len() <= 420), "{}", files.len());
}

#[test]
fn a_reference_belongs_to_content_and_label() {
    let plan = |label: &str, order: &str| plan(captures(&[order]), &Rules::default(), label).remove(0);
    let first = plan("monday", "a");
    assert_eq!(first.reference, plan("monday", "a").reference);
    assert_ne!(first.reference, plan("tuesday", "a").reference);
    assert_ne!(first.reference, plan("monday", "b").reference);
    assert_eq!(first.reference.len(), LONGEST_REFERENCE);
    assert_eq!(name_fault(&first.name), None);
}

#[test]
fn columns_can_be_renamed() {
    let words = [("merchant_reference".to_owned(), "MerchantReference".to_owned())].into();
    let rules = Rules { columns: ColumnMap::new(&words).unwrap(), ..Rules::default() };
    let file = plan(captures(&["a"]), &rules, "today").remove(0);
    assert!(file.bytes.starts_with(b"command,MerchantReference,fort_id,"));
}

#[test]
fn names_are_checked() {
    for good in ["test.csv", "a b (1)_-+,^&%$#@!.csv"] {
        assert_eq!(name_fault(good), None, "{good}");
    }
    for bad in ["test.txt", ".csv", "a/b.csv", "ä.csv", &format!("{}.csv", "x".repeat(47))] {
        assert!(name_fault(bad).is_some(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read_back(
        rows in proptest::collection::vec(
            ("[A-Za-z0-9_.-]{1,40}", 1u64..9_999_999_999, "[A-Za-z .,'/]{0,20}", "[a-z0-9]{1,20}"), 1..12),
    ) {
        let lines: Vec<String> = rows.iter().enumerate().map(|(place, (order, amount, extra, token))| {
            serde_json::json!({
                "command": "PURCHASE", "merchant_reference": format!("{place}{order}").chars().take(40).collect::<String>(),
                "amount": amount, "currency": "AED", "customer_email": "a@b.com", "token_name": format!("t{token}"),
                "merchant_extra": extra.replace(' ', "_"),
            }).to_string()
        }).collect();
        let Ok(input) = read(lines.join("\n").as_bytes(), USUAL) else { return Ok(()) };
        let files = plan(input.clone(), &Rules::default(), "today");
        let mut back = Vec::new();
        for file in &files {
            back.extend(read(&file.bytes, USUAL).unwrap().into_iter().map(|row| row.row));
        }
        prop_assert_eq!(back, input.into_iter().map(|row| row.row).collect::<Vec<_>>());
    }
}
