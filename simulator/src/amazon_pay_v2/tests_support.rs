//! The worked examples of docs/src/reference/amazon-pay-v2.md 2.6, as requests that arrived.

use jiff::Timestamp;

use super::super::exchange::Incoming;

/// The public key that all signatures of the examples were made with.
pub(super) const PUBLIC_KEY_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAio9pXlMM7TITL455qxWD
zkRJ0G9+DlgL2dAWXWY8OeliCIgnfqNmckCBQVPDOJDYMfZ3WkqEggarh197LTRR
to/JbbMP4q1Vw8kUcYe4NAOOWSKHx/l6/nDU1dCPQDlyTISNRak5SdFDCeKqOJsP
wcN6hzFkiSYNDu3ce11VUJBO2nbabKaf1htuIULU2MOKQWfCxqMFUqOvv3P9O/O+
S6SL61N5p8s3abtqxXLxaWrwdZOaOJFVF0RlUXewFV1Blbf5x+0ac9itpXh5xfVq
dSomN6b6jAdLb8KDWS7fSRMnNKTH4P47uXEvd1De2ALMBysHO5nNVq6WtPH+xGwk
7QIDAQAB
-----END PUBLIC KEY-----";

pub(super) const SIGNATURE_1_V2: &str = "GiRueA7s6yLQ7Z5QQWMmfQjzEo5ZOO3wciWroySYlZ9tc64AZ5OwUZldf/bN8IgehTPq55d6KI2z6io0Rim6XamEkZ+sxTwy53dI2rRx+aniJPylV+Pkrh8YEqetMNCwUMKlDrltffZG6N1TenfXD+QhCjYiBjvQMFy9KBsJeabnkZf2f5m6EBrp5bRujZoE9WLMe94F1FkIa4IhfzZAGG90OK83gd62KOwTsahlpxclJ+Fzh7REbSvlrRhYOgDb7hhkbYBM9SKJ16bUxEc0God53IlXhXoXRnvCTnoadURG95x2OBjtvRSzhYWqNmOb9Lzy/g40T3SfGz9pGF1GUg==";

pub(super) const SIGNATURE_1_OLD: &str = "gyswUZxc7o1m4luNrrDbYCvYPuBGvDgqNMfB5fpYpVe4Hfg36kE9DX+pGnnHDswgjFcP56Vf81tAoFkZPRgg/Taz50S/pvubH7pVbJN3HxY4C/luqSjIv4GIgONYQ2Y6dpCG0Heb7ORWrb2UTVOZ+mDq3e++DMB7u0WCHSYQ/phvrS0PkLpk/jT81wYKT7W1ycxis3bADnzQ7j0HruKPubcvwF7pNJQ6bG3/qc7q+yY169JpIxLBD3DMX4TQ1vJFZ7tRAJvUKvsDOG7IGYp9fjXZ6Lb0m0WaR1b8CHMR/ME1dzAQ7SIHAWT7TlnrO7ZljYnzq5N2bshaw71i0BVEQg==";

pub(super) const SIGNATURE_2_V2: &str = "fYi7zvQAYg/qll5EWPAIJFlxY+ISVZa+Af9EJ/BbHLioqiUd6RWcFkGtgYsz9mg23WNkzR3CxuFiLXCdMMZJp1ZqYy8Axod4k357PBl+nYic7pznzxi24I8N9IIl7SxlY0NI7QyQHi4BIQGpySJiP3EqRYN9QnzzxUTA9zMq+ozbfClkpVC7EPUSZmaY9c3Ka1AD4E8oHxuVAJgDrThchMeZYaLo0ruyWfVpVg+Lpgpnb9QgD1dVVakZMp7cb8Rkwt9rnZHqmdKTWbtOYNBW8q2dS7dFHLsf0vPOK+GUHJOgPvNHebsITWk/Jd4KXcl2XyGhKSJO/pn2NXJqniW4JQ==";

const COMPACT: &str = "20260115T123456Z";
const EXTENDED: &str = "2026-01-15T12:34:56Z";
const USER_AGENT: &str = "amazon-pay-api-sdk-nodejs/2.3.4 (JS/20.20.2; linux)";

/// The moment at which all examples were signed.
pub(super) fn signed_at() -> Timestamp {
    EXTENDED.parse().expect("it is a timestamp")
}

/// One example with its digest and signature.
pub(super) struct Example {
    pub(super) incoming: Incoming,
    pub(super) signed: String,
    pub(super) digest: &'static str,
    pub(super) bytes: usize,
}

/// Examples 1 to 3, then the same three as the Node SDK sends them.
pub(super) const EXAMPLES: [fn() -> Example; 6] = [
    || example(get(), COMPACT, "f0468c724785d977d0a4306f2c01b287c19b7f98c00f45beebad45a2eaa9047d", 317),
    || example(refund(), COMPACT, "6a0dd96fb8696b4444083c1937dfc5fd58e82654eff9b9c6a1ca40a106769d86", 369),
    || example(reports(), COMPACT, "c091902a5bb97add3a836c83e63bd50d72d44203e43ea6298525ba248a802346", 434),
    || example(get(), EXTENDED, "a720842c5c56a27ad5d1b6e4c440d98d2ad5c4ade143f19897ae544b14f9bb2c", 395),
    || example(refund(), EXTENDED, "db973b15816823ce72d9fdea2714994682f51ea668137d057bfad883024afa07", 447),
    || example(reports(), EXTENDED, "eceacf41e576f853c363e97e32539484bed551d46d82e094cd2e79aa94e35fc6", 512),
];

/// Method, path, query and digest of the official vectors.
pub(super) const OFFICIAL: [(&str, &str, &str, &str); 14] = [
    ("GET", "/", "", "bb49552975c396f1e49d5510e1555b8b0627dc491bc61aaefdb561f202ad8020"),
    ("GET", "", "", "bb49552975c396f1e49d5510e1555b8b0627dc491bc61aaefdb561f202ad8020"),
    ("GET", "//", "", "bb49552975c396f1e49d5510e1555b8b0627dc491bc61aaefdb561f202ad8020"),
    (
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "",
        "a0e5dd63e175587f29d51c6b08be5c746a568209ac66ab1f967e0ba515aa80bc",
    ),
    ("GET", "/%E1%88%B4", "", "77f6544c8fb336d430895659da1e30415a1558b4b013f4d7926bb3a6275f701d"),
    ("GET", "/", "%E1%88%B4=bar", "ef1007307504f2ca9f0b6310b04056f5d3d6d18e7bf3d90663133f19ec132ecc"),
    ("GET", "/", "foo=bar", "6837f80baf1801c75db8119cffbadc26a89d20adb9cf3f3de4ce0fac31b4ae52"),
    ("GET", "/", "foo=b&foo=a", "a33266ec31c7f0ca8a0738eb49fb8c81319f14374a0b86d52e6911a9748a6d42"),
    ("GET", "/", "b=foo&a=foo", "6615ba7ca3734e97b35013f77c74d111ce2fa63ab52be161ad41bcd4b010120f"),
    (
        "GET",
        "/",
        "A.1=foo&A.2=foo&A.10=foo",
        "29d908d70c4bb50d62272976787245b52ed52e569fdae56ef3aa6d8979978ee7",
    ),
    ("GET", "/", "foo=Zoo&foo=aha", "f379cbd2e2fc9d5d50667a07ec22996335f731b474bb8bd366647d05d958c9d5"),
    ("POST", "/", "", "54156f5badd6da7fa630b2c334c808ad376530001d334ae9960457215aa626d3"),
    ("POST", "/", "foo=bar", "cc82525870b2d03666c287fd8b2c0d2fc6fa1693d9f357d27f7cac8cbcc12832"),
    ("POST", "/", "f oo=b ar", "99be3aeb19b5a1aebafc807d59f3740d3e604ae31cf928592fa70739ea64bb32"),
];

/// The request that all official vectors have in common.
pub(super) fn official() -> Incoming {
    request("GET", "/", "", "pay-api.amazon.eu", "EU", "20180524T223710Z", b"")
}

fn get() -> Incoming {
    request("GET", "/v2/charges/S01-1234567-1234567-C123456", "", "pay-api.amazon.com", "na", COMPACT, b"")
}

fn refund() -> Incoming {
    let body = br#"{"chargeId":"S01-1234567-1234567-C123456","refundAmount":{"amount":"14.00","currencyCode":"USD"},"softDescriptor":"Descriptor"}"#;
    let mut incoming = request("POST", "/v2/refunds", "", "pay-api.amazon.com", "na", COMPACT, body);
    let key = ("x-amz-pay-idempotency-key".to_owned(), "AVLo5tI10BHgEk2jEXAMPLEKEY".to_owned());
    incoming.headers.insert(4, key);
    incoming
}

fn reports() -> Incoming {
    let query = "createdSince=20260101T000000Z&pageSize=10&processingStatuses=COMPLETED%2CFAILED&reportTypes=_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_";
    request("GET", "/live/v2/reports", query, "pay-api.amazon.eu", "eu", COMPACT, b"")
}

fn example(mut incoming: Incoming, date: &str, digest: &'static str, bytes: usize) -> Example {
    for (name, value) in &mut incoming.headers {
        if name == "x-amz-pay-date" {
            *value = date.to_owned();
        }
    }
    if date == EXTENDED {
        incoming.headers.insert(2, ("user-agent".to_owned(), USER_AGENT.to_owned()));
    }
    let names: Vec<&str> = incoming.headers.iter().map(|(name, _)| name.as_str()).collect();
    Example { signed: names.join(";"), incoming, digest, bytes }
}

fn request(
    method: &str,
    path: &str,
    query: &str,
    host: &str,
    region: &str,
    date: &str,
    body: &[u8],
) -> Incoming {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Incoming {
        method: method.into(),
        host: host.into(),
        path: path.into(),
        query: query.into(),
        headers: vec![
            header("accept", "application/json"),
            header("content-type", "application/json"),
            header("x-amz-pay-date", date),
            header("x-amz-pay-host", host),
            header("x-amz-pay-region", region),
        ],
        body: body.to_vec(),
        at: signed_at(),
    }
}
