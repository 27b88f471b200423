//! What the page of the document may load, and which origins may read answers, if any.

use std::time::Duration;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use actix_web::middleware::Condition;

/// How long a browser may remember what it was allowed.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The page of the document loads its own parts, whose styles stand in the elements.
pub(super) const POLICY_OF_THE_PAGE: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
     base-uri 'self'; frame-ancestors 'none'";

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
