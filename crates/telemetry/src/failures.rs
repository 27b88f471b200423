//! A failure of ours is logged once, where it is answered, with its chain. The caller's mistakes are only counted, by
//! the status of the answer.

use std::sync::LazyLock;

use battlearena_proto::{ErrorKind, Failure, Severity};

use crate::metrics::{CounterVec, Desc, Label, Unit};

crate::label! {
    /// Failures that are the platform's fault.
    enum OurFault {
        Internal = "internal",
        Unavailable = "unavailable",
        DeadlineExceeded = "deadline_exceeded",
    }
}

static ERRORS: LazyLock<CounterVec<(OurFault, Severity)>> = LazyLock::new(|| {
    CounterVec::new(
        &Desc {
            name: "app_errors_total",
            unit: Unit::Count,
            help: "Failures that were the platform's fault, by kind and by how bad that is.",
        },
        ["error_type", "severity"],
    )
});

/// Registers the counter, so that it is there before the first failure.
pub(crate) fn register() {
    LazyLock::force(&ERRORS);
}

/// Logs and counts a failure if it is ours, and ignores it otherwise. The transports do this for what they answer;
/// background tasks call it for what nobody is answered.
pub fn report(failure: &Failure) {
    report_request(failure, None);
}

pub(crate) fn report_request(failure: &Failure, request_id: Option<&str>) {
    let (fault, severity) = match failure.kind() {
        ErrorKind::Internal => (OurFault::Internal, Severity::Error),
        ErrorKind::Unavailable => (OurFault::Unavailable, Severity::Warning),
        ErrorKind::DeadlineExceeded => (OurFault::DeadlineExceeded, Severity::Warning),
        ErrorKind::Malformed
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::Conflict
        | ErrorKind::PayloadTooLarge
        | ErrorKind::UnsupportedMediaType
        | ErrorKind::Invalid
        | ErrorKind::Throttled
        | ErrorKind::ClientClosed => return,
    };
    ERRORS.with((fault, severity)).increment(1);
    tracing::error!("error.type" = fault.as_str(), request_id, error = failure.chain(), "request failed");
}
