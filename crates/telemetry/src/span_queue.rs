//! The queue of finished spans. It never lets the batch processor drop a span silently: what does not fit, and what the
//! collector did not take, is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::metrics::{Counter, Desc, Unit};

/// Spans that may wait when `OTEL_BSP_MAX_QUEUE_SIZE` does not say.
const DEFAULT_SIZE: usize = 2048;

/// A batch processor that counts what it drops.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    inner: BatchSpanProcessor,
    load: Arc<Load>,
    size: usize,
}

impl SpanQueue {
    /// Exports in the background, with at most `size` spans waiting.
    pub(crate) fn new(exporter: impl SpanExporter + 'static, size: Option<usize>) -> Self {
        let size = size.filter(|size| *size > 0).unwrap_or(DEFAULT_SIZE);
        let load = Arc::new(Load::new());
        let exporter = CountedExporter { inner: exporter, load: load.clone() };
        let config = BatchConfigBuilder::default().with_max_queue_size(size).build();
        let inner = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        Self { inner, load, size }
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        // The processor's own queue has as many places, so there is always one behind a place taken here.
        let taken = self.load.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < self.size).then_some(waiting + 1)
        });
        match taken {
            Ok(_) => self.inner.on_end(span),
            Err(_) => self.load.dropped.increment(1),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Spans between their end and the collector.
struct Load {
    waiting: AtomicUsize,
    dropped: Counter,
}

impl Load {
    fn new() -> Self {
        let dropped = Counter::new(&Desc {
            name: "telemetry_spans_dropped_total",
            unit: Unit::Count,
            help: "Finished spans that never reached the collector: the queue was full, or the export failed.",
        });
        Self { waiting: AtomicUsize::new(0), dropped }
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct CountedExporter<E> {
    inner: E,
    load: Arc<Load>,
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.load.waiting.fetch_sub(count, Ordering::Relaxed);
        let result = self.inner.export(batch).await;
        if result.is_err() {
            self.load.dropped.increment(count as u64);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    /// Refuses every batch, each only after the test has said so.
    #[derive(Debug)]
    struct Refusing {
        entered: Mutex<Sender<usize>>,
        proceed: Mutex<Receiver<()>>,
    }

    impl SpanExporter for Refusing {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.entered.lock().unwrap().send(batch.len()).unwrap();
            // The test's end of the channel is gone when the test has failed.
            let _ = self.proceed.lock().unwrap().recv();
            Err(OTelSdkError::InternalFailure("refused".into()))
        }
    }

    #[test]
    fn spans_that_do_not_arrive_are_counted() {
        let (entered_in, entered) = channel();
        let (proceed, proceed_in) = channel();
        let exporter = Refusing { entered: Mutex::new(entered_in), proceed: Mutex::new(proceed_in) };
        let queue = SpanQueue::new(exporter, Some(4));
        let provider = SdkTracerProvider::builder().with_span_processor(queue).build();
        let tracer = provider.tracer("test");
        let end_spans = |count| (0..count).for_each(|_| drop(tracer.start("span")));
        let dropped = || crate::testing::scraped("telemetry_spans_dropped_total").unwrap();
        let before = dropped();
        // A full queue is exported at once, and stays in export until the test lets it go.
        end_spans(4);
        assert_eq!(entered.recv().unwrap(), 4);
        end_spans(7);
        assert_eq!(dropped() - before, 3.0, "four wait, three do not fit");
        proceed.send(()).unwrap();
        proceed.send(()).unwrap();
        let _refused = provider.shutdown();
        assert_eq!(dropped() - before, 3.0 + 4.0 + 4.0, "both batches were refused");
    }
}
