//! What the tests of this crate share: spans kept in memory, and a look at the scrape.

use std::sync::LazyLock;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// Records the spans of this thread until it is dropped.
pub(crate) struct Spans {
    exporter: InMemorySpanExporter,
    _subscriber: DefaultGuard,
}

impl Spans {
    pub(crate) fn record() -> Self {
        keep_subscribers();
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = crate::otlp::layer(provider.tracer("test"));
        let subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { exporter, _subscriber: subscriber }
    }

    /// The spans that have ended, in the order of their ends.
    pub(crate) fn finished(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }
}

/// While there is but one subscriber in the process, `tracing` asks that of the current thread alone whether a span is
/// of interest, and remembers the answer for all threads. So that tests do not blind each other, two stay for good.
pub(crate) fn keep_subscribers() {
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
    crate::start_for_tests();
    LazyLock::force(&SECOND);
}

/// The attribute of a span as text.
pub(crate) fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let pair = span.attributes.iter().find(|pair| pair.key.as_str() == name);
    pair.map(|pair| pair.value.as_str().into_owned())
}

/// The value of a series, written as in the scrape (labels in the order of registration).
pub(crate) fn scraped(series: &str) -> Option<f64> {
    let text = crate::render();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}
