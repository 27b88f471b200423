//! A failure as an HTTP answer. The caller reads what a failure says of itself; its causes go to the log, and only if
//! the fault is ours.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use battlearena_proto::{ErrorKind, Failure};
use serde_json::json;

use super::RequestId;
use crate::failures::Fault;

/// A failure that a handler returns with `?`.
#[derive(Debug)]
pub struct HttpFailure(pub Failure);

impl From<Failure> for HttpFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl std::fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for HttpFailure {
    fn status_code(&self) -> StatusCode {
        status(&self.0)
    }

    fn error_response(&self) -> HttpResponse {
        error_response(&self.0)
    }
}

/// In the extensions of a response: this answer is what the service decided, as when it drains or sheds load. Even a 503
/// is then no fault of ours: it has no line in the log, and is counted as an answer only.
#[derive(Debug, Clone, Copy)]
pub struct Deliberate;

/// The answer to a failed request: `{"error": {"code", "message", "field"?, "request_id"}}`, with `Retry-After` in
/// seconds where the failure says when to try again. A failure of ours goes along to the middleware, which logs it.
pub fn error_response(failure: &Failure) -> HttpResponse {
    let id = RequestId::current();
    let mut error = json!({
        "code": failure.kind().as_str(),
        "message": failure.message(),
        "request_id": id.as_str(),
    });
    if let Some(field) = failure.field() {
        error["field"] = field.into();
    }
    let mut response = HttpResponse::build(status(failure));
    if let Some(wait) = failure.retry_after() {
        // Whole seconds, rounded up: who comes back on time must not come too early.
        response.insert_header((RETRY_AFTER, wait.as_millis().div_ceil(1000).to_string()));
    }
    if failure.kind() == ErrorKind::Unauthenticated {
        response.insert_header((WWW_AUTHENTICATE, "Bearer"));
    }
    let mut response = response.json(json!({ "error": error }));
    if let Some(fault) = Fault::of(failure) {
        response.extensions_mut().insert(fault);
    }
    response
}

fn status(failure: &Failure) -> StatusCode {
    // Every kind has a status between 400 and 599.
    StatusCode::from_u16(failure.kind().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::body::to_bytes;
    use battlearena_proto::ErrorKind;

    use super::*;

    #[actix_web::test]
    async fn the_shape_is_always_the_same() {
        let failure =
            Failure::invalid("amount", "must be positive").with_retry_after(Duration::from_millis(1_001));
        let response = error_response(&failure);
        assert_eq!(response.status().as_u16(), 422);
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "2");
        let body: serde_json::Value =
            serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
        let error = body["error"].as_object().unwrap();
        assert_eq!(error["code"], "invalid");
        assert_eq!(error["message"], "must be positive");
        assert_eq!(error["field"], "amount");
        assert_eq!(error["request_id"].as_str().unwrap().len(), 32);
        assert_eq!(error.len(), 4);
    }

    #[test]
    fn every_kind_has_its_own_status() {
        for kind in ErrorKind::ALL {
            assert_eq!(status(&Failure::new(*kind, "")).as_u16(), kind.http_status());
        }
    }
}
