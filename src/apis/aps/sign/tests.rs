use proptest::prelude::*;

use super::*;

fn signer(algorithm: Algorithm, phrase: &str) -> Signer {
    Signer::new(algorithm, Secret::new(phrase.to_owned()))
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn check(algorithm: Algorithm, phrase: &str, pairs: &[(&str, &str)], expected: &str) {
    let signer = signer(algorithm, phrase);
    let parameters = parameters(pairs);
    assert_eq!(signer.sign(&parameters), expected, "{pairs:?}");
    assert!(signer.is_genuine(&parameters, &expected.to_uppercase()));
}

const V1: &[(&str, &str)] = &[
    ("command", "PURCHASE"),
    ("access_code", "SILgpo7pWbmzuURp2qri"),
    ("amount", "1000"),
    ("currency", "USD"),
    ("customer_email", "test@gmail.com"),
    ("language", "en"),
    ("merchant_reference", "Test010"),
    ("merchant_identifier", "MxvOupuG"),
];

const UPLOAD: &[(&str, &str)] = &[
    ("access_code", "1DFxVvhXWV6wumenTTg9"),
    ("batch_reference", "batch180"),
    ("language", "en"),
    ("merchant_identifier", "bxgOIxIz"),
    ("service_command", "UPLOAD_BATCH_FILE"),
];

fn batch<'a>(command: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<_> = UPLOAD.iter().copied().filter(|(name, _)| *name != "service_command").collect();
    pairs.push(("service_command", command));
    pairs.extend_from_slice(more);
    pairs
}

#[test]
fn the_published_vectors_come_out() {
    let sha = |pairs: &[(&str, &str)], expected| check(Algorithm::Sha256, "PASS", pairs, expected);
    sha(V1, "94c38afc7bdae0114fc8c740edf12416f22998241ce4b4ea70d5521233a2c882");
    sha(
        &[
            ("access_code", "SILgpo7pWbmzuURp2qri"),
            ("language", "en"),
            ("merchant_identifier", "MxvOupuG"),
            ("merchant_reference", "MyReference0001"),
            ("service_command", "TOKENIZATION"),
        ],
        "7ee560ccd621da61bfc772f2f1b5849babda768f5ee36d4de67efa88403e4b99",
    );
    sha(
        &[
            ("access_code", "zx0IPmPy5jp1vAz8Kpg7"),
            ("language", "en"),
            ("merchant_identifier", "CycHZxVj"),
            ("merchant_reference", "XYZ9239-yu898"),
            ("payment_option", "VALU"),
            ("phone_number", "00008557694"),
            ("service_command", "CUSTOMER_VERIFY"),
        ],
        "f0c49b9dae92b3da04d82689f698189ac65f62596280cd253cb24130ce5a1ed6",
    );
}

#[test]
fn the_published_vector_with_lists_of_texts_and_of_objects_comes_out() {
    let request = serde_json::json!({
        "query_command": "GENERATE_REPORT",
        "access_code": "zx0IPmPy5jp1vAz8Kpg7",
        "merchant_identifier": "CycHZxVj",
        "merchant_reference": "XYZ9239-yu898",
        "language": "en",
        "response_format": "JSON",
        "from_date": "2017-08-03T00:00:01+03:00",
        "to_date": "2017-08-03T23:59:59+03:00",
        "columns": [
            "order_description", "customer_ip", "eci", "geolocation_ip", "merchant_reference",
            "card_holder_name", "currency", "amount", "payment_option", "fort_id", "customer_email",
            "customer_name"
        ],
        "filters": [{"key": "currency", "value": "USD"}, {"key": "payment_option", "value": "VISA"}],
    });
    let parameters = parameters_of(request.as_object().unwrap());
    let expected = "6750d396772be7df79347306324b1ad20320b31522583346e79b2ae8a5bc8970";
    assert_eq!(signer(Algorithm::Sha256, "PASS").sign(&parameters), expected);
}

#[test]
fn both_phrases_of_the_php_sdk_come_out() {
    let pairs = [
        ("access_code", "43287943278432"),
        ("amount", "1"),
        ("command", "AUTHORIZATION"),
        ("currency", "USD"),
        ("customer_email", "test@aps.com"),
        ("language", "en"),
        ("merchant_identifier", "343278h432"),
        ("merchant_reference", "test 2121"),
    ];
    let request = "6b73011e4eda060bbbdf206ad110b5208690b57d9e39bec1a548fe8bf3029439";
    let response = "916b0c4952b7d072fe6cbe15fad9b5509660b482aaa952d90096c9094ca87478";
    check(Algorithm::Sha256, "test1", &pairs, request);
    check(Algorithm::Sha256, "test2", &pairs, response);
}

#[test]
fn the_vectors_of_the_dotnet_sdk_come_out() {
    let pairs = [("access_code", "TestAccessCode"), ("merchant_identifier", "TestMerchantIdentifier")];
    let sha512 = "001d164c9d5c7ce83f64cb0d94cccc12a64825ef013e9799813a7ad0a41f9110319e192fda974a482bec9b0d4495d7d0bfe1a767ec40f6918307d495e652faaf";
    check(Algorithm::Sha512, "PASS", &pairs, sha512);
    let sha256 = "68c3928525ec3914129b71d167061b6044d05727367ad7a88f3ac8ad173feea9";
    check(Algorithm::Sha256, "PASS", &pairs, sha256);
}

#[test]
fn the_batch_requests_come_out() {
    let sha = |pairs: &[(&str, &str)], expected| check(Algorithm::Sha256, "PASS", pairs, expected);
    let id = ("batch_id", "151791753100095172");
    sha(UPLOAD, "581853436d21626482c0195db3356959a112df77f0e17283cdb4d5bf2eea4f12");
    sha(
        &batch("GET_BATCH_RESULTS", &[id]),
        "6d7afe243f95c55e1c767096e62a0844cd16793f23429dfc1a09ed54771b4e19",
    );
    sha(&batch("GET_BATCH_RESULTS", &[]), "75aeb1e6282220618e8441fae0ed7d90188b6ff4f5ef03bef7ee9cc7e6559a32");
    sha(&batch("PROCESS_BATCH", &[id]), "0921067a3b1af8b8039ab4470951b03eb7641600fbe60178514c5b865f5c1fdb");
    sha(
        &[
            ("access_code", "zx0IPmPy5jp1vAz8Kpg7"),
            ("language", "en"),
            ("merchant_identifier", "CycHZxVj"),
            ("merchant_reference", "XYZ9239-yu898"),
            ("query_command", "CHECK_STATUS"),
        ],
        "8e3322d2e4b50cf92ddabe8d4a89513e80323212d57910fa894a2560685ffafa",
    );
}

#[test]
fn the_answers_come_out() {
    let sha = |pairs: &[(&str, &str)], expected| check(Algorithm::Sha256, "RESP", pairs, expected);
    let id = ("batch_id", "151791753100095172");
    sha(
        &batch(
            "UPLOAD_BATCH_FILE",
            &[id, ("response_code", "50000"), ("response_message", "Success"), ("status", "50")],
        ),
        "65539b17ade624cb5921f077f5816ed0896d36cd5cfd6b86ae2f4f2902aef3af",
    );
    let results = [
        id,
        ("response_code", "70000"),
        ("response_message", "Success"),
        ("status", "70"),
        ("transactions_count", "9"),
    ];
    sha(
        &batch("GET_BATCH_RESULTS", &results),
        "68563314d3c3f9ebe20b3ac3cf2954394fae2ab6bd3061b5d0b6607cdb8d0c87",
    );
    sha(
        &batch(
            "PROCESS_BATCH",
            &[
                ("response_code", "72147"),
                ("response_message", "Process batch request received"),
                ("status", "72"),
            ],
        ),
        "809040ba590125cf7da4c2f7ba530cd8721ea2dde101a4e122a991fc12214123",
    );
    sha(
        &crate::apis::aps::wire::tests::FIXTURE,
        "e25c12ef07f86ba961d2e5738179d43099f7602307cff484c262678286be95d1",
    );
}

#[test]
fn the_other_algorithms_come_out() {
    let sha512 = "95ffb47dddc47480f5563f2a08f09c43663a6dec2164f2b9954a1cf6eb903c22674e04a99e40907f17c6c3baea77012fffc83d0a83399f688d34a1d173d844ad";
    let hmac256 = "9778deb6e0c376c8e8f9c1ff13bfbc47782a6d25fab1edde372908da6ec1ea32";
    let hmac512 = "926875ec570c9496b95d46597b13965a22c7181a273ab6c13369ac3f7c0be061f831e1321cb536df9a2f358a3c5bcc43b39f433a99c4d96e13f0b7b7ff51cb52";
    check(Algorithm::Sha512, "PASS", UPLOAD, sha512);
    check(Algorithm::Hmac256, "PASS", UPLOAD, hmac256);
    check(Algorithm::Hmac512, "PASS", UPLOAD, hmac512);
    let v1 = "b592468a25c7292cdadb2e58c3c184e5b868eda03d8c2920f66fe16a587681f3";
    check(Algorithm::Hmac256, "PASS", V1, v1);
}

#[test]
fn every_kind_of_value_has_its_text() {
    let value = serde_json::json!({"a": null, "b": true, "c": 100, "d": ["x", 1], "e": {"k": "v", "a": 2}});
    let texts = parameters_of(value.as_object().unwrap());
    let expected =
        parameters(&[("a", ""), ("b", "true"), ("c", "100"), ("d", "[x, 1]"), ("e", "{k=v, a=2}")]);
    assert_eq!(texts, expected);
}

#[test]
fn the_signature_and_the_instalment_detail_are_not_signed() {
    let signer = signer(Algorithm::Sha256, "PASS");
    let mut more = parameters(UPLOAD);
    more.insert("installment_detail".to_owned(), "x".to_owned());
    assert_eq!(signer.sign(&more), signer.sign(&parameters(UPLOAD)));
    let signed = signer.signed(more.clone());
    assert_eq!(signer.sign(&signed), signer.sign(&more));
    assert!(signer.is_genuine(&signed, &signed[SIGNATURE]));
    assert!(!signer.is_genuine(&signed, ""));
}

#[test]
fn a_phrase_never_prints_itself_and_words_are_read_in_any_case() {
    assert!(!format!("{:?}", signer(Algorithm::Hmac512, "hunter2")).contains("hunter2"));
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_word(&algorithm.as_str().to_lowercase()), Some(algorithm));
    }
    assert_eq!(Algorithm::from_word("SHA-128"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_the_fields_does_not_matter(
        fields in proptest::collection::btree_map("[a-z_]{1,8}", "[ -~]{0,12}", 1..8),
        which in 0usize..4,
    ) {
        let signer = signer(Algorithm::ALL[which], "PASS");
        let forth: Map<String, Value> =
            fields.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let back: Map<String, Value> =
            fields.iter().rev().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        prop_assert_eq!(signer.sign(&parameters_of(&forth)), signer.sign(&parameters_of(&back)));
    }

    #[test]
    fn any_change_of_a_value_breaks_the_signature(
        fields in proptest::collection::btree_map("[a-z]{1,8}", "[ -~]{0,12}", 1..8),
        which in 0usize..4,
        place in 0usize..8,
        more in "[ -~]{1,3}",
    ) {
        let signer = signer(Algorithm::ALL[which], "PASS");
        let signature = signer.sign(&fields);
        let mut changed = fields.clone();
        let name = fields.keys().nth(place % fields.len()).unwrap();
        changed.get_mut(name).unwrap().push_str(&more);
        prop_assert!(signer.is_genuine(&fields, &signature));
        prop_assert!(name == SIGNATURE || !signer.is_genuine(&changed, &signature));
    }
}
