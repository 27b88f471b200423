//! What the tests of this crate share: spans and log lines kept in memory, and a look at the scrape.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt;

use crate::logs::LogLayer;

pub(crate) use crate::recording::keep_subscribers;

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Records the spans and the log lines of this thread until it is dropped.
pub(crate) struct Spans {
    exporter: InMemorySpanExporter,
    log: Memory,
    _subscriber: DefaultGuard,
}

impl Spans {
    pub(crate) fn record() -> Self {
        keep_subscribers();
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = crate::otlp::layer(provider.tracer("test"));
        let log = Memory::default();
        let writer = log.clone();
        let lines = LogLayer::new(true, "test", move || writer.clone())
            .with_filter(crate::start::log_filter("info", None).unwrap());
        let subscriber = tracing_subscriber::registry().with(layer).with(lines);
        Self { exporter, log, _subscriber: tracing::subscriber::set_default(subscriber) }
    }

    /// The log lines with this message.
    pub(crate) fn lines(&self, message: &str) -> Vec<serde_json::Value> {
        let log = self.log.text();
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["message"] == message).collect()
    }

    /// The spans that have ended, in the order of their ends.
    pub(crate) fn finished(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }
}

/// The attribute of a span as text.
pub(crate) fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let pair = span.attributes.iter().find(|pair| pair.key.as_str() == name);
    pair.map(|pair| pair.value.as_str().into_owned())
}

/// The value of a series, written as in the scrape (labels in the order of registration).
pub(crate) fn scraped(series: &str) -> Option<f64> {
    let text = crate::render(crate::Format::Text);
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}
