//! `GetServiceStatus`: what the provider says about its own health (docs/src/reference/amazon-pay-mws.md, section 7).
//!
//! Owns: the status words and what they mean for us. Must never know: schedules, how often it is called. Its quota is 2
//! requests, then one every 5 minutes, so it must never be called for each poll.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire::{Unreadable, Wanted, garbled, is_home_namespace, read_root, read_time, word};
use crate::payments::observation::Failure;
use crate::payments::provider_health::{Health, ServiceReport};

/// The longest message that is kept, in characters.
const LONGEST_MESSAGE: usize = 500;

/// What the provider says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The provider's word, letter for letter.
    pub word: String,
    /// As of when, by the provider's clock.
    pub at: Option<Timestamp>,
    /// The id of its message, such as `173964729I`.
    pub message_id: Option<String>,
    /// Its messages by locale, such as `en_US`.
    pub messages: Vec<Message>,
}

/// One message in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Such as `en_US`.
    pub locale: String,
    /// The provider's text, on one line, cut at 500 characters.
    pub text: String,
}

impl ServiceStatus {
    /// What the word means.
    pub fn health(&self) -> Health {
        match self.word.to_ascii_uppercase().as_str() {
            "GREEN" => Health::Normal,
            "GREEN_I" => Health::NormalWithInformation,
            "YELLOW" => Health::Degraded,
            "RED" => Health::Unavailable,
            _ => Health::Unknown,
        }
    }

    /// What it says, in the provider's words, with the English message.
    pub(super) fn facts(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let facts = [
            ("Status", Some(self.word.clone())),
            ("Timestamp", self.at.map(|at| at.to_string())),
            ("MessageId", self.message_id.clone()),
            ("Message", self.message("en_US").map(str::to_owned)),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
    }

    /// The message in this locale, else the English one, else the first.
    pub fn message(&self, locale: &str) -> Option<&str> {
        let of = |wanted: &str| self.messages.iter().find(|message| message.locale == wanted);
        of(locale).or_else(|| of("en_US")).or(self.messages.first()).map(|message| message.text.as_str())
    }
}

impl From<ServiceStatus> for ServiceReport {
    fn from(status: ServiceStatus) -> ServiceReport {
        let message = status.message("en_US").map(str::to_owned);
        ServiceReport { health: status.health(), word: status.word, message }
    }
}

/// Reads the answer with status 200.
///
/// # Errors
/// [`Failure::Garbled`] when it is not the whole, well-formed answer.
pub fn read(body: &[u8]) -> Result<ServiceStatus, Failure> {
    let is_read = |name: &str| {
        [
            "GetServiceStatusResult",
            "Status",
            "Timestamp",
            "MessageId",
            "Messages",
            "Message",
            "Locale",
            "Text",
        ]
        .contains(&name)
    };
    let root = read_root(body, Wanted { is_read, is_home: is_home_namespace })?;
    if root.name() != "GetServiceStatusResponse" {
        return Err(garbled("the root element is not GetServiceStatusResponse"));
    }
    (|| {
        let result =
            root.one("GetServiceStatusResult")?.ok_or(Unreadable::Missing("GetServiceStatusResult"))?;
        let mut messages = Vec::new();
        if let Some(list) = result.one("Messages")? {
            for message in list.all("Message")? {
                let locale = word(message, &["Locale"])?.unwrap_or_default().to_owned();
                let text = message.one("Text")?.and_then(|text| text.text()).unwrap_or_default();
                messages.push(Message { locale, text: one_line(text) });
            }
        }
        Ok(ServiceStatus {
            word: word(result, &["Status"])?.ok_or(Unreadable::Missing("Status"))?.to_owned(),
            at: result.text_of("Timestamp")?.and_then(read_time),
            message_id: word(result, &["MessageId"])?.map(str::to_owned),
            messages,
        })
    })()
    .map_err(|problem: Unreadable| garbled(&problem.to_string()))
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|letter: char| letter.is_whitespace() || letter.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<&str>>().join(" ");
    line.chars().take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORDED: &str = "<?xml version=\"1.0\"?>\n<GetServiceStatusResponse xmlns=\"http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01\">\n  <GetServiceStatusResult>\n    <Status>GREEN</Status>\n    <Timestamp>2015-01-01T00:00:00.000Z</Timestamp>\n  </GetServiceStatusResult>\n  <ResponseMetadata>\n    <RequestId>00000000-0000-0000-0000-000000000003</RequestId>\n  </ResponseMetadata>\n</GetServiceStatusResponse>\n";

    #[test]
    fn the_recorded_answer_is_read() {
        let status = read(RECORDED.as_bytes()).unwrap();
        assert_eq!((status.health(), status.messages.len()), (Health::Normal, 0));
        assert_eq!(status.at, Some("2015-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn every_word_has_its_meaning_and_an_unknown_one_is_kept() {
        for (word, health, mutes) in [
            ("GREEN", Health::Normal, false),
            ("GREEN_I", Health::NormalWithInformation, false),
            ("YELLOW", Health::Degraded, true),
            ("RED", Health::Unavailable, true),
            ("ULTRAVIOLET", Health::Unknown, false),
        ] {
            let status = read(RECORDED.replace("GREEN", word).as_bytes()).unwrap();
            assert_eq!((status.word.as_str(), status.health()), (word, health));
            assert_eq!(status.health().mutes_staleness(), mutes, "{word}");
        }
    }

    #[test]
    fn messages_come_by_locale_on_one_line() {
        let messages = "</Timestamp><MessageId>173964729I</MessageId><Messages><Message><Locale>ja_JP</Locale>\
            <Text>x</Text></Message><Message><Locale>en_US</Locale><Text> some\n trouble </Text></Message>\
            </Messages>";
        let status = read(RECORDED.replace("</Timestamp>", messages).as_bytes()).unwrap();
        assert_eq!(status.message_id.as_deref(), Some("173964729I"));
        assert_eq!(status.message("ja_JP"), Some("x"));
        assert_eq!(status.message("de_DE"), Some("some trouble"));
    }

    #[test]
    fn another_answer_is_garbled() {
        for bad in [
            RECORDED.replace("<Status>GREEN</Status>", ""),
            RECORDED.replace("GetServiceStatus", "GetCaptureDetails"),
            RECORDED.replace("<Status>", "<Status>GREEN</Status><Status>"),
            String::new(),
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(Failure::Garbled { .. })), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
