//! Result documents of every layout, and which request each answer belongs to.

use proptest::prelude::*;

use super::fold::{Doubt, RequestEnd, fold};
use super::request::{BatchOperation, BatchRequest};
use super::result;
use super::tests::{error, published_request};

fn said(number: u32, state: &str) -> String {
    format!(
        "<p:CaptureResponse xmlns:p=\"http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01\">\
         <p:CaptureResult><p:CaptureDetails><p:AmazonCaptureId>S01-1234567-1234567-C{number:06}</p:AmazonCaptureId>\
         <p:CaptureReferenceId>cap-{number}</p:CaptureReferenceId><p:CaptureStatus><p:State>{state}</p:State>\
         </p:CaptureStatus></p:CaptureDetails></p:CaptureResult></p:CaptureResponse>"
    )
}

fn four() -> Vec<(u64, BatchRequest)> {
    (1..=4)
        .map(|number| {
            (number, BatchRequest { reference_id: Some(format!("cap-{number}")), ..published_request() })
        })
        .collect()
}

fn ends(document: &str) -> Vec<RequestEnd> {
    let answers = result::read(document.as_bytes()).unwrap().answers;
    let folded = fold(BatchOperation::Capture, &four(), answers);
    folded.ends.into_iter().map(|(_, end)| end).collect()
}

fn words(ends: &[RequestEnd]) -> Vec<String> {
    ends.iter()
        .map(|end| match end {
            RequestEnd::Done { observation } => observation.as_ref().unwrap().state.clone(),
            RequestEnd::Failed { code, .. } => code.clone(),
            RequestEnd::Unknown { why } => format!("{why:?}"),
        })
        .collect()
}

#[test]
fn rows_are_matched_by_id_then_by_reference_and_never_by_place() {
    let refused = error("TransactionAmountExceeded");
    let wrapped = format!(
        "<?xml version=\"1.0\"?><R><Row><SellerRequestId>3</SellerRequestId><Data><![CDATA[{}]]></Data></Row>\
         <Row><Data>{refused}</Data><SellerRequestId> 2 </SellerRequestId></Row>\
         <Row><Data>{}</Data></Row><Row SellerRequestId=\"4\">{}</Row></R>",
        said(3, "Completed"),
        said(1, "Pending"),
        said(4, "Declined").replace('&', "&amp;").replace('<', "&lt;")
    );
    assert_eq!(words(&ends(&wrapped)), ["Pending", "TransactionAmountExceeded", "Completed", "Declined"]);
    // Without records around them, ids mean nothing: only the references count, and an error has none.
    let flat = format!(
        "<R><SellerRequestId>2</SellerRequestId>{}<SellerRequestId>1</SellerRequestId>{refused}</R>",
        said(3, "Completed")
    );
    assert_eq!(words(&ends(&flat)), ["NoRow", "NoRow", "Completed", "NoRow"]);
}

#[test]
fn repeats_contradictions_and_strangers_are_told_apart() {
    let row = |id: u32, inside: &str| format!("<Row><SellerRequestId>{id}</SellerRequestId>{inside}</Row>");
    let document = format!(
        "<R>{}{}{}{}{}{}</R>",
        row(1, &said(1, "Completed")),
        row(1, &said(1, "Completed")),
        row(2, &said(2, "Completed")),
        row(2, &said(2, "Declined")),
        row(3, &said(4, "Completed")),
        row(77, &said(77, "Completed"))
    );
    let read = result::read(document.as_bytes()).unwrap();
    let folded = fold(BatchOperation::Capture, &four(), read.answers);
    let doubts: Vec<RequestEnd> = folded.ends.iter().map(|(_, end)| end.clone()).collect();
    assert_eq!(words(&doubts), ["Completed", "Contradiction", "Mismatch", "Mismatch"]);
    assert_eq!((folded.strangers, folded.repeats, folded.unknown()), (1, 1, 3));
    assert_eq!(doubts[2], RequestEnd::Unknown { why: Doubt::Mismatch });
}

#[test]
fn a_note_in_another_code_page_hides_no_row() {
    let row = |id: u32, state: &str| {
        let shown = said(id, state).replace("<p:CaptureStatus>", "<p:Note>NOTE</p:Note><p:CaptureStatus>");
        format!("<Row><SellerRequestId>{id}</SellerRequestId>{shown}</Row>")
    };
    let document = format!("<R>{}{}</R>", row(1, "Completed"), row(2, "Declined"));
    for note in [&b"M\xfcller \x80"[..], b"A&nbsp;B & C", b"<![CDATA[\xfc]]>"] {
        let parts: Vec<&str> = document.split("NOTE").collect();
        let bytes = [parts[0].as_bytes(), note, parts[1].as_bytes(), note, parts[2].as_bytes()].concat();
        let answers = result::read(&bytes).unwrap().answers;
        let folded = fold(BatchOperation::Capture, &four(), answers);
        let ends: Vec<RequestEnd> = folded.ends.into_iter().map(|(_, end)| end).collect();
        assert_eq!(words(&ends), ["Completed", "Declined", "NoRow", "NoRow"], "{}", note.escape_ascii());
    }
    let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{document}");
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(declared.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(result::read(&wide).unwrap().answers.len(), 2);
}

#[test]
fn the_generic_report_is_a_rejection_only_with_errors() {
    let report = |errors: u32| {
        format!(
            "<AmazonEnvelope><Message><ProcessingReport><StatusCode>Complete</StatusCode><ProcessingSummary>\
             <MessagesProcessed>1</MessagesProcessed><MessagesWithError>{errors}</MessagesWithError>\
             </ProcessingSummary></ProcessingReport></Message></AmazonEnvelope>"
        )
    };
    assert!(result::read(report(1).as_bytes()).unwrap().is_rejection());
    let accepted = result::read(report(0).as_bytes()).unwrap();
    assert!(!accepted.is_rejection() && accepted.answers.is_empty(), "accepted does not mean carried out");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_markup_never_panics_and_never_invents_an_answer(text in "[<>/&;#xa!\\[\\]\"'=:?r \\-]{0,80}") {
        if let Ok(read) = result::read(text.as_bytes()) {
            prop_assert!(read.answers.is_empty());
        }
    }

    #[test]
    fn shuffled_results_fold_to_the_same(order in Just((1..=4_u32).collect::<Vec<_>>()).prop_shuffle(), keep in 1..=4_usize) {
        let rows: Vec<String> = order.iter().take(keep).map(|number| {
            format!("<Row><SellerRequestId>{number}</SellerRequestId>{}</Row>", said(*number, "Completed"))
        }).collect();
        let ends = ends(&format!("<R>{}</R>", rows.join("\n")));
        for number in 1..=4_u32 {
            let is_there = order.iter().take(keep).any(|one| *one == number);
            let end = &ends[number as usize - 1];
            prop_assert_eq!(matches!(end, RequestEnd::Done { .. }), is_there);
        }
    }
}
