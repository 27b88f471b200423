//! What every answer tells browsers: to guess no types, to show it in no frame, to keep nothing; and which origins may
//! read it, if any.

use std::time::Duration;

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::{Condition, Next};

/// How long a browser may remember what it was allowed.
const REMEMBERED: Duration = Duration::from_secs(600);

const HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (CACHE_CONTROL, "no-store"),
];

/// What a browser was told over TLS it is not told in the clear: for two years, as lists of such sites ask for.
const ENCRYPTED_FROM_NOW_ON: (HeaderName, &str) = (STRICT_TRANSPORT_SECURITY, "max-age=63072000");

/// The page of the document loads its own parts, whose styles stand in the elements.
pub(super) const POLICY_OF_THE_PAGE: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
     base-uri 'self'; frame-ancestors 'none'";

/// Headers of every answer that has none of its own: the middleware around the guard, whose refusals are errors still.
pub(crate) async fn careful<B: MessageBody>(
    is_encrypted: bool,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    match next.call(request).await {
        Ok(mut response) => {
            complete(response.headers_mut(), is_encrypted);
            Ok(response)
        }
        Err(error) => {
            let mut response = error.error_response();
            complete(response.headers_mut(), is_encrypted);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

fn complete(headers: &mut HeaderMap, is_encrypted: bool) {
    let more = is_encrypted.then_some(ENCRYPTED_FROM_NOW_ON);
    for (name, value) in HEADERS.into_iter().chain(more) {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Lets pages of these origins call the API. Off without any. No cookie is a credential here, so that none is asked for.
pub(crate) fn cors(origins: &[String]) -> Condition<Cors> {
    let cors = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors
        .allowed_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE])
        .allowed_header("idempotency-key")
        .allowed_header("traceparent")
        .expose_headers([RETRY_AFTER])
        .expose_headers(["x-request-id", "x-trace-id"])
        .max_age(REMEMBERED.as_secs() as usize);
    Condition::new(!origins.is_empty(), cors)
}
