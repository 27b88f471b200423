//! The instruments of this crate that more than one module counts with.

use battlearena_telemetry::metrics::{Counter, CounterVec, Desc, Unit};

use crate::token::{Refusal, RefusalReason};

/// Credentials that were refused.
pub(crate) struct Refusals(CounterVec<RefusalReason>);

impl Refusals {
    pub(crate) fn new() -> Self {
        let desc = Desc {
            name: "credential_refusals_total",
            unit: Unit::Count,
            help: "Access tokens and service keys that were refused, by reason.",
        };
        Self(CounterVec::new(&desc, ["reason"]))
    }

    pub(crate) fn count(&self, refusal: Refusal) {
        self.0.with(refusal.reason()).increment(1);
    }
}

/// Requests that were turned away at once, because there was too much to do already.
pub(crate) fn shed() -> Counter {
    Counter::new(&Desc {
        name: "requests_shed_total",
        unit: Unit::Count,
        help: "Requests turned away at once because as many as allowed were being served or waiting.",
    })
}
