use proptest::prelude::*;

use super::super::file::AmountForm;
use super::*;

const MINOR: Usual = Usual { language: "en", amounts: AmountForm::Minor };
const DECIMAL: Usual = Usual { language: "ar", amounts: AmountForm::Decimal };

fn problems(text: &str) -> Vec<String> {
    read(text.as_bytes(), MINOR).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn csv_and_json_lines_say_the_same() {
    let csv = "\u{feff}command,merchant_reference,amount,currency,customer_email,token_name\r\n\
               PURCHASE,new-1,10000,USD,a@b.com,Op9Vmp\r\n\r\nCAPTURE,old-1,500,AED,,\r\n";
    let json = "{\"command\":\"PURCHASE\",\"merchant_reference\":\"new-1\",\"amount\":10000,\"currency\":\"USD\",\
                \"customer_email\":\"a@b.com\",\"token_name\":\"Op9Vmp\"}\n\n\
                {\"command\":\"CAPTURE\",\"merchant_reference\":\"old-1\",\"amount\":\"500\",\"currency\":\"AED\",\
                \"token_name\":null}\n";
    let rows = |text: &str| read(text.as_bytes(), MINOR).unwrap();
    let (from_csv, from_json) = (rows(csv), rows(json));
    assert_eq!(
        from_csv.iter().map(|row| &row.row).collect::<Vec<_>>(),
        from_json.iter().map(|row| &row.row).collect::<Vec<_>>()
    );
    assert_eq!(from_csv.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(from_json.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(from_csv[0].row.value(Column::Eci), Some("RECURRING"));
    assert_eq!(from_csv[1].row.value(Column::Language), Some("en"));
    assert!(!format!("{from_csv:?}").contains("a@b.com"));
}

#[test]
fn what_spreadsheets_write_is_the_same_batch() {
    let rows = |text: &str| read(text.as_bytes(), MINOR).unwrap();
    let plain = rows(
        "command,merchant_reference,amount,currency,order_description\nCAPTURE,a,500,AED,\nREFUND,b,7,AED,\n",
    );
    for other in [
        "command,merchant_reference,amount,currency,order_description\rCAPTURE,a,500,AED,\rREFUND,b,7,AED,\r",
        "sep=;\r\ncommand;merchant_reference;amount;currency;order_description\r\nCAPTURE;a;500;AED\r\nREFUND;b;7;AED;;;\r\n;;;;\r\n",
        "{\"command\":\"CAPTURE\",\"merchant_reference\":\"a\",\"amount\":500,\"currency\":\"AED\"}\r\
         {\"command\":\"REFUND\",\"merchant_reference\":\"b\",\"amount\":7,\"currency\":\"AED\"}\r",
    ] {
        let others = rows(other);
        assert!(others.iter().map(|row| &row.row).eq(plain.iter().map(|row| &row.row)), "{other:?}");
    }
}

#[test]
fn every_problem_of_every_line_comes_with_its_number() {
    let text = "command,merchant_reference,amount,currency,customer_email,token_name\n\
                PURCHASE,new 1,0,usd,,4005550000000001\n\
                PAYMENT_LINK,x,1,USD,,\n\
                CAPTURE,old-1,1,AED,a@b.com,\n\
                VOID_AUTHORIZATION,old-2,1,,,\n\
                REFUND,old-3\n\
                REFUND,old-4,1,USD,,,x\n";
    let said = problems(text);
    for part in [
        "line 2: merchant_reference has a character",
        "line 2: amount must be greater than zero",
        "line 2: currency must be three capital letters",
        "line 2: customer_email is missing",
        "line 2: token_name seems to contain a card number",
        "line 3: command must be one of PURCHASE",
        "line 4: customer_email is not accepted by CAPTURE",
        "line 5: amount and currency go together",
        "line 6: amount is missing",
        "line 6: currency is missing",
        "line 7: 7 cells where the header has 6",
    ] {
        assert!(said.iter().any(|line| line.starts_with(part)), "{part} in {said:#?}");
    }
    assert!(!format!("{said:?}").contains("4005550000000001"));
}

#[test]
fn a_new_order_and_a_named_refund_stand_only_once() {
    let text = "command,merchant_reference,amount,currency,customer_email,token_name,maintenance_reference\n\
                PURCHASE,new-1,1,USD,a@b.com,t,\nPURCHASE,new-1,1,USD,a@b.com,t,\nREFUND,new-1,1,USD,,,r1\n\
                REFUND,old,1,USD,,,r1\nCAPTURE,old,1,USD,,,\n";
    let said = problems(text);
    let lines: Vec<&str> = said.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 3", "line 4", "line 5"], "{said:?}");
}

#[test]
fn decimals_become_the_smallest_unit_exactly() {
    let amount = |amount: &str, currency: &str| {
        let text = format!("command,merchant_reference,amount,currency\nCAPTURE,a,{amount},{currency}\n");
        read(text.as_bytes(), DECIMAL).map(|rows| rows[0].row.value(Column::Amount).unwrap().to_owned())
    };
    assert_eq!(amount("500", "AED").as_deref(), Ok("50000"));
    assert_eq!(amount("100", "JOD").as_deref(), Ok("100000"));
    assert_eq!(amount("100.50", "USD").as_deref(), Ok("10050"));
    assert_eq!(amount("7", "JPY").as_deref(), Ok("7"));
    for (wrong, currency) in [("1.005", "USD"), ("-1", "USD"), ("1,5", "USD"), ("1", "XOF"), ("x", "USD")] {
        assert!(amount(wrong, currency).is_err(), "{wrong} {currency}");
    }
}

#[test]
fn hostile_input_is_refused() {
    for bad in
        ["", "command\n", "\n\n", "colour,command\nred,CAPTURE\n", "command,command\nCAPTURE,CAPTURE\n"]
    {
        assert!(read(bad.as_bytes(), MINOR).is_err(), "{bad:?}");
    }
    let said = read(b"command\nCAPTURE\xff\n", MINOR).unwrap_err();
    assert_eq!(said[0].line, 2);
    assert!(said[0].what.starts_with("not UTF-8, probably windows-1252"), "{said:?}");
    let utf16: Vec<u8> = "command,amount\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&utf16, MINOR).unwrap_err()[0].what.contains("iconv -f UTF-16LE"));
    let said = problems("command,merchant_reference,amuont,currency\nCAPTURE,a,1,AED\n");
    assert!(
        said.iter().any(|line| line.starts_with("line 1: column 3 is not a parameter; did you mean amount?")),
        "{said:?}"
    );
    let said = problems("{\"command\":\"CAPTURE\",\"amount\":1.5}\n{\n");
    for part in ["line 1: amount must be a string", "line 2: is not a JSON object"] {
        assert!(said.iter().any(|line| line.starts_with(part)), "{said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, MINOR);
    }

    #[test]
    fn any_object_is_read_or_refused(name in "(command|amount|currency|x)", value in "\\PC{0,9}") {
        let line = serde_json::json!({ name: value }).to_string();
        prop_assert!(read(line.as_bytes(), DECIMAL).is_err());
    }
}
