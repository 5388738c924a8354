//! The stream of live events: the only entry whose answer does not end.
//!
//! Owns: its path, its role, its help. Must never know: how it is carried out.

use super::{Entry, Form, Role, Run, Spec};
use crate::control::live::EVENT_STREAM;
use crate::control::messages::{LiveEvent, StreamRequest};

/// The entry of the table.
pub(super) const STREAM: Entry = Entry {
    spec: Spec::get("/v1/stream", Role::Read).command(
        "",
        "Follow changes of objects as server-sent events, each with the number of its journal entry.",
    ),
    run: Run::Events,
    form,
};

fn form() -> Form {
    Form::fields::<StreamRequest>().answer::<LiveEvent>(EVENT_STREAM)
}
