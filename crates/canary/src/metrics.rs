//! The instruments of the canary.

use std::time::Duration;

use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{CounterVec, Desc, HTTP_SECONDS, HistogramVec, Unit};

label! {
    /// What is tried.
    pub(crate) enum Check {
        Login = "login",
        Match = "match",
        Chat = "chat",
    }
}

label! {
    /// What came of it.
    pub(crate) enum Outcome {
        Ok = "ok",
        Failed = "failed",
    }
}

/// Every series is there from the start, at zero: a first failure would not be seen otherwise.
#[derive(Clone)]
pub(crate) struct Metrics {
    checks: CounterVec<(Check, Outcome)>,
    duration: HistogramVec<Check>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let checks = Desc {
            name: "canary_checks_total",
            unit: Unit::Count,
            help: "What the synthetic player tried, by what came of it.",
        };
        let duration = Desc {
            name: "canary_check_duration_seconds",
            unit: Unit::Seconds,
            help: "Time that the synthetic player took for it, also where it failed or was given up.",
        };
        Self {
            checks: CounterVec::new(&checks, ["check", "outcome"]),
            duration: HistogramVec::new(&duration, ["check"], HTTP_SECONDS),
        }
    }

    pub(crate) fn checked(&self, check: Check, outcome: Outcome, took: Duration) {
        self.checks.with((check, outcome)).increment(1);
        self.duration.with(check).record_duration(took);
    }
}
