//! What every answer tells browsers: to guess no types, to show it in no frame, to keep nothing.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;

const HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (CACHE_CONTROL, "no-store"),
];

/// What a browser was told over TLS it is not told in the clear: for two years, as lists of such sites ask for.
const ENCRYPTED_FROM_NOW_ON: (HeaderName, &str) = (STRICT_TRANSPORT_SECURITY, "max-age=63072000");

/// Headers of every answer that has none of its own: a middleware around what may refuse, whose refusals are errors
/// still.
///
/// # Errors
/// Those of the application, completed.
pub async fn careful<B: MessageBody>(
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
