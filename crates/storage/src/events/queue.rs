//! What is measured about anything that events wait in.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

/// The instruments of one queue (label `queue`).
pub(crate) struct QueueMetrics {
    depth: Gauge,
    oldest_seconds: Gauge,
    processing_seconds: Histogram,
    dead_letters: Counter,
}

impl QueueMetrics {
    pub(crate) fn new(queue: &'static str) -> Self {
        let dead_letters = metrics::counter!("queue_dead_letters_total", "queue" => queue);
        dead_letters.increment(0);
        Self {
            depth: metrics::gauge!("queue_depth", "queue" => queue),
            oldest_seconds: metrics::gauge!("queue_oldest_seconds", "queue" => queue),
            processing_seconds: metrics::histogram!("queue_processing_duration_seconds", "queue" => queue),
            dead_letters,
        }
    }

    /// How many wait, and for how long the oldest has.
    pub(crate) fn waiting(&self, depth: i64, oldest: Duration) {
        self.depth.set(depth as f64);
        self.oldest_seconds.set(oldest.as_secs_f64());
    }

    pub(crate) fn processed(&self, took: Duration) {
        self.processing_seconds.record(took);
    }

    pub(crate) fn died(&self) {
        self.dead_letters.increment(1);
    }
}
