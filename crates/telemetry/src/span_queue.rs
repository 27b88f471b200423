//! The queue of finished spans. No span is lost silently: what does not fit, what the collector did not take, and what
//! the process could not wait for at its end, is counted. Spans ended = exported + dropped, once the queue is closed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::metrics::{Counter, Desc, Unit};

/// Spans that may wait when `OTEL_BSP_MAX_QUEUE_SIZE` does not say.
const DEFAULT_SIZE: u32 = 2048;

static EXPORTED: LazyLock<Counter> = LazyLock::new(|| {
    Counter::new(&Desc {
        name: "telemetry_spans_exported_total",
        unit: Unit::Count,
        help: "Finished spans that the collector took.",
    })
});

static DROPPED: LazyLock<Counter> = LazyLock::new(|| {
    Counter::new(&Desc {
        name: "telemetry_spans_dropped_total",
        unit: Unit::Count,
        help: "Finished spans that never reached the collector: the queue was full, the export failed, or the process ended.",
    })
});

/// Registers the counters, so that they are there without a collector, too.
pub(crate) fn register() {
    LazyLock::force(&EXPORTED);
    LazyLock::force(&DROPPED);
}

/// A batch processor that counts what becomes of each sampled span.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    inner: BatchSpanProcessor,
    fates: Arc<Fates>,
    size: u32,
}

impl SpanQueue {
    /// Exports in the background, with at most `size` spans waiting.
    pub(crate) fn new(exporter: impl SpanExporter + 'static, size: Option<u32>) -> Self {
        let size = size.filter(|size| *size > 0).unwrap_or(DEFAULT_SIZE);
        let fates = Arc::<Fates>::default();
        let exporter =
            CountedExporter { inner: exporter, fates: fates.clone(), fails: AtomicBool::new(false) };
        let config = BatchConfigBuilder::default().with_max_queue_size(size as usize).build();
        let inner = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        Self { inner, fates, size }
    }

    /// What becomes of the spans of this queue.
    pub(crate) fn fates(&self) -> Arc<Fates> {
        self.fates.clone()
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
        self.fates.ended.fetch_add(1, Ordering::Relaxed);
        // The processor's own queue has as many places, so there is always one behind a place taken here.
        match self.fates.under_way.enter(self.size) {
            true => self.inner.on_end(span),
            false => self.fates.drop_spans(1),
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

/// What became of the sampled spans that ended.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    ended: AtomicU64,
    exported: AtomicU64,
    dropped: AtomicU64,
    under_way: UnderWay,
}

/// How many spans ended, and what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) ended: u64,
    pub(crate) exported: u64,
    pub(crate) dropped: u64,
}

impl Fates {
    /// Exports what waits, until nothing does or `until`. It blocks.
    pub(crate) fn flush(&self, provider: &SdkTracerProvider, until: Instant) {
        while !self.under_way.is_empty() && Instant::now() < until {
            // What fails is counted where it fails. A span on its way into the queue is seen by the next round.
            let _ = provider.force_flush();
            std::thread::yield_now();
        }
    }

    /// Gives up what is still under way, and whatever ends from now on. All is accounted for after that.
    pub(crate) fn close(&self) -> Tally {
        let given_up = self.under_way.close();
        if given_up > 0 {
            tracing::warn!(
                spans = given_up,
                "the last spans are lost: the collector did not take them in time"
            );
            self.drop_spans(given_up);
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally { ended: read(&self.ended), exported: read(&self.exported), dropped: read(&self.dropped) }
    }

    fn drop_spans(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        DROPPED.increment(count);
    }
}

/// The spans between their end and their fate: those that wait in the lower half of the word, those in export in the
/// upper half. One word, so that closing and a span that ends at the same time never both count it, or neither.
#[derive(Debug, Default)]
struct UnderWay(AtomicU64);

impl UnderWay {
    const ONE_IN_EXPORT: u64 = 1 << 32;
    const CLOSED: u64 = 1 << 63;

    /// Takes a place; `false` when there is none.
    fn enter(&self, size: u32) -> bool {
        self.change(|word| (word % Self::ONE_IN_EXPORT < size.into()).then_some(word + 1))
    }

    fn begin_export(&self, count: u64) {
        self.change(|word| Some(word - count + count * Self::ONE_IN_EXPORT));
    }

    /// `false` when they had been given up.
    fn end_export(&self, count: u64) -> bool {
        self.change(|word| Some(word - count * Self::ONE_IN_EXPORT))
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) & !Self::CLOSED == 0
    }

    /// Ends it, and says how many are given up.
    fn close(&self) -> u64 {
        let word = self.0.swap(Self::CLOSED, Ordering::AcqRel) & !Self::CLOSED;
        word / Self::ONE_IN_EXPORT + word % Self::ONE_IN_EXPORT
    }

    /// Changes the word, unless it is closed.
    fn change(&self, next: impl Fn(u64) -> Option<u64>) -> bool {
        let next = |word| (word & Self::CLOSED == 0).then(|| next(word)).flatten();
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }
}

#[derive(Debug)]
struct CountedExporter<E> {
    inner: E,
    fates: Arc<Fates>,
    fails: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        self.fates.under_way.begin_export(count);
        let result = self.inner.export(batch).await;
        match &result {
            _ if !self.fates.under_way.end_export(count) => {}
            Ok(()) => {
                self.fates.exported.fetch_add(count, Ordering::Relaxed);
                EXPORTED.increment(count);
            }
            Err(_) => self.fates.drop_spans(count),
        }
        // A collector that is away is told once, and not for each batch.
        let failed = result.is_err();
        match (self.fails.swap(failed, Ordering::Relaxed), &result) {
            (false, Err(error)) => {
                tracing::warn!(%error, "spans do not reach the collector: they are counted as dropped")
            }
            (true, Ok(())) => tracing::info!("spans reach the collector again"),
            _ => {}
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

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    /// Answers each batch as the test tells it to.
    #[derive(Debug)]
    struct Told {
        entered: Mutex<Sender<usize>>,
        proceed: Mutex<Receiver<OTelSdkResult>>,
    }

    impl SpanExporter for Told {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.entered.lock().unwrap().send(batch.len()).unwrap();
            // The test's end of the channel is gone when the test has failed.
            self.proceed.lock().unwrap().recv().unwrap_or(Ok(()))
        }
    }

    struct Stage {
        provider: SdkTracerProvider,
        fates: Arc<Fates>,
        entered: Receiver<usize>,
        proceed: Sender<OTelSdkResult>,
    }

    impl Stage {
        fn new(size: u32) -> Self {
            let (entered_in, entered) = channel();
            let (proceed, proceed_in) = channel();
            let exporter = Told { entered: Mutex::new(entered_in), proceed: Mutex::new(proceed_in) };
            let queue = SpanQueue::new(exporter, Some(size));
            let fates = queue.fates();
            let provider = SdkTracerProvider::builder().with_span_processor(queue).build();
            Self { provider, fates, entered, proceed }
        }

        fn end_spans(&self, count: usize) {
            let tracer = self.provider.tracer("test");
            (0..count).for_each(|_| drop(tracer.start("span")));
        }

        fn dropped(&self) -> u64 {
            self.fates.dropped.load(Ordering::Relaxed)
        }
    }

    fn refused() -> OTelSdkResult {
        Err(OTelSdkError::InternalFailure("refused".into()))
    }

    #[test]
    fn every_span_is_exported_or_counted_as_dropped() {
        let stage = Stage::new(4);
        let scraped = || crate::testing::scraped("telemetry_spans_dropped_total").unwrap_or_default();
        let before = scraped();
        // A full queue is exported at once, and stays in export until the test lets it go.
        stage.end_spans(4);
        assert_eq!(stage.entered.recv().unwrap(), 4);
        stage.end_spans(7);
        assert_eq!(stage.dropped(), 3, "four wait, three do not fit");
        stage.proceed.send(refused()).unwrap();
        stage.proceed.send(Ok(())).unwrap();
        stage.fates.flush(&stage.provider, Instant::now() + SOON);
        assert_eq!(stage.fates.close(), Tally { ended: 11, exported: 4, dropped: 7 });
        // Other tests of this process may drop some too; none takes one back.
        assert!(scraped() - before >= 7.0);
        assert!(crate::testing::scraped("telemetry_spans_exported_total").unwrap() >= 4.0);
    }

    #[test]
    fn what_the_end_cannot_wait_for_is_dropped_and_never_counted_twice() {
        let stage = Stage::new(4);
        stage.end_spans(4);
        assert_eq!(stage.entered.recv().unwrap(), 4);
        stage.end_spans(2);
        // The collector does not answer: the time is over before anything is.
        stage.fates.flush(&stage.provider, Instant::now());
        assert_eq!(stage.fates.close(), Tally { ended: 6, exported: 0, dropped: 6 });
        stage.end_spans(1);
        stage.proceed.send(Ok(())).unwrap();
        stage.proceed.send(Ok(())).unwrap();
        stage.provider.shutdown().unwrap();
        assert_eq!(
            stage.fates.close(),
            Tally { ended: 7, exported: 0, dropped: 7 },
            "what is late stays lost"
        );
    }
}
