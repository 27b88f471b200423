//! Answers for requests that no handler takes, in the one error shape.

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpResponse, Route, web};
use battlearena_proto::{ErrorKind, Failure};

use super::{HttpFailure, error_response};

/// The default service of an app: 404.
pub fn not_found() -> Route {
    web::to(|| async { Err::<HttpResponse, _>(HttpFailure(Failure::not_found("no such route"))) })
}

/// The default service of a resource: 405, with the methods that it has (`"GET, POST"`).
pub fn method_not_allowed(allow: &'static str) -> Route {
    web::to(move || async move {
        let message = format!("the route takes {allow}");
        let mut response = error_response(&Failure::new(ErrorKind::MethodNotAllowed, message));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        response
    })
}
