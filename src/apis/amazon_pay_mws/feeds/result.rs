//! Result documents: every answer in them, whatever surrounds it (docs/src/reference/amazon-pay-batch.md, section 5).
//!
//! Owns: finding the answers and the `SellerRequestId` nearest to each; the rejection of a whole feed. Must never know:
//! which requests were made. The envelope is not documented, so only local names are relied on, and an answer is never
//! matched by its position.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::request::BatchOperation;
use crate::apis::amazon_pay_mws::wire::{
    Wanted, declared_encoding, envelope, observe, parse, resolved, word,
};
use crate::apis::decoding::{Decoded, decode};
use crate::payments::observation::Observation;

/// The deepest nesting that is accepted, in elements.
const DEEPEST: usize = 64;
/// The deepest nesting of documents inside text.
const DEEPEST_DOCUMENT: usize = 3;
/// The longest text that can itself be a document, in bytes.
const LONGEST_NESTED_BYTES: usize = 256 * 1024;

/// A result document that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResult {
    /// Not text in the encoding that it declares, and not parseable even so.
    #[error("the result is not text in {0}")]
    NotText(&'static str),
    /// Not well-formed, or not complete.
    #[error("the result is not well-formed XML near byte {position}")]
    Syntax {
        /// Bytes from its beginning.
        position: u64,
    },
    /// Nested too deeply, or with a document type: not from the provider.
    #[error("the result is nested too deeply or declares a document type")]
    Hostile,
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An object as it is now.
    Object(Box<Observation>),
    /// Done, with nothing to show.
    Done,
    /// Refused or failed.
    Error {
        /// The provider's code, if it names one.
        code: Option<String>,
        /// The provider's id of the exchange.
        request_id: Option<String>,
    },
    /// An answer to this operation that cannot be read.
    Unreadable,
}

/// One answer of a result document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The `SellerRequestId` of its record, when there is exactly one.
    pub seller_request_id: Option<u64>,
    /// The operation that it answers; none for an error.
    pub operation: Option<BatchOperation>,
    /// What it says.
    pub said: Said,
}

/// The refusal of a whole feed: the generic `ProcessingReport` (section 5.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessingReport {
    /// Messages with an error, by its own count.
    pub errors: Option<u64>,
    /// Messages processed, by its own count.
    pub processed: Option<u64>,
    /// Each complaint: message id, result code, numeric message code; never its free text.
    pub complaints: Vec<[String; 3]>,
}

impl ProcessingReport {
    /// Whether it says that the document was refused.
    pub fn is_rejection(&self) -> bool {
        self.errors.is_some_and(|errors| errors > 0)
            || self.complaints.iter().any(|[_, code, _]| code.eq_ignore_ascii_case("error"))
    }
}

/// What a result document says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultDocument {
    /// In document order, which means nothing.
    pub answers: Vec<Answered>,
    /// The generic report, if that is what came.
    pub report: Option<ProcessingReport>,
}

impl ResultDocument {
    /// Whether the whole feed was refused: a document with answers is never that.
    pub fn is_rejection(&self) -> bool {
        self.answers.is_empty() && self.report.as_ref().is_some_and(ProcessingReport::is_rejection)
    }
}

/// Reads a result document of any layout.
///
/// # Errors
/// If it is not one complete, harmless XML document.
pub fn read(bytes: &[u8]) -> Result<ResultDocument, BadResult> {
    let Decoded { text, encoding, is_whole } = decode(bytes, declared_encoding(bytes));
    let mut document = ResultDocument::default();
    let answers = walk(&text, &mut document.report, 0);
    document.answers =
        answers.map_err(|problem| if is_whole { problem } else { BadResult::NotText(encoding) })?;
    Ok(document)
}

/// An open element outside any answer.
#[derive(Default)]
struct Frame {
    name: String,
    text: String,
    ids: Vec<u64>,
    answers: Vec<Answered>,
}

/// The answers of one document.
fn walk(
    text: &str,
    report: &mut Option<ProcessingReport>,
    nesting: usize,
) -> Result<Vec<Answered>, BadResult> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().allow_dangling_amp = true;
    let mut frames: Vec<Frame> = vec![Frame::default()];
    let mut has_root = false;
    loop {
        let begin = reader.buffer_position();
        let syntax = BadResult::Syntax { position: begin };
        match reader.read_event().map_err(|_| syntax.clone())? {
            Event::Start(start) => {
                has_root = true;
                if frames.len() > DEEPEST {
                    return Err(BadResult::Hostile);
                }
                if is_subtree(&start) {
                    let name = start.local_name().into_inner().to_owned();
                    reader.read_to_end(start.to_end().name()).map_err(|_| syntax.clone())?;
                    let subtree = slice(text, begin, reader.buffer_position()).ok_or(syntax)?;
                    take_subtree(&name, subtree, &mut frames, report);
                } else {
                    frames.push(Frame {
                        name: start.local_name().into_inner().to_owned(),
                        ids: id_attribute(&start).into_iter().collect(),
                        ..Frame::default()
                    });
                }
            }
            Event::End(_) => close(&mut frames, report, nesting),
            Event::Text(piece) => add_text(&mut frames, &piece.xml10_content()),
            Event::CData(piece) => add_text(&mut frames, &piece.xml10_content()),
            Event::GeneralRef(reference) => add_text(&mut frames, &resolved(&reference)),
            Event::DocType(_) => return Err(BadResult::Hostile),
            Event::Eof => break,
            _ => {}
        }
    }
    if frames.len() != 1 || !has_root {
        return Err(BadResult::Syntax { position: reader.buffer_position() });
    }
    Ok(frames.pop().map(|frame| frame.answers).unwrap_or_default())
}

fn slice(text: &str, begin: u64, end: u64) -> Option<&str> {
    text.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)
}

/// Whether an element is an answer or the generic report. These are read as a whole.
fn is_subtree(start: &BytesStart<'_>) -> bool {
    let local = start.local_name();
    let name = local.into_inner();
    name == "ErrorResponse" || name == "ProcessingReport" || answered_operation(name).is_some()
}

fn answered_operation(name: &str) -> Option<BatchOperation> {
    BatchOperation::of(name.strip_suffix("Response")?)
}

fn id_attribute(start: &BytesStart<'_>) -> Option<u64> {
    let attribute = start
        .attributes()
        .flatten()
        .find(|attribute| attribute.key.local_name().into_inner() == "SellerRequestId")?;
    attribute.value.trim().parse().ok()
}

fn take_subtree(name: &str, subtree: &str, frames: &mut [Frame], report: &mut Option<ProcessingReport>) {
    if name == "ProcessingReport" {
        *report = processing_report(subtree).or(report.take());
        return;
    }
    if let Some(frame) = frames.last_mut() {
        frame.answers.push(answered(name, subtree));
    }
}

fn answered(name: &str, subtree: &str) -> Answered {
    let any = Wanted { is_read: |name| name != "Buyer", is_home: |_| true };
    let operation = answered_operation(name);
    let said = match operation {
        None => {
            let read = envelope(subtree.as_bytes());
            Said::Error { code: read.code, request_id: read.request_id }
        }
        Some(operation) => match (parse(subtree.as_bytes(), any), operation.shows()) {
            (Err(_), _) => Said::Unreadable,
            (Ok(_), None) => Said::Done,
            (Ok(root), Some(kind)) => observe(operation.name(), kind, None, &root)
                .map_or(Said::Unreadable, |observation| Said::Object(Box::new(observation))),
        },
    };
    Answered { seller_request_id: None, operation, said }
}

fn add_text(frames: &mut [Frame], piece: &str) {
    if let Some(frame) = frames.last_mut()
        && frame.text.len() + piece.len() <= LONGEST_NESTED_BYTES
    {
        frame.text.push_str(piece);
    }
}

/// Closes an element. Its text may be an id or a nested document. If the element holds exactly one id and one answer,
/// the answer gets the id; otherwise the answers wait for the record around it.
fn close(frames: &mut Vec<Frame>, report: &mut Option<ProcessingReport>, nesting: usize) {
    if frames.len() < 2 {
        return;
    }
    let Some(mut closed) = frames.pop() else { return };
    let text = closed.text.trim();
    let id = if closed.name == "SellerRequestId" { text.parse::<u64>().ok() } else { None };
    if text.starts_with('<') && nesting < DEEPEST_DOCUMENT {
        // A record that cannot be read is a request without an answer; it does not affect the others.
        closed.answers.extend(walk(text, report, nesting + 1).unwrap_or_default());
    }
    if let ([id], [answer]) = (closed.ids.as_slice(), closed.answers.as_mut_slice())
        && answer.seller_request_id.is_none()
    {
        answer.seller_request_id = Some(*id);
        closed.ids.clear();
    }
    let Some(parent) = frames.last_mut() else { return };
    parent.ids.extend(id);
    // An id whose record does not hold exactly one answer without an id means nothing further up.
    parent.answers.append(&mut closed.answers);
}

fn processing_report(subtree: &str) -> Option<ProcessingReport> {
    let any = Wanted { is_read: |_| true, is_home: |_| true };
    let root = parse(subtree.as_bytes(), any).ok()?;
    let count = |name| root.text_at(&["ProcessingSummary", name]).ok().flatten()?.parse().ok();
    let complaints = root.all("Result").unwrap_or_default().into_iter().map(|result| {
        ["MessageID", "ResultCode", "ResultMessageCode"]
            .map(|name| word(result, &[name]).ok().flatten().unwrap_or_default().to_owned())
    });
    Some(ProcessingReport {
        errors: count("MessagesWithError"),
        processed: count("MessagesProcessed"),
        complaints: complaints.take(1000).collect(),
    })
}
