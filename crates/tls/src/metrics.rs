//! What is measured about TLS.

use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{CounterVec, Desc, Gauge, Unit};

use crate::current::Loaded;

label! {
    /// How reading the files again ended.
    pub(crate) enum Outcome {
        Ok = "ok",
        Failed = "failed",
    }
}

label! {
    /// Why a handshake came to nothing.
    pub(crate) enum HandshakeFailure {
        Refused = "refused",
        Timeout = "timeout",
        Throttled = "throttled",
    }
}

#[derive(Clone)]
pub(crate) struct Metrics {
    /// None without a certificate: a time of zero would read as expired.
    expiry: Option<Gauge>,
    reloads: CounterVec<Outcome>,
    handshakes: CounterVec<HandshakeFailure>,
}

impl Metrics {
    pub(crate) fn new(loaded: &Loaded) -> Self {
        let expiry = Desc {
            name: "tls_certificate_expiry_seconds",
            unit: Unit::Seconds,
            help: "Unix time at which the first certificate of this process's chain expires; absent without one.",
        };
        let expiry = if loaded.has_certificate() {
            Some(Gauge::new(&expiry))
        } else {
            Gauge::describe(&expiry);
            None
        };
        let reloads = Desc {
            name: "tls_reloads_total",
            unit: Unit::Count,
            help: "Changed certificate files that were read, by outcome; failed ones are tried again and again.",
        };
        let handshakes = Desc {
            name: "tls_handshake_failures_total",
            unit: Unit::Count,
            help: "Handshakes of callers that came to nothing: refused by either side, not in time, or too many at \
                   once from one address.",
        };
        Self {
            expiry,
            reloads: CounterVec::new(&reloads, ["outcome"]),
            handshakes: CounterVec::new(&handshakes, ["reason"]),
        }
    }

    pub(crate) fn observe(&self, loaded: &Loaded) {
        if let (Some(gauge), Some(expires)) = (&self.expiry, loaded.expires()) {
            gauge.set(expires.as_duration().as_secs_f64());
        }
    }

    pub(crate) fn reloaded(&self, outcome: Outcome) {
        self.reloads.with(outcome).increment(1);
    }

    pub(crate) fn handshake_failed(&self, failure: HandshakeFailure) {
        self.handshakes.with(failure).increment(1);
    }
}
