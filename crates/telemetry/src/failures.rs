//! What the log says of requests. A failure of ours is an ERROR and counted once, in the process that failed, with its
//! chain; who passes a peer's failure on says so at WARN, so that its request is found too. The caller's mistakes are
//! only counted, by the status of the answer. Whoever wants a line for each request turns on the access log.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use battlearena_proto::{ErrorKind, Failure, Severity};

use crate::metrics::{CounterVec, Desc, Label, Unit};

/// The target of the lines of the access log: they are no events of a span, which says the same.
pub(crate) const ACCESS: &str = "access";

static LOGS_ACCESS: AtomicBool = AtomicBool::new(false);

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

/// From now on every request that is answered has a line.
pub(crate) fn log_access() {
    LOGS_ACCESS.store(true, Ordering::Relaxed);
}

/// Logs and counts a failure if it is ours, and ignores it otherwise: for background tasks, whose failures nobody is
/// answered. The transports do this by themselves for what they answer.
pub fn report(failure: &Failure) {
    let Some(Fault { fault, chain, is_passed_on, .. }) = Fault::of(failure).inspect(Fault::count) else {
        return;
    };
    match is_passed_on {
        true => tracing::warn!("error.type" = fault.as_str(), error = chain, "a peer failed background work"),
        false => tracing::error!("error.type" = fault.as_str(), error = chain, "background work failed"),
    }
}

/// A failure that is ours, kept until its request is answered.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    fault: OurFault,
    severity: Severity,
    chain: String,
    /// A peer has logged and counted it.
    is_passed_on: bool,
}

/// A request, as the log names it.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The method of HTTP; "gRPC" for a call.
    pub(crate) method: &'a str,
    /// The pattern of the route, or `package.Service/Method`.
    pub(crate) endpoint: &'a str,
    /// The status of HTTP, or the one that a call's failure has there.
    pub(crate) status_code: Option<u16>,
    pub(crate) grpc_code: Option<&'a str>,
    pub(crate) duration: Duration,
    pub(crate) request_id: Option<&'a str>,
}

impl Fault {
    /// The failure, if it is ours.
    pub(crate) fn of(failure: &Failure) -> Option<Self> {
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
            | ErrorKind::ClientClosed => return None,
        };
        Some(Self { fault, severity, chain: failure.chain(), is_passed_on: failure.is_passed_on() })
    }

    /// What an answer that blames us is taken for when it does not say why.
    pub(crate) fn unexplained() -> Self {
        let (fault, severity) = (OurFault::Internal, Severity::Error);
        Self { fault, severity, chain: "no reason is known".to_owned(), is_passed_on: false }
    }

    fn count(&self) {
        if !self.is_passed_on {
            ERRORS.with((self.fault, self.severity)).increment(1);
        }
    }
}

/// Writes the line of a request that has ended: that of its failure, or that of the access log if it is wanted.
pub(crate) fn answered(request: &Request<'_>, fault: Option<&Fault>) {
    if fault.is_none() && !LOGS_ACCESS.load(Ordering::Relaxed) {
        return;
    }
    let Request { method, endpoint, status_code, grpc_code, duration, request_id } = *request;
    // Whole microseconds, as milliseconds.
    let duration_ms = duration.as_micros() as f64 / 1_000.0;
    match fault {
        Some(fault) if fault.is_passed_on => tracing::warn!(
            method,
            endpoint,
            status_code,
            grpc_code,
            duration_ms,
            request_id,
            "error.type" = fault.fault.as_str(),
            error = fault.chain,
            "a peer failed the request"
        ),
        Some(fault) => {
            fault.count();
            tracing::error!(
                method,
                endpoint,
                status_code,
                grpc_code,
                duration_ms,
                request_id,
                "error.type" = fault.fault.as_str(),
                error = fault.chain,
                "request failed"
            );
        }
        None => tracing::info!(
            target: ACCESS,
            method,
            endpoint,
            status_code,
            grpc_code,
            duration_ms,
            request_id,
            "request answered"
        ),
    }
}
