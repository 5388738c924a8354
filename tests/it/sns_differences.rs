//! How others judge SNS messages in another way than `sns-verifier`, and why: see `sns_agreement.rs`.

/// Messages of the table in `sns-verifier/tests/forge/cases.rs` that are refused here and accepted elsewhere.
pub struct Laxer {
    pub why: &'static str,
    /// What `sns-validator` accepts.
    pub node: &'static [&'static str],
    /// What the Python SDK accepts.
    pub python: &'static [&'static str],
    /// What both accept.
    pub both: &'static [&'static str],
}

pub const LAXER: &[Laxer] = &[
    Laxer {
        why: "Their JSON readers take lone surrogates, and Node's takes any depth.",
        node: &["deep JSON"],
        python: &[],
        both: &["a lone surrogate in a field that is ignored"],
    },
    Laxer {
        why: "Their JSON readers keep the last of equal keys; the Python handler knows one spelling and no subject.",
        node: &[],
        python: &["null and subject", "certificate in both spellings"],
        both: &["a message twice", "the same key escaped", "an unknown field twice"],
    },
    Laxer {
        why: "They have no limits of size.",
        node: &["huge message"],
        python: &[],
        both: &["33 unknown fields", "huge body", "ten certificates"],
    },
    Laxer {
        why: "The Python handler does not read the subject.",
        node: &[],
        python: &["Subject is false"],
        both: &[],
    },
    Laxer {
        why: "They do not look at the type, which is signed.",
        node: &[],
        python: &[],
        both: &["unknown type", "type in lower case"],
    },
    Laxer {
        why: "They do not look at the form of MessageId.",
        node: &[],
        python: &[],
        both: &["MessageId is no UUID", "MessageId with braces", "empty MessageId"],
    },
    Laxer {
        why: "They do not look at the form of TopicArn.",
        node: &[],
        python: &[],
        both: &[
            "TopicArn of a queue",
            "TopicArn without a name",
            "TopicArn of a subscription",
            "TopicArn with a short account",
            "region with a dot",
            "region with a slash",
            "unknown partition",
            "Chinese region in the usual partition",
            "usual region in the Chinese partition",
        ],
    },
    Laxer {
        why: "It does not look at the form of the subject.",
        node: &["empty Subject", "long Subject", "Subject with a tab"],
        python: &[],
        both: &[],
    },
    Laxer {
        why: "They do not look at the form of Timestamp.",
        node: &[],
        python: &[],
        both: &[
            "Timestamp with an offset",
            "Timestamp with a space",
            "Timestamp of no day",
            "Timestamp with a zone",
            "Timestamp as a number of seconds",
        ],
    },
    Laxer {
        why: "It does not look at the form of Token.",
        node: &["empty Token", "Token with a space", "huge Token"],
        python: &[],
        both: &[],
    },
    Laxer {
        why: "It signs the keys that are there, whatever the type.",
        node: &["notification with a SubscribeURL", "confirmation with a Subject"],
        python: &[],
        both: &[],
    },
    Laxer {
        why: "The Python handler leaves the subject out of the signed text and takes every version for SHA-1.",
        node: &[],
        python: &["added Subject", "Subject with the word null", "signed with SHA-1, called SHA-256"],
        both: &[],
    },
    Laxer {
        why: "Their base64 readers skip other letters, take both alphabets, or ignore the last bits.",
        node: &["signature without padding", "signature in URL-safe base64"],
        python: &[],
        both: &[
            "signature with white space",
            "signature with a space behind",
            "signature with bits that count for nothing",
        ],
    },
    Laxer {
        why: "Their URL readers repair the scheme.",
        node: &["backslashes"],
        python: &["tab in the scheme"],
        both: &["scheme in upper case", "space before the scheme"],
    },
    Laxer {
        why: "They take any region, buckets of S3 called `sns` among them, and compare what their URL reader made of the host.",
        node: &["unicode dot", "host in upper case", "user before the host", "backslash for a slash"],
        python: &[],
        both: &[
            "tab in the host",
            "bucket called sns, regional",
            "another region than the topic's",
            "another partition than the topic's",
            "Chinese topic, usual host",
        ],
    },
    Laxer {
        why: "They only look at the end of the path, or of the path with its query.",
        node: &["query that ends in .pem"],
        python: &["query"],
        both: &[
            "only .pem",
            "fragment",
            "way upward",
            "way upward with percent",
            "folder",
            "two slashes in the path",
            "line feed in the path",
            "zero byte in the path",
            "huge URL",
        ],
    },
    Laxer {
        why: "It does not look at SubscribeURL.",
        node: &[
            "confirmation on another host",
            "confirmation by http",
            "confirmation in another region",
            "confirmation of another topic",
            "confirmation with another token",
            "confirmation that does something else",
            "confirmation with a second action",
            "confirmation with a second action in lower case",
            "confirmation with a fragment",
            "confirmation with a path",
            "confirmation with a space",
            "confirmation with unicode",
            "huge confirmation",
        ],
        python: &[],
        both: &[],
    },
    Laxer {
        why: "They do not look at UnsubscribeURL.",
        node: &[],
        python: &[],
        both: &[
            "unsubscription on another host",
            "unsubscription by a script",
            "unsubscription that confirms",
        ],
    },
    Laxer {
        why: "They do not check the certificate.",
        node: &[],
        python: &[],
        both: &[
            "expired certificate",
            "expired issuer",
            "after the certificate's end",
            "certificate not valid yet",
            "chain to another root",
            "self-signed",
            "missing issuer",
            "wrong issuer",
            "too many issuers",
            "issuer that must not issue",
            "authority as a leaf",
            "not for servers",
            "not for signatures",
            "other name",
            "other alternative name",
            "other common name",
            "only a common name",
            "name for all hosts",
            "name for all regions",
            "name with another end",
            "name of a bucket",
            "name of a bucket for signing",
            "name with a hyphen",
            "signer of another region",
            "signer of governments",
            "certificate of another region",
            "certificate of another partition",
        ],
    },
    Laxer {
        why: "They do not look at the time.",
        node: &[],
        python: &[],
        both: &["replay after 16 days", "year 0", "from the future", "year 9999"],
    },
    Laxer {
        why: "They do not look at line breaks: the recut message is verified, and its MessageId is a new one.",
        node: &[
            "Timestamp takes the rest",
            "TopicArn takes the rest",
            "Type takes the rest",
            "MessageId takes the rest",
            "Subject takes the genuine MessageId",
        ],
        python: &[],
        both: &["MessageId takes the subject"],
    },
];

/// Genuine messages that `sns-validator` refuses: it leaves the token of an unsubscription out of the signed text.
pub const NODE_REFUSES: &[&str] = &["unsubscription, version 1", "unsubscription, version 2"];

/// Genuine messages that the Python SDK refuses. It only knows version 1 and no subject, and reads the text as a
/// notification of MWS before it verifies anything.
pub const PYTHON_REFUSES: &[&str] = &[
    "body with lines like fields",
    "confirmation with escaped colons",
    "empty body",
    "notification, version 2",
    "spelling of Lambda",
    "subject, version 1",
    "subject, version 2",
    "subscription, version 1",
    "subscription, version 2",
    "unicode body",
    "unsubscription, version 1",
    "unsubscription, version 2",
];
