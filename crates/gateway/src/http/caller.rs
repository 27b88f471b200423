//! Who calls. Every handler takes a [`Caller`], so that no route can be forgotten once callers need a credential.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use battlearena_proto::Failure;
use battlearena_telemetry::http::HttpFailure;

use crate::AuthMode;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody: open mode asks for nothing.
    Anyone,
}

impl FromRequest for Caller {
    type Error = HttpFailure;
    type Future = Ready<Result<Self, HttpFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.app_data::<web::Data<AuthMode>>().map(|mode| ***mode) {
            Some(AuthMode::Open) => Ok(Self::Anyone),
            None => Err(Failure::internal("the app has no auth mode").into()),
        })
    }
}
