//! Codes: five digits, two for the status and three for the message (docs/src/reference/aps.md, sections 2.4 and 5.3 to
//! 5.5).
//!
//! Owns: parsing a code, which message means "not decided yet", and how an order's state word is derived from a
//! code. Must never know: the network, JSON, the texts that accompany codes.

/// A code as the provider sends it, five digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

/// Text that is not a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not five digits")]
pub struct NoCode;

/// Messages that leave the outcome of an operation undecided: technical problems and lost confirmations
/// of section 5.5 "Hold, ask again", then those "Pending by meaning".
pub const UNDECIDED: [&str; 11] =
    ["006", "777", "778", "779", "780", "781", "064", "065", "090", "784", "662"];

/// Statuses that are pending whatever the message says (section 5.5 "Pending by meaning").
pub const PENDING: [&str; 6] = ["01", "10", "15", "19", "20", "40"];

/// Messages about the account or the request's shape: requests for other orders would fail too (section 5.5).
const ACCOUNT_MESSAGES: [&str; 7] = ["004", "008", "009", "010", "015", "027", "073"];

/// Messages about one value of this request only (section 5.5).
const CALLER_MESSAGES: [&str; 7] = ["001", "002", "003", "005", "032", "033", "110"];

/// Messages after which the same request may succeed later (sections 2.4 and 6.1).
const TRANSIENT_MESSAGES: [&str; 5] = ["006", "051", "054", "071", "119"];

/// What a message says about a request, regardless of any payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Nobody: it is about the requested object, or it is not known.
    Nobody,
    /// The account's credentials or settings.
    Account,
    /// One value of this request.
    Caller,
    /// A temporary problem of the provider.
    Provider,
}

impl Code {
    /// Parses five digits.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(text: &str) -> Result<Code, NoCode> {
        let text = text.trim();
        let is_code = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_code { Ok(Code(text.to_owned())) } else { Err(NoCode) }
    }

    /// All five digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first two digits.
    pub fn status(&self) -> &str {
        &self.0[..2]
    }

    /// The last three digits.
    pub fn message(&self) -> &str {
        &self.0[2..]
    }

    /// Whether it leaves the outcome of an operation open.
    pub fn is_undecided(&self) -> bool {
        UNDECIDED.contains(&self.message()) || PENDING.contains(&self.status())
    }

    /// What its message blames for a failed request.
    pub fn blame(&self) -> Blame {
        let message = &self.message();
        if ACCOUNT_MESSAGES.contains(message) {
            Blame::Account
        } else if CALLER_MESSAGES.contains(message) {
            Blame::Caller
        } else if TRANSIENT_MESSAGES.contains(message) || UNDECIDED.contains(message) {
            Blame::Provider
        } else {
            Blame::Nobody
        }
    }

    /// The state word of an order whose last operation ended with this code, and its reason, if any.
    ///
    /// The word is the two digits of the status where the status decides. It is all five digits where only the message
    /// decides: an undecided operation whose status looks final (`13006`), a good status with a failure message
    /// (`14160`, which no table lists, so that it raises an alert), a payment that the customer gave up before it
    /// started (`00072`).
    pub fn state_and_reason(&self) -> (&str, Option<&str>) {
        let (status, message) = (self.status(), self.message());
        if PENDING.contains(&status) {
            return (status, None);
        }
        if UNDECIDED.contains(&message) || (status, message) == ("00", "072") {
            return (&self.0, None);
        }
        match (is_good(status), message) {
            (true, "000") => (status, None),
            (true, _) | (false, "000") => (&self.0, None),
            (false, message) => (status, Some(message)),
        }
    }
}

/// Statuses of a successful operation (section 5.3). Card tokens, queries and batches have others.
fn is_good(status: &str) -> bool {
    matches!(status, "02" | "04" | "06" | "08" | "14")
}

impl TryFrom<String> for Code {
    type Error = NoCode;

    fn try_from(text: String) -> Result<Code, NoCode> {
        Code::new(&text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, state: &str, reason: Option<&str>) {
        assert_eq!(Code::new(code).unwrap().state_and_reason(), (state, reason), "{code}");
    }

    #[test]
    fn state_words_follow_the_classification() {
        check("14000", "14", None);
        check("02000", "02", None);
        check("04000", "04", None);
        check("06000", "06", None);
        check("08000", "08", None);
        check("13666", "13", Some("666"));
        check("03029", "03", Some("029"));
        check("00072", "00072", None);
        check("00008", "00", Some("008"));
        for hold in [
            "00006", "02006", "03006", "04006", "05006", "06006", "07006", "08006", "09006", "13006", "17006",
        ] {
            check(hold, hold, None);
        }
        for (code, state) in
            [("15777", "15"), ("15781", "15"), ("01006", "01"), ("20064", "20"), ("19000", "19")]
        {
            check(code, state, None);
        }
        check("05777", "05777", None);
        check("06784", "06784", None);
        check("14160", "14160", None);
        check("13000", "13000", None);
    }

    #[test]
    fn messages_blame_the_right_side() {
        let blame = |code| Code::new(code).unwrap().blame();
        for code in ["00008", "00009", "11010", "71073", "51004"] {
            assert_eq!(blame(code), Blame::Account, "{code}");
        }
        assert_eq!(blame("00002"), Blame::Caller);
        assert_eq!(blame("11006"), Blame::Provider);
        assert_eq!(blame("71051"), Blame::Provider);
        assert_eq!(blame("13666"), Blame::Nobody);
        assert_eq!(blame("11036"), Blame::Nobody);
    }

    #[test]
    fn only_five_digits_are_a_code() {
        for bad in ["", "1400", "140000", "14a00", "١٤٠٠٠"] {
            assert_eq!(Code::new(bad), Err(NoCode), "{bad}");
        }
    }
}
