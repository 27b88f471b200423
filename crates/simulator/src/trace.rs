//! The span with which an operation's trace begins, and what it says of the outcome. Costs next to nothing where nobody
//! exports spans.

use battlearena_client::{Delivery, Error};
use tracing::Span;

/// Begins the trace of an operation: a root span of kind client, with the fields given.
macro_rules! operation_span {
    ($name:literal $(, $($fields:tt)+)?) => {
        tracing::info_span!(
            parent: None,
            $name,
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            simulation.outcome = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
            "error.type" = tracing::field::Empty,
            $($($fields)+)?
        )
    };
}
pub(crate) use operation_span;

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It took place.
    Ok,
    /// The platform refused it, rightly or not.
    Refused,
    /// It did not take place, and should have.
    Failed,
    /// It may have taken place.
    Unknown,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Writes the outcome of a request into its span. It is no error when it is what was `expected`, be it a refusal.
pub(crate) fn conclude<A>(span: &Span, delivery: &Delivery<A>, expected: bool, unknown: bool) {
    if let Some(status) = delivery.status {
        span.record("http.response.status_code", status);
    }
    let outcome = match &delivery.result {
        _ if unknown => Outcome::Unknown,
        Err(Error::Refused(_)) => Outcome::Refused,
        _ if expected => Outcome::Ok,
        _ => Outcome::Failed,
    };
    let error_type = match &delivery.result {
        Ok(_) if expected => None,
        Ok(_) => Some("unexpected_answer"),
        Err(Error::Unreadable { .. }) => Some("unreadable_answer"),
        Err(error) => Some(error.kind().as_str()),
    };
    conclude_as(span, outcome, error_type, expected);
}

/// Writes an outcome into a span, with the reason when it is not the usual one. It is an error unless it was `expected`.
pub(crate) fn conclude_as(span: &Span, outcome: Outcome, error_type: Option<&str>, expected: bool) {
    span.record("simulation.outcome", outcome.as_str());
    if let Some(error_type) = error_type {
        span.record("error.type", error_type);
    }
    if !expected {
        span.record("otel.status_code", "ERROR");
    }
}
