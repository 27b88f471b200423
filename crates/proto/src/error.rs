//! The one error that leaves a service, and its one mapping to HTTP status, gRPC code, JSON code and metric label.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Every way in which a request can fail. Closed: each transport and each metric knows all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request could not be read at all (not JSON, a broken frame).
    Malformed,
    /// Nobody is logged in.
    Unauthenticated,
    /// Logged in, but not allowed.
    Forbidden,
    /// The thing, or the route, does not exist.
    NotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// The state of things does not allow it.
    Conflict,
    /// The body is larger than allowed.
    PayloadTooLarge,
    /// The content type is not one that the route takes.
    UnsupportedMediaType,
    /// Readable, but a field is missing, of the wrong type or out of range.
    Invalid,
    /// Too many requests.
    Throttled,
    /// The caller went away before the answer.
    ClientClosed,
    /// Our fault.
    Internal,
    /// Something that the request needs is down.
    Unavailable,
    /// The time allowed ran out. The change may have happened or not: retry with the same idempotency key.
    DeadlineExceeded,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::Throttled,
        Self::ClientClosed,
        Self::Internal,
        Self::Unavailable,
        Self::DeadlineExceeded,
    ];

    /// The `code` of an error answer, the `reason` of gRPC's `ErrorInfo` and the `error_type` of metrics and spans.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status (499 is nginx's "client closed request").
    pub const fn http_status(self) -> u16 {
        self.row().1
    }

    /// The gRPC code.
    pub const fn grpc_code(self) -> Code {
        self.row().2
    }

    /// Whether it is the platform's fault, and not the caller's.
    pub const fn is_ours(self) -> bool {
        self.http_status() >= 500
    }

    const fn row(self) -> (&'static str, u16, Code) {
        match self {
            Self::Malformed => ("malformed", 400, Code::InvalidArgument),
            Self::Unauthenticated => ("unauthenticated", 401, Code::Unauthenticated),
            Self::Forbidden => ("forbidden", 403, Code::PermissionDenied),
            Self::NotFound => ("not_found", 404, Code::NotFound),
            Self::MethodNotAllowed => ("method_not_allowed", 405, Code::Unimplemented),
            Self::Conflict => ("conflict", 409, Code::FailedPrecondition),
            Self::PayloadTooLarge => ("payload_too_large", 413, Code::OutOfRange),
            Self::UnsupportedMediaType => ("unsupported_media_type", 415, Code::InvalidArgument),
            Self::Invalid => ("invalid", 422, Code::InvalidArgument),
            Self::Throttled => ("throttled", 429, Code::ResourceExhausted),
            Self::ClientClosed => ("client_closed", 499, Code::Cancelled),
            Self::Internal => ("internal", 500, Code::Internal),
            Self::Unavailable => ("unavailable", 503, Code::Unavailable),
            Self::DeadlineExceeded => ("deadline_exceeded", 504, Code::DeadlineExceeded),
        }
    }

    /// The kind of a status that carries no `ErrorInfo` of ours: made by a gRPC library or a proxy.
    const fn of_grpc_code(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::Forbidden,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => Self::Conflict,
            Code::ResourceExhausted => Self::Throttled,
            Code::Unavailable => Self::Unavailable,
            // Only our own deadline cancels a call that we make.
            Code::DeadlineExceeded | Code::Cancelled => Self::DeadlineExceeded,
            Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
                Self::Internal
            }
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ErrorKind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word).ok_or(())
    }
}

/// A failed request, ready to be answered: what the caller may know, and (as `source`) what only the log may.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    kind: ErrorKind,
    message: String,
    field: Option<String>,
    retry_after: Option<Duration>,
    is_passed_on: bool,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The `domain` of gRPC's `ErrorInfo`.
const DOMAIN: &str = "battlearena";

impl Failure {
    /// A failure with a message for the caller.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            field: None,
            retry_after: None,
            is_passed_on: false,
            source: None,
        }
    }

    /// A field of the request is missing, of the wrong type or out of range.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(ErrorKind::Invalid, message) }
    }

    /// The thing does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The state of things does not allow it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Our fault: the cause is logged, the caller learns nothing of it.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(cause.into()), ..Self::new(ErrorKind::Internal, "internal error") }
    }

    /// Something that the request needs is down; `what` is shown to the caller.
    pub fn unavailable(what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = format!("{what} is not available, try again");
        Self { source: Some(cause.into()), ..Self::new(ErrorKind::Unavailable, message) }
    }

    /// The time allowed ran out.
    pub fn deadline_exceeded() -> Self {
        Self::new(ErrorKind::DeadlineExceeded, "the time allowed for the request ran out")
    }

    /// Names the field that the failure is about.
    #[must_use]
    pub fn with_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// What went wrong, from the closed list.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the caller is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Which field of the request it is about.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether another service of ours answered so. It knows the causes, and has logged and counted the failure.
    pub fn is_passed_on(&self) -> bool {
        self.is_passed_on
    }

    /// The failure and its causes in one line, for the log.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and its causes in one line, for logs.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// Encodes with `google.rpc.ErrorInfo` (reason: the kind) and `BadRequest` (the field), without the cause.
impl From<&Failure> for Status {
    fn from(failure: &Failure) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            failure.kind.as_str(),
            DOMAIN,
            [("field", failure.field.as_deref().unwrap_or(""))].map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        if let Some(field) = &failure.field {
            details.add_bad_request_violation(field, &failure.message);
        }
        if let Some(wait) = failure.retry_after {
            details.set_retry_info(Some(wait));
        }
        Self::with_error_details(failure.kind.grpc_code(), &failure.message, details)
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        Self::from(&failure)
    }
}

/// Decodes what a service answered over gRPC. Statuses that are not ours keep their text as the cause only.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let ours = details
            .error_info()
            .filter(|info| info.domain == DOMAIN)
            .and_then(|info| Some((info.reason.parse().ok()?, info.metadata.get("field").cloned())));
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        match ours {
            Some((kind, field)) => Self {
                kind,
                message: status.message().to_owned(),
                field: field.filter(|field| !field.is_empty()),
                retry_after,
                is_passed_on: true,
                source: None,
            },
            None => Self::of_foreign_status(status),
        }
    }
}

impl Failure {
    fn of_foreign_status(status: Status) -> Self {
        match ErrorKind::of_grpc_code(status.code()) {
            ErrorKind::DeadlineExceeded => {
                Self { source: Some(Box::new(status)), ..Self::deadline_exceeded() }
            }
            ErrorKind::Unavailable => Self::unavailable("a service", status),
            ErrorKind::Internal => Self::internal(status),
            kind => Self::new(kind, status.message().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_grpc() {
        for kind in ErrorKind::ALL {
            let failure = Failure::new(*kind, "why").with_field("amount");
            let back = Failure::from(Status::from(&failure));
            assert_eq!((back.kind(), back.message(), back.field()), (*kind, "why", Some("amount")));
            assert!(back.is_passed_on() && !failure.is_passed_on());
        }
    }

    #[test]
    fn the_cause_stays_at_home() {
        let failure = Failure::internal(std::io::Error::other("secret host name"));
        assert_eq!(failure.chain(), "internal: internal error: secret host name");
        assert!(!format!("{:?}", Status::from(&failure)).contains("secret"));
    }

    #[test]
    fn foreign_statuses_are_understood() {
        let unreachable = Failure::from(Status::unavailable("tcp connect error"));
        assert_eq!((unreachable.kind(), unreachable.is_passed_on()), (ErrorKind::Unavailable, false));
        assert_eq!(Failure::from(Status::cancelled("Timeout expired")).kind(), ErrorKind::DeadlineExceeded);
    }
}
