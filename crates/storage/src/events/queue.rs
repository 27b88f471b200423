//! What is measured about anything that events or messages wait in.

use std::time::{Duration, Instant};

use battlearena_telemetry::metrics::{Counter, Desc, Gauge, HTTP_SECONDS, Histogram, Unit};
use tracing::Span;

/// The instruments of one queue (label `queue`).
pub struct QueueMetrics {
    depth: Gauge,
    oldest_seconds: Gauge,
    processing_seconds: Histogram,
    dead_letters: Counter,
}

impl QueueMetrics {
    /// Registers them at zero.
    pub fn new(queue: &'static str) -> Self {
        let desc = |name, unit, help| Desc { name, unit, help };
        let depth = desc("queue_depth", Unit::Count, "What waits in a queue: events, messages, work.");
        let oldest =
            desc("queue_oldest_seconds", Unit::Seconds, "How long the oldest of those that wait has waited.");
        let processing = desc(
            "queue_processing_duration_seconds",
            Unit::Seconds,
            "Time to work off a batch of a queue, failed or not.",
        );
        let dead =
            desc("queue_dead_letters_total", Unit::Count, "Events that were given up after several tries.");
        Self {
            depth: Gauge::of(&depth, "queue", queue),
            oldest_seconds: Gauge::of(&oldest, "queue", queue),
            processing_seconds: Histogram::of(&processing, HTTP_SECONDS, "queue", queue),
            dead_letters: Counter::of(&dead, "queue", queue),
        }
    }

    /// How many wait, and for how long the oldest has.
    pub fn waiting(&self, depth: i64, oldest: Duration) {
        self.depth.set(depth as f64);
        self.oldest_seconds.set(oldest.as_secs_f64());
    }

    /// A batch was worked on since then, in that span, whatever came of it.
    pub fn processed(&self, span: &Span, began: Instant) {
        self.processing_seconds.record_in(span, began.elapsed().as_secs_f64());
    }

    pub(crate) fn died(&self) {
        self.dead_letters.increment(1);
    }
}
