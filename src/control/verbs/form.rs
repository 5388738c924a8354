//! What a verb's requests and answers look like, for the API's description.
//!
//! Owns: that form. Must never know: any one verb, how the description is written.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::{JSON, Verb};

/// A name and the schema that stands under it.
pub type Part = (String, RefOr<Schema>);

/// What a verb's requests and answers look like, as JSON Schema.
pub struct Form {
    /// The name of the schema of a request: all its fields, wherever they are sent.
    pub request: String,
    /// The name of the schema of what stands in the query beside a body, if anything does.
    pub query: Option<String>,
    /// A body that is not JSON of those fields: its media types and its schema. In JSON Lines and CSV, the schema is
    /// that of a line.
    pub body: Option<(&'static [&'static str], Value)>,
    /// The media type of the answer.
    pub answer_type: &'static str,
    /// The schema of the answer. In JSON Lines it is that of a line.
    pub answer: Value,
    /// The statuses of an answer.
    pub statuses: &'static [u16],
    /// The schemas that these name.
    pub parts: Vec<Part>,
}

impl Form {
    /// The form of a verb whose fields and answer are JSON.
    pub(super) fn of<V: Verb>() -> Form {
        Form::fields::<V>().answer::<V::Answer>(JSON)
    }

    /// The form of a request with these fields. Its answer is still to be added.
    pub(super) fn fields<Request: ToSchema>() -> Form {
        let mut parts = vec![(Request::name().into_owned(), Request::schema())];
        Request::schemas(&mut parts);
        Form {
            request: Request::name().into_owned(),
            query: None,
            body: None,
            answer_type: JSON,
            answer: Value::Null,
            statuses: &[200],
            parts,
        }
    }

    /// With these fields in the query beside a body.
    pub(super) fn query<Query: ToSchema>(mut self) -> Form {
        self.query = Some(Query::name().into_owned());
        self.parts.push((Query::name().into_owned(), Query::schema()));
        Query::schemas(&mut self.parts);
        self
    }

    /// With a body of its own.
    pub(super) fn body<Body: ToSchema>(mut self, media_types: &'static [&'static str]) -> Form {
        self.body = Some((media_types, named::<Body>(&mut self.parts)));
        self
    }

    /// With this answer. In another media type than JSON, the schema is that of a line.
    pub(super) fn answer<Answer: ToSchema>(mut self, media_type: &'static str) -> Form {
        self.answer_type = media_type;
        self.answer = named::<Answer>(&mut self.parts);
        self
    }

    /// With these statuses of an answer.
    pub(super) fn statuses(self, statuses: &'static [u16]) -> Form {
        Form { statuses, ..self }
    }
}

/// The schema of a type: a reference if it is an object with a name.
pub(in crate::control) fn named<T: ToSchema>(parts: &mut Vec<Part>) -> Value {
    T::schemas(parts);
    let schema = T::schema();
    let value = written(&schema);
    match value["type"].as_str() {
        Some("array" | "string") => value,
        _ => {
            parts.push((T::name().into_owned(), schema));
            reference(&T::name())
        }
    }
}

/// Names a schema.
pub(in crate::control) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A schema as JSON.
pub(in crate::control) fn written(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).expect("a schema has text keys only")
}
