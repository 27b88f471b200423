//! The gatekeeper in front of an actix app: the middleware [`Guard`], and [`Caller`] as an argument of handlers.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_telemetry::http::{HttpFailure, error_response};
use futures::future::LocalBoxFuture;

use crate::caller::Caller;
use crate::gatekeeper::{Call, Gatekeeper};
use crate::policy::{Door, TABLE};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The middleware. Wrap the app with it right before `Instrument`, so that it is the next inner one. What it does not
/// let in reaches no handler, and neither does a path that no route has: the answer 404 is the guard's own.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Gatekeeper>);

impl Guard {
    /// Asks this gatekeeper.
    pub fn new(gatekeeper: Arc<Gatekeeper>) -> Self {
        Self(gatekeeper)
    }
}

impl<S, B> Transform<S, ServiceRequest> for Guard
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = GuardService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(GuardService { service: Rc::new(service), gatekeeper: self.0.clone() }))
    }
}

/// [`Guard`] in front of the routes of one worker.
pub struct GuardService<S> {
    service: Rc<S>,
    gatekeeper: Arc<Gatekeeper>,
}

impl<S, B> Service<ServiceRequest> for GuardService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, gatekeeper) = (self.service.clone(), self.gatekeeper.clone());
        Box::pin(async move {
            let Some(pattern) = pattern(&request) else {
                return Err(HttpFailure(Failure::not_found("no such route")).into());
            };
            let door = Door::Http(request.method().as_str(), &pattern);
            if let (None, Some(refusal)) = (gatekeeper.policy().access(door), other_methods(&pattern)) {
                return Err(refusal);
            }
            let address = address(&gatekeeper, &request);
            let call = Call { door, authorization: authorization(request.headers()), address };
            let admitted = gatekeeper.admit(call).await.map_err(HttpFailure)?;
            request.extensions_mut().insert(admitted.caller.clone());
            let answer = service.call(request).await;
            drop(admitted);
            answer
        })
    }
}

impl FromRequest for Caller {
    type Error = HttpFailure;
    type Future = Ready<Result<Self, HttpFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| Failure::internal("no guard stands in front of the handler").into()))
    }
}

/// The address of the client that sent a request, behind as many proxies as are trusted; for limits of a handler's own.
pub fn client_address(gatekeeper: &Gatekeeper, request: &HttpRequest) -> Option<std::net::IpAddr> {
    let forwarded = request.headers().get_all(X_FORWARDED_FOR);
    let peer = request.peer_addr()?.ip();
    Some(gatekeeper.address_rules().client(peer, forwarded))
}

/// The pattern of the route, found by the path that routing will use: the decoded one. Before routing,
/// `request.match_pattern()` looks at the path as it was sent, and finds none for `/%61pi`.
fn pattern(request: &ServiceRequest) -> Option<String> {
    request.resource_map().match_pattern(request.match_info().as_str())
}

fn address(gatekeeper: &Gatekeeper, request: &ServiceRequest) -> Option<std::net::IpAddr> {
    client_address(gatekeeper, request.request())
}

/// The one `authorization` header, as [`Call`] takes it.
fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION);
    let first = values.next()?;
    if values.next().is_some() { Some("") } else { Some(first.to_str().unwrap_or_default()) }
}

/// The answer 405 for a path that the table knows by other methods; a path that it does not know at all is closed.
fn other_methods(pattern: &str) -> Option<Error> {
    let methods: Vec<&str> = TABLE
        .iter()
        .filter_map(|entry| match entry.door {
            Door::Http(method, path) if path == pattern => Some(method),
            Door::Http(..) | Door::Rpc(_) | Door::Socket(_) => None,
        })
        .collect();
    if methods.is_empty() {
        return None;
    }
    let allow = methods.join(", ");
    let failure = Failure::new(ErrorKind::MethodNotAllowed, format!("the route takes {allow}"));
    let mut response = error_response(&failure);
    if let Ok(value) = HeaderValue::from_str(&allow) {
        response.headers_mut().insert(ALLOW, value);
    }
    Some(InternalError::from_response(HttpFailure(failure), response).into())
}
