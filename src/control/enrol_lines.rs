//! Enrolment of any number of lines in one request: the body is read as it arrives, and each line is answered as soon
//! as it is stored.
//!
//! Owns: the order of reading, storing and answering; when a request ends early, and what the last line then says.
//! Must never know: accounts, connections, how a line is read.
//!
//! There are three steps: the body is taken as it arrives, a thread divides it into lines, and up to
//! [`BATCH_LINES_MAX`] lines are stored together and then answered. Each step waits for the next one, so memory is
//! bounded whatever a client sends. If a client pauses, its lines are stored without waiting for more.

use std::io::{self, BufRead, Read};
use std::time::Duration;

use axum::body::{BodyDataStream, Bytes};
use bytes::Buf;
use futures_util::StreamExt;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::messages::{AuditOutcome, BATCH_LINES_MAX, EnrolLine, EnrolResult, EnrolTotals, TableReading};
use super::problem::{Cause, Problem};
use super::service::{Answer, ReadTable, Service, storage};
use super::verbs::{BAD_LINES, Spec, read_json_lines, subject, written_lines};
use crate::access::Caller;
use crate::clock::SharedClock;
use crate::telemetry::traces;

/// How many bytes of a body are still read, and discarded, when they are of no use.
pub(super) const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a line waits for others that are stored with it.
const GATHER: Duration = Duration::from_millis(200);

/// How many parts of the answer wait for a client that does not read them.
const PARTS_MAX: usize = 4;

/// What a client must do after an early end.
const AGAIN: &str = "send the lines that have no answer again; enrolling a line twice does no harm";

/// A request to enrol lines.
pub(super) struct LinesRequest {
    pub(super) service: Service,
    pub(super) caller: Caller,
    pub(super) spec: Spec,
    /// How the body is read as a table. None: it is read as JSON Lines.
    pub(super) table: Option<TableReading>,
    /// How long the client may send nothing, or read no answers.
    pub(super) idle_timeout: Duration,
    /// How long storing may take.
    pub(super) store_timeout: Duration,
    /// Cancelled when the server stops.
    pub(super) stop: CancellationToken,
}

/// A part of the answer.
pub(super) struct Part {
    /// JSON Lines.
    pub(super) lines: Vec<u8>,
    /// In the last part: whether the whole body was read and answered.
    pub(super) end: Option<Answer<()>>,
}

impl Part {
    fn failed(problem: Problem) -> Part {
        Part { lines: Vec::new(), end: Some(Err(problem)) }
    }

    /// As it is sent: the reason for an early end is the last line.
    pub(super) fn text(self) -> Vec<u8> {
        let mut text = self.lines;
        if let Some(Err(problem)) = self.end {
            text.extend(written_lines(&[problem]));
        }
        text
    }
}

/// The answer, part by part.
pub(super) struct Parts(Option<mpsc::Receiver<Part>>);

impl Parts {
    /// The next part; none after the last.
    pub(super) async fn next(&mut self) -> Option<Part> {
        let part = self.0.as_mut()?.recv().await.unwrap_or_else(|| Part::failed(unexpected_end()));
        if part.end.is_some() {
            self.0 = None;
        }
        Some(part)
    }
}

fn unexpected_end() -> Problem {
    Problem::new(Cause::Internal, "the request ended unexpectedly", "see the log")
}

impl LinesRequest {
    /// Begins to enrol the lines of a body. What has begun is finished, and its outcome is recorded, even if the client
    /// disconnects.
    pub(super) fn begin(self, body: BodyDataStream) -> Parts {
        let (answers, parts) = mpsc::channel(PARTS_MAX + 1);
        // The last part has a place even if the client reads nothing.
        let last = answers.clone().try_reserve_owned().expect("a new channel has places");
        tokio::spawn(async move {
            let (sent, pieces) = mpsc::channel(1);
            let (taken, read) = mpsc::channel(BATCH_LINES_MAX);
            let (table, read_table) = (self.table, self.service.read_table);
            let reading = spawn_blocking(move || read_all(pieces, table, read_table, &taken));
            let lines = Lines { read, next: None };
            tokio::join!(self.feed(body, sent), self.store(lines, reading, answers, last));
        });
        Parts(Some(parts))
    }

    /// Passes on the body as it arrives. When nobody takes it any more, reads and discards up to [`DRAIN_BYTES_MAX`] of
    /// it: otherwise, the client would see a broken pipe instead of the last line.
    async fn feed(&self, mut body: BodyDataStream, pieces: mpsc::Sender<Answer<Bytes>>) {
        let clock = self.service.clock();
        let mut discarded = 0;
        while discarded <= DRAIN_BYTES_MAX {
            let piece = tokio::select! {
                piece = body.next() => match piece {
                    None => return,
                    Some(Ok(piece)) if piece.is_empty() => continue,
                    Some(Ok(piece)) => Ok(piece),
                    Some(Err(_)) => Err(Problem::new(Cause::Malformed, "the body ended early", AGAIN)),
                },
                () = clock.sleep(self.idle_timeout) => {
                    let detail = format!("nothing arrived for {} s", self.idle_timeout.as_secs());
                    Err(Problem::new(Cause::TooSlow, detail, AGAIN))
                }
                () = self.stop.cancelled() => {
                    Err(Problem::new(Cause::Unavailable, "the daemon is stopping", AGAIN))
                }
            };
            let (bytes, is_last) = (piece.as_ref().map_or(0, Bytes::len), piece.is_err());
            if pieces.send(piece).await.is_err() {
                discarded += bytes;
            }
            if is_last {
                return;
            }
        }
    }

    /// Stores and answers the lines until the last one, or until that is no longer possible.
    async fn store(
        &self,
        mut lines: Lines,
        reading: JoinHandle<Answer<()>>,
        answers: mpsc::Sender<Part>,
        last: OwnedPermit<Part>,
    ) {
        let mut span = traces::span("request");
        span.set("path", self.spec.path);
        let (clock, audit) = (self.service.clock(), &self.service.audit);
        let mut chunk = lines.chunk(clock).await;
        let about = subject(chunk.iter().flatten(), chunk.len());
        let begun = audit.begin(&self.caller, self.spec.name(), about, self.spec.is_repeated).await;
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => {
                last.send(Part::failed(storage(error)));
                return;
            }
        };
        let mut totals = EnrolTotals::default();
        let part = loop {
            let results = match self.enrol(chunk).await {
                Ok(results) => results,
                Err(problem) => break Part::failed(problem),
            };
            results.iter().for_each(|result| totals.count(result.outcome));
            let text = written_lines(&results);
            if lines.are_over() {
                let end = reading.await.unwrap_or_else(|_| Err(unexpected_end()));
                break Part { lines: text, end: Some(end) };
            }
            let place = tokio::select! {
                place = answers.reserve() => place.ok(),
                () = clock.sleep(self.idle_timeout) => None,
            };
            let Some(place) = place else {
                let detail = format!("no answer was read for {} s", self.idle_timeout.as_secs());
                let end = Err(Problem::new(Cause::TooSlow, detail, "read the answers while you send"));
                break Part { lines: text, end: Some(end) };
            };
            place.send(Part { lines: text, end: None });
            chunk = lines.chunk(clock).await;
        };
        let cause = match &part.end {
            // Only a body that breaks off is malformed here.
            Some(Err(problem)) if answers.is_closed() || problem.cause == Cause::Malformed => {
                Some("disconnected")
            }
            Some(Err(problem)) => Some(problem.cause.word()),
            _ => (totals.refused() > 0).then_some(BAD_LINES),
        };
        span.set("result", cause.unwrap_or("answered"));
        let is_large = u64::try_from(BATCH_LINES_MAX).is_ok_and(|most| totals.lines() > most);
        let begun = begun.counted(totals.lines(), is_large.then(|| totals.to_string()));
        let outcome = if cause.is_none() { AuditOutcome::Done } else { AuditOutcome::Failed };
        audit.end(begun, outcome, cause, Vec::new()).await;
        last.send(part);
    }

    /// Stores lines. Returns one result for each.
    async fn enrol(&self, lines: Vec<EnrolLine>) -> Answer<Vec<EnrolResult>> {
        // A reload may have taken the role away.
        self.service.permit(&self.caller, self.spec.role, self.spec.name())?;
        tokio::select! {
            results = self.service.enrol_lines(lines) => results,
            () = self.service.clock().sleep(self.store_timeout) => {
                let detail = format!("the store did not answer within {} s", self.store_timeout.as_secs());
                Err(Problem::new(Cause::Unavailable, detail, AGAIN))
            }
        }
    }
}

/// The lines that the thread has read.
struct Lines {
    read: mpsc::Receiver<EnrolLine>,
    /// The first line of the next chunk, if it is there already.
    next: Option<EnrolLine>,
}

impl Lines {
    /// The next lines to store together. Before a pause and at the end there are fewer; after the end there are none.
    async fn chunk(&mut self, clock: &SharedClock) -> Vec<EnrolLine> {
        let first = match self.next.take() {
            Some(line) => Some(line),
            None => self.read.recv().await,
        };
        let mut chunk = Vec::from_iter(first);
        let mut gathered = clock.sleep(GATHER);
        while !chunk.is_empty() && self.next.is_none() {
            // One line too many is read: it shows whether this chunk is the last.
            let places = BATCH_LINES_MAX + 1 - chunk.len();
            let added = tokio::select! {
                biased;
                added = self.read.recv_many(&mut chunk, places) => added,
                () = &mut gathered => 0,
            };
            if chunk.len() > BATCH_LINES_MAX {
                self.next = chunk.pop();
            } else if added == 0 {
                break;
            }
        }
        chunk
    }

    /// Whether there are no more.
    fn are_over(&self) -> bool {
        self.next.is_none() && self.read.is_closed() && self.read.is_empty()
    }
}

/// Reads the lines of a body to its end, or until nobody takes them.
fn read_all(
    pieces: mpsc::Receiver<Answer<Bytes>>,
    table: Option<TableReading>,
    read_table: ReadTable,
    lines: &mpsc::Sender<EnrolLine>,
) -> Answer<()> {
    let mut source = Source { pieces, piece: Bytes::new(), problem: None };
    let take = &mut |line: EnrolLine| lines.blocking_send(line).is_ok();
    let read = match table {
        Some(reading) => read_table(&mut source, reading, take),
        None => read_json_lines(&mut source, take),
    };
    match source.problem {
        Some(problem) => Err(problem),
        None => {
            read.map_err(|why| Problem::new(Cause::Unprocessable, why, "correct the text and send it again"))
        }
    }
}

/// The body, for a thread that may wait for it.
struct Source {
    pieces: mpsc::Receiver<Answer<Bytes>>,
    piece: Bytes,
    /// Why the body ended early.
    problem: Option<Problem>,
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(problem)) => self.problem = Some(problem),
                None => {}
            }
        }
        match self.problem {
            // An error, not an end: a line that broke off must not be mistaken for a whole one.
            Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Ok(&self.piece),
        }
    }

    fn consume(&mut self, used: usize) {
        self.piece.advance(used);
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
