//! The three batch requests (docs/src/reference/aps.md, sections 2.1 and 2.6).
//!
//! Owns: their parameters and bodies. Must never know: the network, when they are sent.

use super::multipart;
use crate::apis::aps::config::Settings;
use crate::apis::aps::sign::{Parameters, SIGNATURE};
use crate::apis::aps::wire::{caller, json_body};

/// A body and its content type.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The `content-type` header.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

fn parameters(settings: &Settings, command: &str, reference: &str, batch_id: Option<&str>) -> Parameters {
    let mut parameters = caller(settings);
    parameters.insert("service_command".to_owned(), command.to_owned());
    parameters.insert("batch_reference".to_owned(), reference.to_owned());
    if let Some(id) = batch_id {
        parameters.insert("batch_id".to_owned(), id.to_owned());
    }
    parameters
}

/// `UPLOAD_BATCH_FILE`: the parts in the order of the documentation's sample. The signature does not cover the file,
/// which is protected only by our own SHA-256, unless the account's `sign_file` says that its text is signed too.
pub fn upload(settings: &Settings, reference: &str, file_name: &str, file: &[u8]) -> Body {
    upload_under(&multipart::boundary(file), settings, reference, file_name, file)
}

fn upload_under(boundary: &str, settings: &Settings, reference: &str, file_name: &str, file: &[u8]) -> Body {
    let mut to_sign = parameters(settings, "UPLOAD_BATCH_FILE", reference, None);
    if settings.batch.is_file_signed {
        to_sign.insert("file".to_owned(), String::from_utf8_lossy(file).into_owned());
    }
    let signed = settings.request_signer.signed(to_sign);
    let order =
        ["merchant_identifier", "access_code", "service_command", "batch_reference", "language", SIGNATURE];
    let fields = order.map(|name| (name, signed.get(name).map(String::as_str).unwrap_or_default()));
    Body {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        bytes: multipart::body(boundary, &fields, file_name, file),
    }
}

/// `GET_BATCH_RESULTS`.
pub fn results(settings: &Settings, reference: &str, batch_id: Option<&str>) -> Body {
    json(settings, "GET_BATCH_RESULTS", reference, batch_id)
}

/// `PROCESS_BATCH`.
pub fn process(settings: &Settings, reference: &str, batch_id: Option<&str>) -> Body {
    json(settings, "PROCESS_BATCH", reference, batch_id)
}

fn json(settings: &Settings, command: &str, reference: &str, batch_id: Option<&str>) -> Body {
    let signed = settings.request_signer.signed(parameters(settings, command, reference, batch_id));
    Body { content_type: "application/json; charset=utf-8".to_owned(), bytes: json_body(&signed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apis::aps::tests::settings;
    use crate::text::sha256;

    fn of_the_sample() -> Settings {
        Settings {
            access_code: "1DFxVvhXWV6wumenTTg9".to_owned(),
            merchant_identifier: "bxgOIxIz".to_owned(),
            ..settings()
        }
    }

    #[test]
    fn the_golden_upload_comes_out() {
        let file = super::super::file::tests::golden_file();
        let body = upload_under("XBOUND", &of_the_sample(), "batch180", "test.csv", &file);
        assert_eq!(body.content_type, "multipart/form-data; boundary=XBOUND");
        assert_eq!(body.bytes.len(), 1005);
        let expected = "cff9c4cea8583712ef941471672020fc2b8abc94da4db5ff3d8b59e20245ad46";
        assert_eq!(sha256(&body.bytes), expected, "{}", String::from_utf8_lossy(&body.bytes));
    }

    #[test]
    fn the_golden_question_for_results_comes_out() {
        let body = results(&of_the_sample(), "batch180", Some("151791753100095172"));
        assert_eq!(body.bytes.len(), 265);
        let expected = "a92e95b4b14fc5982d6d617a6fd583e841a159fb70a6e7fffe4903252a740a88";
        assert_eq!(sha256(&body.bytes), expected);
        let process = process(&of_the_sample(), "batch180", Some("151791753100095172"));
        let text = String::from_utf8(process.bytes).unwrap();
        assert!(text.contains("0921067a3b1af8b8039ab4470951b03eb7641600fbe60178514c5b865f5c1fdb"), "{text}");
    }

    #[test]
    fn the_file_is_signed_only_when_asked_for() {
        let signature = |settings: &Settings, file: &[u8]| {
            let body = upload_under("XBOUND", settings, "batch180", "test.csv", file).bytes;
            let text = String::from_utf8(body).unwrap();
            text.split("name=\"signature\"\r\n\r\n").nth(1).unwrap()[..64].to_owned()
        };
        let plain = of_the_sample();
        assert_eq!(signature(&plain, b"a"), signature(&plain, b"b"));
        let mut signing = of_the_sample();
        signing.batch.is_file_signed = true;
        assert_ne!(signature(&signing, b"a"), signature(&signing, b"b"));
    }
}
