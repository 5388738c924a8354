//! Spans for OpenTelemetry: how long polls, deliveries and requests of the API took. They are sent by OTLP if the
//! program was built with the feature `otlp` and the configuration names a collector; otherwise they cost nothing.
//!
//! Owns: how a span is made and sent. Must never know: any room. A span holds words of this program and names of the
//! configuration, never an address, a secret or a detail of a buyer; ids of objects only if the configuration says so.

use std::fmt::Display;

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// The address for traces of a collector that takes OTLP over HTTP.
    pub url: String,
    /// Spans name objects.
    pub has_object_ids: bool,
}

/// Whether this program can send spans.
pub const IS_BUILT_IN: bool = cfg!(feature = "otlp");

/// Work that is timed until this is dropped.
pub struct Span(sending::Span);

/// Begins a span.
pub fn span(name: &'static str) -> Span {
    Span(sending::span(name))
}

impl Span {
    /// Adds a fact: a word of this program or a name of the configuration.
    pub fn set(&mut self, key: &'static str, value: impl Display) {
        sending::set(&mut self.0, key, value);
    }

    /// Adds the object that it is about, if objects may be named.
    pub fn set_object(&mut self, object: impl Display) {
        if sending::has_object_ids() {
            self.set("object", object);
        }
    }
}

/// Sends the spans of this process from now on. Call it once, before there is a runtime.
///
/// # Errors
/// When no client can be created.
pub fn start(collector: &Collector) -> Result<(), String> {
    sending::start(collector)
}

/// Sends what is left. Waits two seconds at most.
pub fn stop() {
    sending::stop();
}

#[cfg(feature = "otlp")]
mod sending {
    use std::fmt::Display;
    use std::sync::OnceLock;
    use std::time::Duration;

    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

    use super::Collector;

    const WITHIN: Duration = Duration::from_secs(2);

    struct Sending {
        provider: SdkTracerProvider,
        tracer: SdkTracer,
        has_object_ids: bool,
    }

    static SENDING: OnceLock<Sending> = OnceLock::new();

    pub(super) type Span = Option<opentelemetry_sdk::trace::Span>;

    pub(super) fn span(name: &'static str) -> Span {
        SENDING.get().map(|sending| sending.tracer.start(name))
    }

    pub(super) fn set(span: &mut Span, key: &'static str, value: impl Display) {
        if let Some(span) = span {
            span.set_attribute(KeyValue::new(key, value.to_string()));
        }
    }

    pub(super) fn has_object_ids() -> bool {
        SENDING.get().is_some_and(|sending| sending.has_object_ids)
    }

    pub(super) fn start(collector: &Collector) -> Result<(), String> {
        let client = reqwest::blocking::Client::builder().no_proxy().timeout(WITHIN).build();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client.map_err(|error| error.to_string())?)
            .with_endpoint(&collector.url)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder_empty()
            .with_service_name("reconciled")
            .with_attribute(KeyValue::new("service.version", env!("RECONCILED_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let (tracer, has_object_ids) = (provider.tracer("reconciled"), collector.has_object_ids);
        let sending = Sending { provider, tracer, has_object_ids };
        SENDING.set(sending).map_err(|_| "spans are sent already".to_owned())
    }

    pub(super) fn stop() {
        if let Some(sending) = SENDING.get() {
            let _ = sending.provider.shutdown_with_timeout(WITHIN);
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod sending {
    use std::fmt::Display;

    pub(super) struct Span;

    pub(super) fn span(_name: &'static str) -> Span {
        Span
    }

    pub(super) fn set(_span: &mut Span, _key: &'static str, _value: impl Display) {}

    pub(super) fn has_object_ids() -> bool {
        false
    }

    pub(super) fn start(_collector: &super::Collector) -> Result<(), String> {
        Err("this program was built without the feature otlp".to_owned())
    }

    pub(super) fn stop() {}
}

#[cfg(all(test, feature = "otlp"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_collector_gets_a_span_with_its_facts_and_without_the_object() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let collector = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut got, mut part) = (Vec::new(), [0; 4096]);
            // The result is the last fact of the only span.
            while !String::from_utf8_lossy(&got).contains("throttled") {
                let length = stream.read(&mut part).unwrap();
                got.extend_from_slice(&part[..length]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&got).into_owned()
        });
        start(&Collector { url: url.clone(), has_object_ids: false }).unwrap();
        assert!(start(&Collector { url, has_object_ids: true }).is_err(), "once is enough");
        let mut poll = span("poll");
        poll.set("account", "shop-de");
        poll.set_object("shop-de/charge/P02-1");
        poll.set("result", "throttled");
        drop(poll);
        stop();
        let got = collector.join().unwrap();
        assert!(got.starts_with("POST /v1/traces ") && got.contains("shop-de"), "{got}");
        assert!(got.contains("poll") && got.contains("reconciled") && !got.contains("P02-1"), "{got}");
    }
}
