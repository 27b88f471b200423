//! The one metrics recorder of the process: the exporter's, with a cap on the series of each metric and with exemplars.
//! Every instrument is registered here, and what Prometheus scrapes is written here.

mod cap;
mod exemplars;
mod exposition;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use metrics::{Key, KeyName, Label, Level, Metadata, SharedString};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::buckets;
use crate::metrics::{Desc, Unit};

pub use cap::MOST_LINES;
pub(crate) use exemplars::{Exemplars, Sampled};

/// Counts registrations beyond the cap. It is there at zero for every metric that has labels without a closed list of
/// values, and for any other one from its first overflow on. The cap does not apply to it: the names of metrics come
/// from the source code.
pub(crate) const OVERFLOW: Desc = Desc {
    name: "telemetry_metric_overflow_total",
    unit: Unit::Count,
    help: "Series that were not admitted, since their metric has too many; each registration counts, also a repeated one.",
};

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

static RECORDER: OnceLock<Option<Arc<Recorder>>> = OnceLock::new();

/// A text that Prometheus reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0, with exemplars.
    OpenMetrics,
}

impl Format {
    /// How an answer in this format is labelled.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Everything that was measured; nothing, when metrics are off.
pub fn render(format: Format) -> String {
    let Some(recorder) = current() else { return String::new() };
    crate::process::collect();
    let raw = recorder.handle.render();
    match format {
        Format::Text => exposition::text(&raw),
        Format::OpenMetrics => exposition::openmetrics(&raw, &recorder.exemplars),
    }
}

/// Leaves the process without a recorder, unless some instrument was made before. All handles then do nothing.
pub(crate) fn switch_off() {
    // Metrics that are on stay on.
    let _ = RECORDER.set(None);
}

/// Installs the recorder, once; every instrument does it, so that none is registered into the void.
pub(crate) fn install() {
    current();
}

/// Whether anything is recorded.
pub(crate) fn is_on() -> bool {
    current().is_some()
}

/// Drains histogram samples into their buckets; without it they pile up between scrapes.
pub(crate) fn upkeep() {
    if let Some(recorder) = current() {
        recorder.handle.run_upkeep();
    }
}

/// Registers a counter, or finds it.
pub(crate) fn counter(key: &Key) -> metrics::Counter {
    current().map_or_else(metrics::Counter::noop, |recorder| recorder.counter(key))
}

/// Registers a gauge, or finds it.
pub(crate) fn gauge(key: &Key) -> metrics::Gauge {
    current().map_or_else(metrics::Gauge::noop, |recorder| recorder.gauge(key))
}

/// Registers a histogram, or finds it.
pub(crate) fn histogram(key: &Key) -> (metrics::Histogram, Option<Arc<Exemplars>>) {
    current().map_or_else(|| (metrics::Histogram::noop(), None), |recorder| recorder.histogram(key))
}

/// Shows that no series of this metric has been refused yet.
pub(crate) fn may_overflow(name: &'static str) {
    if let Some(recorder) = current() {
        recorder.overflow(name).increment(0);
    }
}

fn current() -> Option<&'static Arc<Recorder>> {
    RECORDER
        .get_or_init(|| {
            let recorder = Arc::new(Recorder::new().map_err(report).ok()?);
            metrics::set_global_recorder(recorder.clone()).map_err(report).ok()?;
            Some(recorder)
        })
        .as_ref()
}

fn report(error: impl std::fmt::Display) {
    tracing::error!(%error, "metrics are off: the recorder could not be installed");
}

struct Recorder {
    inner: PrometheusRecorder,
    handle: PrometheusHandle,
    cap: cap::SeriesCap,
    exemplars: exemplars::ExemplarTable,
}

impl Recorder {
    fn new() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new().set_buckets(buckets::HTTP_SECONDS)?;
        let builder = buckets::rules()
            .try_fold(builder, |builder, (rule, bounds)| builder.set_buckets_for_metric(rule, bounds))?;
        let inner = builder.build_recorder();
        let handle = inner.handle();
        Ok(Self { inner, handle, cap: Default::default(), exemplars: Default::default() })
    }

    fn counter(&self, key: &Key) -> metrics::Counter {
        metrics::Recorder::register_counter(&self.inner, &self.admit(key, 1), &METADATA)
    }

    fn gauge(&self, key: &Key) -> metrics::Gauge {
        metrics::Recorder::register_gauge(&self.inner, &self.admit(key, 1), &METADATA)
    }

    fn histogram(&self, key: &Key) -> (metrics::Histogram, Option<Arc<Exemplars>>) {
        let key = self.admit(key, buckets::lines_of(key.name()));
        let histogram = metrics::Recorder::register_histogram(&self.inner, &key, &METADATA);
        (histogram, self.exemplars.of(&key))
    }

    /// The series itself, or the one that takes what overflows.
    fn admit<'k>(&self, key: &'k Key, lines: usize) -> Cow<'k, Key> {
        if self.cap.admits(key, lines) {
            return Cow::Borrowed(key);
        }
        self.overflow(key.name()).increment(1);
        Cow::Owned(cap::overflow_of(key))
    }

    fn overflow(&self, metric: &str) -> metrics::Counter {
        let key = Key::from_parts(OVERFLOW.name, vec![Label::new("metric", metric.to_owned())]);
        metrics::Recorder::register_counter(&self.inner, &key, &METADATA)
    }
}

/// For the instruments of libraries, which know of the exporter's recorder only.
impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, unit: Option<metrics::Unit>, help: SharedString) {
        self.inner.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<metrics::Unit>, help: SharedString) {
        self.inner.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<metrics::Unit>, help: SharedString) {
        self.inner.describe_histogram(name, unit, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        self.counter(key)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        self.gauge(key)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        self.histogram(key).0
    }
}
