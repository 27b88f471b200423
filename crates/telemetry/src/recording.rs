//! Spans as they would be exported, kept in memory: for the tests of the services. What a trace has to say is plain text
//! here, so that a test needs no OpenTelemetry.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use opentelemetry::trace::{SpanContext, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// Records the spans of this thread, all of which are sampled, until it is dropped.
pub struct Recording {
    exporter: InMemorySpanExporter,
    _subscriber: DefaultGuard,
}

/// A span that has ended.
#[derive(Debug, Clone)]
pub struct RecordedSpan {
    /// Its name.
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: String,
    /// Its own W3C trace context.
    pub traceparent: String,
    /// The W3C trace context of its parent; empty for the first span of a trace.
    pub parent: String,
    /// The W3C trace contexts of what it is linked to.
    pub links: Vec<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Whether its status is an error.
    pub is_error: bool,
}

impl Recording {
    /// Begins to record.
    pub fn start() -> Self {
        keep_subscribers();
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = crate::otlp::layer(provider.tracer("test"));
        let subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { exporter, _subscriber: subscriber }
    }

    /// The spans that have ended, in the order of their ends.
    pub fn spans(&self) -> Vec<RecordedSpan> {
        self.exporter.get_finished_spans().unwrap_or_default().iter().map(recorded).collect()
    }

    /// Those of them that belong to the trace of a W3C trace context.
    pub fn trace(&self, traceparent: &str) -> Vec<RecordedSpan> {
        let is_of_trace = |span: &RecordedSpan| trace_id(&span.traceparent) == trace_id(traceparent);
        self.spans().into_iter().filter(is_of_trace).collect()
    }
}

impl RecordedSpan {
    /// An attribute; empty when the span has none of that name.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

fn recorded(span: &SpanData) -> RecordedSpan {
    let traceparent = |context: &SpanContext| {
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8() & 1)
    };
    let SpanData { span_context: own, parent_span_id: parent, .. } = span;
    let parent = format!("00-{}-{parent}-01", own.trace_id());
    let has_parent = span.parent_span_id != opentelemetry::SpanId::INVALID;
    let pairs = span.attributes.iter();
    RecordedSpan {
        name: span.name.to_string(),
        kind: format!("{:?}", span.span_kind).to_lowercase(),
        traceparent: traceparent(own),
        parent: if has_parent { parent } else { String::new() },
        links: span.links.iter().map(|link| traceparent(&link.span_context)).collect(),
        attributes: pairs.map(|pair| (pair.key.to_string(), pair.value.as_str().into_owned())).collect(),
        is_error: matches!(span.status, Status::Error { .. }),
    }
}

/// While there is but one subscriber in the process, `tracing` asks that of the current thread alone whether a span is
/// of interest, and remembers the answer for all threads. So that tests do not blind each other, two stay for good.
pub(crate) fn keep_subscribers() {
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
    crate::start_for_tests();
    LazyLock::force(&SECOND);
}
