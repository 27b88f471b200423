//! Why a call did not succeed, for HTTP and gRPC alike. What the platform refused, what it could not answer and what
//! it answered in words that this client does not know are three different things: after the first nothing has
//! changed, after the others something may have.

use std::time::Duration;

use battlearena_proto::{ErrorKind, Failure};
use serde::Deserialize;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The platform refused. Nothing has changed, and the same call would be refused again.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer came, however often the call was tried.
    #[error("{fault} ({lost} attempts may have been applied)")]
    Unanswered {
        /// What became of the last attempt.
        fault: Fault,
        /// Attempts without an answer that may have been applied. Zero proves that nothing has changed.
        lost: u32,
    },
    /// An answer that is not in the platform's words. Whether anything has changed is not known.
    #[error("{status}: {why}: {text}")]
    Unreadable {
        /// The HTTP status, or 0 for gRPC.
        status: u16,
        /// What is wrong with it.
        why: String,
        /// The beginning of the answer.
        text: String,
    },
}

impl Error {
    /// What went wrong, from the platform's closed list.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(refusal) => refusal.kind,
            Self::Unanswered { fault, .. } => fault.kind(),
            Self::Unreadable { .. } => ErrorKind::Internal,
        }
    }

    /// Whether what was asked for may have been done all the same.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Unanswered { lost, .. } => *lost > 0,
            Self::Unreadable { .. } => true,
        }
    }
}

/// What the platform says when it refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Refusal {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The same for people.
    pub message: String,
    /// The field of the request that it is about.
    pub field: Option<String>,
    /// The request's name in the platform's log; gRPC has none.
    pub request_id: Option<String>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            kind: failure.kind(),
            message: failure.message().to_owned(),
            field: failure.field().map(str::to_owned),
            request_id: None,
        }
    }
}

/// What an attempt came to that does not count as answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The request never left.
    #[error("no connection")]
    NotConnected,
    /// The connection ended before the answer.
    #[error("connection broken")]
    Broken,
    /// The answer did not come in time.
    #[error("timed out")]
    TimedOut,
    /// The platform cannot answer now. After `throttled` nothing has changed; after anything else the change may have
    /// been made or not, so that only the same request again can tell.
    #[error("{status} {0}", status = .0.http_status())]
    NotNow(ErrorKind),
}

impl Fault {
    /// Whether what was asked for may have been done all the same.
    pub fn may_have_been_applied(self) -> bool {
        !matches!(self, Self::NotConnected | Self::NotNow(ErrorKind::Throttled))
    }

    fn kind(self) -> ErrorKind {
        match self {
            Self::NotConnected | Self::Broken => ErrorKind::Unavailable,
            Self::TimedOut => ErrorKind::DeadlineExceeded,
            Self::NotNow(kind) => kind,
        }
    }
}

/// An attempt that did not count as answered, and when the platform wants to see the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) fault: Fault,
    pub(crate) wait: Option<Duration>,
    /// The HTTP status, when it was told by one.
    pub(crate) status: Option<u16>,
}

impl From<Fault> for Missed {
    fn from(fault: Fault) -> Self {
        Self { fault, wait: None, status: None }
    }
}

/// The error shape of HTTP.
#[derive(Deserialize)]
struct Shape {
    error: Details,
}

#[derive(Deserialize)]
struct Details {
    code: String,
    message: String,
    field: Option<String>,
    request_id: String,
}

/// Reads the error shape; nothing when the body is not in it, or not of this status.
pub(crate) fn refusal(status: u16, body: &[u8]) -> Option<Refusal> {
    let Details { code, message, field, request_id } = serde_json::from_slice::<Shape>(body).ok()?.error;
    let kind = code.parse::<ErrorKind>().ok().filter(|kind| kind.http_status() == status)?;
    let told = !message.is_empty() && !request_id.is_empty();
    told.then_some(Refusal { kind, message, field, request_id: Some(request_id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_from_the_one_shape() {
        let body = br#"{"error":{"code":"invalid","message":"too dear","field":"amount","request_id":"r"}}"#;
        let read = refusal(422, body).unwrap();
        assert_eq!((read.kind, read.field.as_deref()), (ErrorKind::Invalid, Some("amount")));
        assert_eq!(read.to_string(), "invalid: too dear");
        for (status, body) in [
            (404, &body[..]),
            (422, b"{}"),
            (422, b""),
            (422, br#"{"error":{"code":"tired","message":"m","request_id":"r"}}"#),
            (422, br#"{"error":{"code":"invalid","message":"","request_id":"r"}}"#),
            (422, br#"{"error":{"code":"invalid","message":"m","request_id":""}}"#),
        ] {
            assert_eq!(refusal(status, body), None, "{status} {}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_may_have_been_applied_says_so() {
        let kinds = [
            (Fault::NotConnected, false),
            (Fault::Broken, true),
            (Fault::TimedOut, true),
            (Fault::NotNow(ErrorKind::Throttled), false),
            (Fault::NotNow(ErrorKind::Internal), true),
        ];
        for (fault, applied) in kinds {
            assert_eq!(fault.may_have_been_applied(), applied, "{fault}");
        }
        assert_eq!(Fault::NotNow(ErrorKind::Unavailable).to_string(), "503 unavailable");
    }
}
