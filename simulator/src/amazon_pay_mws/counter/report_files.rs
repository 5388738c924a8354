//! What stands in a report file: docs/src/reference/amazon-pay-batch.md sections 10, 11 and 15.
//!
//! Owns: columns, preamble, quoting, dates, fees. Must never know: requests for reports.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::super::books::{Books, Object};
use super::super::money::Money;
use super::super::timeline::Standing;

/// A type of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Settlement,
    SandboxSettlement,
    OrderReference,
    BillingAgreement,
    Authorization,
    Capture,
    Refund,
}

const NAMES: [(Kind, &str); 7] = [
    (Kind::Settlement, "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_"),
    (Kind::SandboxSettlement, "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SANDBOX_SETTLEMENT_DATA_"),
    (Kind::OrderReference, "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_ORDER_REFERENCE_DATA_"),
    (Kind::BillingAgreement, "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_BILLING_AGREEMENT_DATA_"),
    (Kind::Authorization, "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_AUTHORIZATION_DATA_"),
    (Kind::Capture, "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_CAPTURE_DATA_"),
    (Kind::Refund, "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_REFUND_DATA_"),
];

impl Kind {
    pub(super) fn of(name: &str) -> Option<Kind> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// Whose objects stand in a file.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) seller_id: String,
    pub(super) is_sandbox: bool,
}

impl Owner {
    fn owns<T>(&self, object: &Object<T>) -> bool {
        object.seller_id == self.seller_id && object.is_sandbox == self.is_sandbox
    }
}

/// A settlement that was made by itself.
pub(super) struct Settled {
    pub(super) report_id: String,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) available: Timestamp,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// One for each of the last 30 whole days on which money moved.
pub(super) fn settlements(books: &Books, owner: &Owner, at: Timestamp) -> Vec<Settled> {
    let today = at.as_second().div_euclid(86_400);
    let mut found = Vec::new();
    for day in today - 30..today {
        let Ok(from) = Timestamp::from_second(day * 86_400) else { continue };
        let until = from.saturating_add(DAY).unwrap_or(Timestamp::MAX);
        let available = until.saturating_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
        if available <= at && !postings(books, owner, from, until).is_empty() {
            found.push(Settled { report_id: format!("5{day:010}"), from, until, available });
        }
    }
    found
}

/// The file of this type about `[from, until)`; none when nothing happened.
pub(super) fn file(
    kind: Kind,
    books: &Books,
    owner: &Owner,
    from: Timestamp,
    until: Timestamp,
) -> Option<Vec<u8>> {
    let rows = match kind {
        Kind::Settlement | Kind::SandboxSettlement => return settlement(books, owner, from, until),
        Kind::Capture => captures(books, owner, from, until),
        Kind::Refund => refunds(books, owner, from, until),
        Kind::Authorization => authorizations(books, owner, from, until),
        Kind::OrderReference => orders(books, owner, from, until),
        Kind::BillingAgreement => agreements(books, owner, from, until),
    };
    // The first is the header; the newest state comes first, as in the fixture.
    let (header, body) = rows.split_first()?;
    if body.is_empty() {
        return None;
    }
    let lines: Vec<String> = std::iter::once(header).chain(body.iter().rev()).map(line).collect();
    Some((lines.join("\n") + "\n").into_bytes())
}

type Row = Vec<String>;

fn line(row: &Row) -> String {
    let cells: Vec<String> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    cells.join(",")
}

/// `2018-09-18T00:00:03 -0700`, with the space.
fn written(at: Timestamp) -> String {
    let pacific = TimeZone::fixed(Offset::constant(-7));
    at.to_zoned(pacific).strftime("%Y-%m-%dT%H:%M:%S %z").to_string()
}

fn names(text: &str) -> Row {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The states that an object reached in a time, oldest first.
fn states<T>(object: &Object<T>, from: Timestamp, until: Timestamp) -> Vec<Standing<'_>> {
    let end = until.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(until);
    object.timeline.reached(end).into_iter().filter(|standing| standing.since >= from).collect()
}

fn last_cells<T>(object: &Object<T>, standing: Standing<'_>) -> [String; 4] {
    [
        standing.state.to_owned(),
        written(standing.since),
        standing.reason.unwrap_or_default().to_owned(),
        written(object.created),
    ]
}

fn money(amount: &Money) -> [String; 2] {
    [amount.amount.to_string(), amount.currency.clone()]
}

fn captures(books: &Books, owner: &Owner, from: Timestamp, until: Timestamp) -> Vec<Row> {
    let mut rows = vec![names(
        "AmazonCaptureId CaptureReferenceId AmazonAuthorizationId AmazonOrderReferenceId CaptureAmount CurrencyCode \
         SellerCaptureNote CaptureStatus LastUpdateTimestamp ReasonCode CreationTimestamp BuyerName \
         BuyerEmailAddress",
    )];
    for object in books.captures.all().filter(|object| owner.owns(object)) {
        let authorization = books.authorizations.get(&object.is.authorization_id);
        for standing in states(object, from, until) {
            let mut row: Row = vec![
                object.id.clone(),
                object.reference.clone(),
                object.is.authorization_id.clone(),
                authorization.is.order_id.clone(),
            ];
            row.extend(money(&object.is.amount));
            row.push(object.is.note.clone().unwrap_or_default());
            row.extend(last_cells(object, standing));
            row.extend(["Jörg \"Buyer\" Doe".to_owned(), "buyer@example.com".to_owned()]);
            rows.push(row);
        }
    }
    rows
}

fn refunds(books: &Books, owner: &Owner, from: Timestamp, until: Timestamp) -> Vec<Row> {
    let mut rows = vec![names(
        "AmazonRefundId RefundReferenceId AmazonCaptureId AmazonOrderReferenceId RefundAmount CurrencyCode \
         SellerRefundNote RefundType RefundStatus LastUpdateTimestamp ReasonCode CreationTimestamp",
    )];
    for capture in books.captures.all().filter(|object| owner.owns(object)) {
        let order_id = &books.authorizations.get(&capture.is.authorization_id).is.order_id;
        for object in capture.is.refunds.iter().map(|id| books.refunds.get(id)) {
            for standing in states(object, from, until) {
                let mut row: Row =
                    vec![object.id.clone(), object.reference.clone(), capture.id.clone(), order_id.clone()];
                row.extend(money(&object.is.amount));
                row.push(object.is.note.clone().unwrap_or_default());
                row.push("SellerInitiated".to_owned());
                row.extend(last_cells(object, standing));
                rows.push(row);
            }
        }
    }
    rows
}

fn authorizations(books: &Books, owner: &Owner, from: Timestamp, until: Timestamp) -> Vec<Row> {
    let mut rows = vec![names(
        "AmazonAuthorizationId AuthorizationReferenceId AmazonOrderReferenceId AuthorizationAmount CurrencyCode \
         SellerAuthorizationNote AuthorizationStatus LastUpdateTimestamp ReasonCode CreationTimestamp",
    )];
    for object in books.authorizations.all().filter(|object| owner.owns(object)) {
        for standing in states(object, from, until) {
            let mut row: Row = vec![object.id.clone(), object.reference.clone(), object.is.order_id.clone()];
            row.extend(money(&object.is.amount));
            row.push(object.is.note.clone().unwrap_or_default());
            row.extend(last_cells(object, standing));
            rows.push(row);
        }
    }
    rows
}

fn orders(books: &Books, owner: &Owner, from: Timestamp, until: Timestamp) -> Vec<Row> {
    let mut rows = vec![names(
        "AmazonOrderReferenceId SellerOrderId OrderTotal CurrencyCode OrderReferenceStatus LastUpdateTimestamp \
         ReasonCode CreationTimestamp",
    )];
    for object in books.orders.all().filter(|object| owner.owns(object)) {
        for standing in states(object, from, until) {
            let mut row: Row = vec![object.id.clone(), object.reference.clone()];
            row.extend(object.is.total.as_ref().map_or([String::new(), String::new()], money));
            row.extend(last_cells(object, standing));
            rows.push(row);
        }
    }
    rows
}

fn agreements(books: &Books, owner: &Owner, from: Timestamp, until: Timestamp) -> Vec<Row> {
    let mut rows = vec![names(
        "AmazonBillingAgreementId SellerBillingAgreementId BillingAgreementStatus LastUpdateTimestamp ReasonCode \
         CreationTimestamp",
    )];
    for object in books.agreements.all().filter(|object| owner.owns(object)) {
        for standing in states(object, from, until) {
            let mut row: Row = vec![object.id.clone(), object.reference.clone()];
            row.extend(last_cells(object, standing));
            rows.push(row);
        }
    }
    rows
}

/// A posting before it has a settlement: when, transaction, reference, type, order, gross, both fees.
struct Posting {
    at: Timestamp,
    ids: [String; 4],
    gross: Money,
    fees: [Decimal; 2],
}

/// Completed captures and refunds of a time, in its order. Fees: 2.9 % and 0.30, the share given back with a
/// refund.
fn postings(books: &Books, owner: &Owner, from: Timestamp, until: Timestamp) -> Vec<Posting> {
    let mut found = Vec::new();
    let completed = |standings: Vec<Standing<'_>>| {
        standings.into_iter().find(|standing| standing.state == "Completed").map(|standing| standing.since)
    };
    let share = |amount: &Money| {
        let decimals = if amount.currency == "JPY" { 0 } else { 2 };
        (amount.amount * Decimal::new(29, 3)).round_dp(decimals)
    };
    for capture in books.captures.all().filter(|object| owner.owns(object)) {
        let order_id = books.authorizations.get(&capture.is.authorization_id).is.order_id.clone();
        let ids = |id: &str, reference: &str, kind: &str| {
            [id.to_owned(), reference.to_owned(), kind.to_owned(), order_id.clone()]
        };
        let fixed = if capture.is.amount.currency == "JPY" { Decimal::from(30) } else { Decimal::new(30, 2) };
        if let Some(at) = completed(states(capture, from, until)) {
            let fees = [-share(&capture.is.amount), -fixed];
            let ids = ids(&capture.id, &capture.reference, "Capture");
            found.push(Posting { at, ids, gross: capture.is.amount.clone(), fees });
        }
        for refund in capture.is.refunds.iter().map(|id| books.refunds.get(id)) {
            if let Some(at) = completed(states(refund, from, until)) {
                let fees = [share(&refund.is.amount), Decimal::ZERO];
                let ids = ids(&refund.id, &refund.reference, "Refund");
                let gross = refund.is.amount.with(-refund.is.amount.amount);
                found.push(Posting { at, ids, gross, fees });
            }
        }
    }
    found.sort_by(|one, other| (one.at, &one.ids).cmp(&(other.at, &other.ids)));
    found
}

/// Section 11.2: a byte order mark, five lines of preamble, a header with one comma more than the rows.
fn settlement(books: &Books, owner: &Owner, from: Timestamp, until: Timestamp) -> Option<Vec<u8>> {
    let postings = postings(books, owner, from, until);
    let first = postings.first()?;
    let settlement_id = format!("7{:09}", from.as_second().div_euclid(86_400));
    let end = until.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(until);
    let mut text = String::from("\u{feff}\"Amazon Payments Advanced\",\n\"Settlement Report\",\n");
    for (name, value) in [
        ("SellerId", owner.seller_id.clone()),
        ("SettlementStartDate", written(from)),
        ("SettlementEndDate", written(end)),
    ] {
        text.push_str(&format!("\"{name}\",\"{value}\"\n"));
    }
    let header = names(
        "TransactionPostedDate SettlementId AmazonTransactionId SellerReferenceId TransactionType \
         AmazonOrderReferenceId SellerOrderId StoreName CurrencyCode TransactionDescription TransactionAmount \
         TransactionPercentageFee TransactionFixedFee TotalTransactionFee NetTransactionAmount",
    );
    text.push_str(&line(&header));
    text.push_str(",\n");
    let mut row = |at: Timestamp, ids: [&str; 4], currency: &str, description: &str, sums: [Decimal; 5]| {
        let [id, reference, kind, order_id] = ids;
        let at = written(at);
        let mut cells: Row =
            [&at, &settlement_id, id, reference, kind, order_id, "", "", currency, description]
                .map(str::to_owned)
                .to_vec();
        cells.extend(sums.map(|sum| if sum.is_zero() { "0".to_owned() } else { sum.to_string() }));
        text.push_str(&line(&cells));
        text.push('\n');
    };
    let zero = Decimal::ZERO;
    let reserve = Decimal::new(2_400, 2);
    row(
        from,
        ["", "", "Reserve", ""],
        &first.gross.currency,
        "Previous Reserve Balance",
        [reserve, zero, zero, zero, reserve],
    );
    for posting in &postings {
        let [percentage, fixed] = posting.fees;
        let (gross, fee) = (posting.gross.amount, percentage + fixed);
        let ids = posting.ids.each_ref().map(String::as_str);
        row(posting.at, ids, &posting.gross.currency, "", [gross, percentage, fixed, fee, gross + fee]);
    }
    row(
        end,
        ["", "", "Transfer", ""],
        &first.gross.currency,
        "payout text",
        [-reserve, zero, zero, zero, -reserve],
    );
    Some(text.into_bytes())
}
