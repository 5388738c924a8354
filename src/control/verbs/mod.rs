//! What a verb is: its path, its role, its request and answer, and how both are transported.
//!
//! Owns: the trait, the form of requests and answers on the wire. Must never know: any one verb (the verbs
//! are in `table`), sockets, storage.
//!
//! A request is its verb: a value of the type that implements [`Verb`]. The client writes it; the routes read it and
//! answer it. A command without a daemon answers it in its own process.

mod dashboard;
mod enrol;
mod events;
mod form;
mod notifications;
mod operations;
mod reports;
mod silences;
mod stream;
mod table;
mod wire;

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::audit::Subject;
use super::problem::{Cause, Problem};
use super::service::{Answer, Service};
use crate::access::Caller;

pub use crate::access::Role;
pub(super) use enrol::{BAD_LINES, read_json_lines, subject, table_reading, written_lines};
pub use form::{Form, Part};
pub(super) use form::{named, reference, written};
pub use table::TABLE;

/// The media type of JSON.
pub const JSON: &str = "application/json";
/// The path of one object. What is answered there is what a condition of a request (`If-Match`) compares with.
pub const OBJECT: &str = "/v1/tracked/{account}/{kind}/{id}";

/// The media type of JSON Lines.
pub const JSON_LINES: &str = "application/x-ndjson";
/// The media type of a table.
pub const CSV: &str = "text/csv";

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Changes nothing.
    Get,
    /// Repeating it changes nothing more.
    Put,
    /// Anything else.
    Post,
    /// Removes something.
    Delete,
}

/// What all requests of a verb share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its method.
    pub method: Method,
    /// Its path. `{name}` stands for the request's field of that name; `~` in its place means none.
    pub path: &'static str,
    /// Who may use it.
    pub role: Role,
    /// The only key of the body. It distinguishes verbs that share a path.
    pub tag: Option<&'static str>,
    /// The only key of the answer.
    pub answer_tag: Option<&'static str>,
    /// The command that uses it; empty when none does.
    pub command: &'static str,
    /// Its name in the API's description; empty to make it from the command or the path.
    pub operation: &'static str,
    /// What it does, in one sentence, for commands and for the API's description.
    pub help: &'static str,
    /// It creates files, contacts others or touches every object: the answer may take minutes.
    pub is_slow: bool,
    /// It changes nothing although its role is above `read`, or must work while the store cannot be written. So it is
    /// not kept in the audit log.
    pub is_unaudited: bool,
    /// Programs repeat it without end. Those of one caller within an hour share an entry of the audit log.
    pub is_repeated: bool,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// It changes the object that its path names, and heeds `If-Match` and `If-None-Match`.
    pub is_conditional: bool,
    /// The classes of problems that not every verb has.
    pub refuses: &'static [Cause],
}

impl Spec {
    const fn new(method: Method, path: &'static str, role: Role) -> Spec {
        let (is_slow, body_bytes_max) = (false, 1024 * 1024);
        Spec {
            method,
            path,
            role,
            tag: None,
            answer_tag: None,
            command: "",
            operation: "",
            help: "",
            is_slow,
            is_unaudited: false,
            is_repeated: false,
            body_bytes_max,
            is_conditional: false,
            refuses: &[],
        }
    }

    const fn get(path: &'static str, role: Role) -> Spec {
        Spec::new(Method::Get, path, role)
    }

    const fn put(path: &'static str, role: Role) -> Spec {
        Spec::new(Method::Put, path, role)
    }

    const fn post(path: &'static str, role: Role) -> Spec {
        Spec::new(Method::Post, path, role)
    }

    const fn delete(path: &'static str, role: Role) -> Spec {
        Spec::new(Method::Delete, path, role)
    }

    const fn command(self, command: &'static str, help: &'static str) -> Spec {
        Spec { command, help, ..self }
    }

    const fn operation(self, operation: &'static str) -> Spec {
        Spec { operation, ..self }
    }

    const fn tagged(self, tag: &'static str, answer_tag: Option<&'static str>) -> Spec {
        Spec { tag: Some(tag), answer_tag, ..self }
    }

    const fn slow(self) -> Spec {
        Spec { is_slow: true, ..self }
    }

    const fn unaudited(self) -> Spec {
        Spec { is_unaudited: true, ..self }
    }

    const fn repeated(self) -> Spec {
        Spec { is_repeated: true, ..self }
    }

    /// Whether requests are kept in the audit log: all that may change anything, unless they say otherwise.
    pub fn is_audited(&self) -> bool {
        self.role > Role::Read && !self.is_unaudited
    }

    /// What to call it in messages: its command, or else its path.
    pub fn name(&self) -> &'static str {
        if self.command.is_empty() { self.path } else { self.command }
    }

    const fn conditional(self) -> Spec {
        Spec { is_conditional: true, ..self }
    }

    const fn refuses(self, refuses: &'static [Cause]) -> Spec {
        Spec { refuses, ..self }
    }

    const fn body_bytes_max(self, body_bytes_max: usize) -> Spec {
        Spec { body_bytes_max, ..self }
    }

    /// Whether the fields of a request are in its URL instead of its body.
    pub(super) fn is_by_address(&self) -> bool {
        self.method == Method::Get || self.path.contains('{')
    }

    /// The path for a router that allows no text after a name: `/v1/reports/{day}:run` becomes `/v1/reports/{day}`.
    pub(super) fn route(&self) -> String {
        let segments = self.path.split('/').map(|segment| match segment.split_once('}') {
            Some((name, _)) => format!("{name}}}"),
            None => segment.to_owned(),
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// A request as the client sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The path, with its names filled in.
    pub path: String,
    /// Keys and values of the query.
    pub query: Vec<(String, String)>,
    /// The media type of the body.
    pub media_type: &'static str,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// A request as it arrives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Incoming {
    /// The names in the path with their values, unescaped.
    pub parameters: Vec<(String, String)>,
    /// The raw query of the URL.
    pub query: String,
    /// The media type of the body, in lower case and without parameters; empty if none is given.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer as the daemon sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body.
    pub media_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// The revision of the object that it shows, if it shows one.
    pub revision: Option<u64>,
}

impl Reply {
    /// An answer that shows no object.
    pub fn new(status: u16, media_type: &'static str, body: Vec<u8>) -> Reply {
        Reply { status, media_type, body, revision: None }
    }
}

/// A request that an operator or a program can send to the service.
pub trait Verb: Serialize + DeserializeOwned + ToSchema + Send + 'static {
    /// The type of its answer.
    type Answer: Serialize + DeserializeOwned + ToSchema + Send;

    /// Its path, its role, its help.
    const SPEC: Spec;

    /// The role that this request needs: that of its verb, unless the request is harmless.
    fn role(&self, _service: &Service) -> Role {
        Self::SPEC.role
    }

    /// What it is about, for the audit log: names, no secrets, nothing about a buyer.
    fn subject(&self) -> Subject {
        Subject::default()
    }

    /// Why an answer means that the request was not carried out as it was asked, in a word or two.
    fn failure(_answer: &Self::Answer) -> Option<&'static str> {
        None
    }

    /// The objects that an answer names, for the audit log.
    fn objects(_answer: &Self::Answer) -> Vec<String> {
        Vec::new()
    }

    /// The revision of the object that an answer shows, if it shows one.
    fn revision(_answer: &Self::Answer) -> Option<u64> {
        None
    }

    /// The same request, with its caller, for the few that need to know.
    #[must_use]
    fn asked_by(self, _caller: &Caller) -> Self {
        self
    }

    /// Carries it out. Call it through [`Service::carry_out`], which checks the role. `actor` is the caller as recorded
    /// in histories: `uid:1000`.
    fn answer(self, service: &Service, actor: &str) -> impl Future<Output = Answer<Self::Answer>> + Send;

    /// What its requests and answers look like.
    fn form() -> Form {
        Form::of::<Self>()
    }

    /// Writes the request.
    fn write(&self) -> Outgoing {
        wire::write(self)
    }

    /// Reads the request.
    fn read(incoming: &Incoming) -> Answer<Self> {
        wire::read(incoming)
    }

    /// Writes the answer.
    fn reply(answer: &Self::Answer) -> Reply {
        wire::reply::<Self>(answer)
    }

    /// Reads the answer. The error is a sentence.
    fn understand(body: &[u8]) -> Result<Self::Answer, String> {
        wire::understand::<Self>(body)
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// How the requests of a verb are answered.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// With one answer for each request.
    Whole(fn(Service, Caller, Incoming) -> Answering),
    /// With the stream of live events.
    Events,
    /// Line by line, as the body arrives.
    Lines,
}

/// A verb without its types: a row of the table. The routes are built from these rows.
#[derive(Clone, Copy)]
pub struct Entry {
    /// [`Verb::SPEC`].
    pub spec: Spec,
    /// Answers it.
    pub(super) run: Run,
    /// [`Verb::form`].
    pub form: fn() -> Form,
}

impl Entry {
    const fn of<V: Verb>() -> Entry {
        Entry { spec: V::SPEC, run: Run::Whole(run::<V>), form: V::form }
    }

    const fn lines<V: Verb>() -> Entry {
        Entry { spec: V::SPEC, run: Run::Lines, form: V::form }
    }
}

/// What has begun is finished, and its outcome kept, even if the client disconnects.
fn run<V: Verb>(service: Service, caller: Caller, incoming: Incoming) -> Answering {
    Box::pin(async move {
        let verb = V::read(&incoming)?;
        drop(incoming);
        let answer =
            match V::SPEC.is_audited() {
                true => tokio::spawn(async move { service.carry_out(verb, &caller).await }).await.map_err(
                    |_| Problem::new(Cause::Internal, "the request ended unexpectedly", "see the log"),
                )?,
                false => service.carry_out(verb, &caller).await,
            };
        let answer = answer?;
        Ok(Reply { revision: V::revision(&answer), ..V::reply(&answer) })
    })
}

/// The verb that a body addresses, among the verbs of one path.
pub(super) fn meant<'a>(entries: &[&'a Entry], body: &[u8]) -> Result<&'a Entry, Problem> {
    match entries {
        [only] if only.spec.tag.is_none() => Ok(*only),
        _ => wire::meant(entries, body),
    }
}
