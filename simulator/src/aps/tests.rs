use std::time::Duration;

use super::*;
use crate::plan::Step;

fn start() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn merchant() -> ApsMerchant {
    ApsMerchant {
        merchant_identifier: "CycHZxVj".to_owned(),
        access_code: "zx0IPmPy5jp1vAz8Kpg7".to_owned(),
        request_phrase: "PASS".to_owned(),
        response_phrase: "RESP".to_owned(),
        signature: ApsSignature::Sha256,
        is_sandbox: true,
    }
}

struct Stage {
    provider: ApsProvider,
    random: Random,
    at: Timestamp,
}

impl Stage {
    fn new() -> Stage {
        let provider = ApsProvider::new(vec![merchant()]);
        Stage { provider, random: Random::new(1), at: start() }
    }

    fn pass(&mut self, seconds: u64) -> &mut Stage {
        self.at = order::later(self.at, Duration::from_secs(seconds));
        self
    }

    fn send(&mut self, path: &str, content_type: &str, body: Vec<u8>) -> Outgoing {
        let incoming = Incoming {
            method: "POST".to_owned(),
            host: "sbpaymentservices.payfort.com".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body,
            at: self.at,
        };
        assert!(self.provider.claims(&incoming));
        self.provider.answer(&incoming, &mut self.random)
    }

    fn json(&mut self, path: &str, pairs: &[(&str, &str)]) -> Outgoing {
        let body = message::answer(&signed(pairs)).body;
        self.send(path, "application/json", body)
    }

    fn code(&mut self, path: &str, pairs: &[(&str, &str)]) -> String {
        field(&self.json(path, pairs), "response_code")
    }

    fn batch(&mut self, command: &str) -> Outgoing {
        self.json("/FortAPI/batchApi/", &[("service_command", command), ("batch_reference", "batch180")])
    }

    fn upload(&mut self, file: &str) -> String {
        let fields = signed(&[("service_command", "UPLOAD_BATCH_FILE"), ("batch_reference", "batch180")]);
        let mut body = String::new();
        for (name, value) in fields {
            body.push_str(&format!(
                "--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        body.push_str(&format!(
            "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
             Content-Type: text/csv\r\n\r\n{file}\r\n--X--\r\n"
        ));
        let answer = self.send("/FortAPI/upload", "multipart/form-data; boundary=X", body.into_bytes());
        field(&answer, "response_code")
    }

    fn plant(&mut self, reference: &str, state: &str, reason: Option<&str>) {
        let plan = Plan {
            kind: ORDER.to_owned(),
            amount: "100.00".to_owned(),
            currency: "AED".to_owned(),
            merchant_reference: reference.to_owned(),
            steps: vec![Step {
                after: Duration::from_secs(10),
                state: state.to_owned(),
                reason: reason.map(str::to_owned),
            }],
            invisible_for: Duration::from_secs(5),
        };
        assert_eq!(
            self.provider.plant("CycHZxVj", &plan, self.at, &mut self.random).as_deref(),
            Ok(reference)
        );
    }
}

fn signed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let who =
        [("access_code", "zx0IPmPy5jp1vAz8Kpg7"), ("merchant_identifier", "CycHZxVj"), ("language", "en")];
    let mut fields: Vec<(String, String)> = Vec::new();
    for (name, value) in who.iter().chain(pairs) {
        set(&mut fields, name, (*value).to_owned());
    }
    let seal = signature::signature(ApsSignature::Sha256, "PASS", &fields);
    if !fields.iter().any(|(name, _)| name == "signature") {
        fields.push(("signature".to_owned(), seal));
    }
    fields
}

fn field(answer: &Outgoing, name: &str) -> String {
    let object: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    object[name].as_str().unwrap_or_default().to_owned()
}

const FILE: &str = "command,merchant_reference,amount,currency,language,customer_email,eci,token_name\n\
    PURCHASE,new-1,10000,AED,en,a@b.com,RECURRING,Op9Vmp\n\
    CAPTURE,old-1,10000,AED,en,,,\n\
    CAPTURE,gone,10000,AED,en,,,\n";

#[test]
fn check_status_shows_the_order_by_time() {
    let mut stage = Stage::new();
    stage.plant("order-1", "13", Some("666"));
    let ask = [("query_command", "CHECK_STATUS"), ("merchant_reference", "order-1")];
    assert_eq!(stage.code("/FortAPI/paymentApi", &ask), "11036");
    let answer = stage.pass(6).json("/FortAPI/paymentApi", &ask);
    assert_eq!(field(&answer, "response_code"), "12000");
    assert_eq!(field(&answer, "transaction_code"), "01000");
    let answer = stage.pass(10).json("/FortAPI/paymentApi", &ask);
    assert_eq!(
        (field(&answer, "transaction_status"), field(&answer, "captured_amount")),
        ("13".to_owned(), "0".to_owned())
    );
    let truths = stage.provider.truths(stage.at);
    assert_eq!((truths[0].state.as_str(), truths[0].reason.as_deref()), ("13", Some("666")));
    assert!(truths[0].is_final && truths[0].is_declined && truths[0].amount == "100.00");
}

#[test]
fn strangers_and_wrong_signatures_are_refused() {
    let mut stage = Stage::new();
    let ask = |more: &[(&'static str, &'static str)]| {
        let mut pairs = vec![("query_command", "CHECK_STATUS"), ("merchant_reference", "a")];
        pairs.extend_from_slice(more);
        pairs
    };
    let path = "/FortAPI/paymentApi";
    assert_eq!(stage.code(path, &ask(&[("signature", "00")])), "00008");
    assert_eq!(stage.code(path, &ask(&[("merchant_identifier", "Other")])), "00009");
    assert_eq!(stage.code(path, &ask(&[("access_code", "Other")])), "00010");
    assert_eq!(stage.code(path, &ask(&[("language", "fr")])), "00002");
    assert_eq!(stage.code(path, &[("service_command", "NONSENSE")]), "00001");
    assert_eq!(stage.code("/FortAPI/upload", &ask(&[])), "00004");
    let unread = stage.send(path, "text/plain", Vec::new());
    assert_eq!(field(&unread, "response_code"), "00073");
    assert_eq!(stage.send("/FortAPI/other", "application/json", Vec::new()).status, 404);
}

#[test]
fn a_batch_goes_its_way() {
    let mut stage = Stage::new();
    stage.plant("old-1", "02", None);
    stage.pass(20);
    assert_eq!(field(&stage.batch("GET_BATCH_RESULTS"), "response_code"), "71141");
    assert_eq!(stage.upload(FILE), "50000");
    assert_eq!(stage.upload(FILE), "51146");
    assert_eq!(field(&stage.batch("GET_BATCH_RESULTS"), "response_code"), "71138");
    assert_eq!(field(&stage.batch("PROCESS_BATCH"), "response_code"), "73138");
    stage.pass(61);
    let validated = stage.batch("GET_BATCH_RESULTS");
    assert_eq!(
        (field(&validated, "response_code"), field(&validated, "transactions_count")),
        ("70000".to_owned(), "3".to_owned())
    );
    assert_eq!(field(&stage.batch("PROCESS_BATCH"), "response_code"), "72147");
    assert_eq!(field(&stage.batch("GET_BATCH_RESULTS"), "response_code"), "71140");
    stage.pass(301);
    let text = String::from_utf8(stage.batch("GET_BATCH_RESULTS").body).unwrap();
    assert!(text.starts_with("Line_Number,response_code,"), "{text}");
    for part in ["\"2\",\"14000\"", "\"3\",\"04000\"", "\"4\",\"05036\""] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(stage.provider.process_requests("CycHZxVj", "batch180"), Some(1));
    assert_eq!(stage.provider.batch_references("CycHZxVj"), ["batch180"]);
}

#[test]
fn bad_files_fail_validation() {
    let check = |file: &str, expected: &str| {
        let mut stage = Stage::new();
        assert_eq!(stage.upload(file), "50000");
        stage.pass(61);
        assert_eq!(field(&stage.batch("GET_BATCH_RESULTS"), "response_code"), expected, "{file}");
        assert!(field(&stage.batch("PROCESS_BATCH"), "response_code").ends_with(&expected[2..]));
    };
    check("colour,shape\nred,round\n", "77142");
    check("command,merchant_reference\n", "77144");
    check("command,merchant_reference,amount,currency,language\nCAPTURE,a,1.5,AED,en\n", "77136");
    let twice =
        "command,merchant_reference,amount,currency,language\nCAPTURE,a,1,AED,en\nCAPTURE,a,1,AED,en\n";
    check(twice, "77136");
    check("command,merchant_reference,amount,currency,language\nPAYMENT_LINK,a,1,AED,en\n", "77136");
}

#[test]
fn direct_operations_and_fates_work() {
    let mut stage = Stage::new();
    let mut ask = |command: &str, amount: &str| {
        let pairs =
            [("command", command), ("merchant_reference", "a"), ("amount", amount), ("currency", "AED")];
        stage.code("/FortAPI/paymentApi", &pairs)
    };
    assert_eq!(ask("AUTHORIZATION", "100"), "02000");
    assert_eq!(ask("CAPTURE", "100"), "04000");
    assert_eq!(ask("REFUND", "200"), "07048");
    assert_eq!(ask("REFUND", "x"), "00005");
    assert!(stage.provider.set_fates("CycHZxVj", "charge", Fates::default()).is_err());
    assert!(stage.provider.set_fates("CycHZxVj", ORDER, Fates::default()).is_ok());
}
