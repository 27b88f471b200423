//! Exemplars: for each bucket of a latency histogram, a recent sample that was taken in a sampled trace. Taking one
//! neither waits nor allocates: a slot that somebody else is using is left alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::Key;
use opentelemetry::trace::{SpanContext, SpanId, TraceId};
use tracing::Span;

use crate::{buckets, trace};

/// The histograms that have exemplars: those of time. The others are recorded without a span.
const SUFFIX: &str = "_seconds";

/// A span that reaches the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sampled {
    trace_id: TraceId,
    span_id: SpanId,
}

impl Sampled {
    pub(crate) fn of(context: &SpanContext) -> Option<Self> {
        context.is_sampled().then(|| Self { trace_id: context.trace_id(), span_id: context.span_id() })
    }

    pub(crate) fn of_span(span: &Span) -> Option<Self> {
        Self::of(&trace::span_context(span)?)
    }
}

/// The exemplars of one series: a slot for each bound, and one for what lies beyond the last.
pub(crate) struct Exemplars {
    bounds: &'static [f64],
    slots: Box<[Mutex<Option<Exemplar>>]>,
}

#[derive(Clone, Copy)]
struct Exemplar {
    span: Sampled,
    value: f64,
    at: SystemTime,
}

impl Exemplars {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, slots: (0..=bounds.len()).map(|_| Mutex::default()).collect() }
    }

    /// Shows this sample until the next of its bucket.
    pub(crate) fn offer(&self, value: f64, span: Sampled) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        match self.slots[bucket].try_lock() {
            Ok(mut slot) => *slot = Some(Exemplar { span, value, at: SystemTime::now() }),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => {}
        }
    }

    /// Writes the exemplar of one bucket, if there is one, as it stands at the end of the bucket's line.
    pub(super) fn write(&self, bucket: usize, out: &mut String) {
        let Some(slot) = self.slots.get(bucket) else { return };
        let Some(Exemplar { span: Sampled { trace_id, span_id }, value, at }) =
            *slot.lock().unwrap_or_else(PoisonError::into_inner)
        else {
            return;
        };
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = write!(
            out,
            " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} {value} {}.{:03}",
            at.as_secs(),
            at.subsec_millis()
        );
    }
}

/// The exemplars of all series, by the head of their buckets' lines in the scrape.
#[derive(Default)]
pub(super) struct ExemplarTable(RwLock<HashMap<String, Arc<Exemplars>>>);

impl ExemplarTable {
    /// Those of one series, the same ones each time that it is registered; `None` when its histogram has none.
    pub(super) fn of(&self, key: &Key) -> Option<Arc<Exemplars>> {
        if !key.name().ends_with(SUFFIX) {
            return None;
        }
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let series = table.entry(head_of_buckets(key));
        Some(series.or_insert_with(|| Arc::new(Exemplars::new(buckets::of(key.name())))).clone())
    }

    /// Those of the series whose buckets' lines begin like this, up to the label `le`.
    pub(super) fn find(&self, head: &str) -> Option<Arc<Exemplars>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(head).cloned()
    }
}

/// How the exporter begins the lines of a histogram's buckets.
fn head_of_buckets(key: &Key) -> String {
    let mut head = format!("{}_bucket{{", key.name());
    for label in key.labels() {
        let value = label.value().replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        let _ = write!(head, "{}=\"{value}\",", label.key());
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(number: u8) -> Sampled {
        Sampled { trace_id: TraceId::from_bytes([number; 16]), span_id: SpanId::from_bytes([number; 8]) }
    }

    fn shown(exemplars: &Exemplars, bucket: usize) -> String {
        let mut out = String::new();
        exemplars.write(bucket, &mut out);
        out
    }

    #[test]
    fn the_latest_sample_of_each_bucket_is_shown() {
        let exemplars = Exemplars::new(&[0.1, 1.0]);
        for (value, number) in [(0.05, 1), (0.1, 2), (0.2, 3), (7.5, 4)] {
            exemplars.offer(value, sampled(number));
        }
        let trace = |number: u8| format!("{number:02x}").repeat(16);
        for (bucket, number, value) in [(0, 2, "0.1"), (1, 3, "0.2"), (2, 4, "7.5")] {
            let expected = format!(
                " # {{trace_id=\"{}\",span_id=\"{}\"}} {value} ",
                trace(number),
                &trace(number)[..16]
            );
            assert!(shown(&exemplars, bucket).starts_with(&expected), "{}", shown(&exemplars, bucket));
        }
        assert_eq!(shown(&exemplars, 3), "", "there are no more buckets");
    }

    #[test]
    fn a_busy_slot_is_left_alone() {
        let exemplars = Exemplars::new(&[1.0]);
        exemplars.offer(0.5, sampled(1));
        let busy = exemplars.slots[0].lock().unwrap();
        exemplars.offer(0.6, sampled(2));
        drop(busy);
        assert!(shown(&exemplars, 0).contains("} 0.5 "));
    }

    #[test]
    fn only_times_have_exemplars_and_a_series_has_them_once() {
        let table = ExemplarTable::default();
        assert!(table.of(&Key::from_name("http_request_size_bytes")).is_none());
        let key = Key::from_parts("wait_seconds", vec![metrics::Label::new("queue", "a \"b\"")]);
        let (first, again) = (table.of(&key).unwrap(), table.of(&key).unwrap());
        assert!(Arc::ptr_eq(&first, &again));
        assert!(Arc::ptr_eq(&first, &table.find(r#"wait_seconds_bucket{queue="a \"b\"","#).unwrap()));
    }
}
