//! The gatekeeper in front of a gRPC server: a layer inside telemetry's, and the caller of a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, Request, Response};
use battlearena_proto::Failure;
use battlearena_telemetry::grpc::status;
use battlearena_tls::Peer;
use futures::future::BoxFuture;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::caller::Caller;
use crate::gatekeeper::{Call, Gatekeeper};
use crate::policy::Door;

/// The layer; for `tonic::transport::Server::layer`, after telemetry's, so that it is the next inner one.
#[derive(Debug, Clone)]
pub struct GuardLayer(Arc<Gatekeeper>);

impl GuardLayer {
    /// Asks this gatekeeper.
    pub fn new(gatekeeper: Arc<Gatekeeper>) -> Self {
        Self(gatekeeper)
    }
}

/// Who sent a request.
///
/// # Errors
/// `internal`: no guard stands in front of the method.
pub fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Failure> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Failure::internal("no guard stands in front of the method"))
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, gatekeeper: self.0.clone() }
    }
}

/// [`GuardLayer`] in front of a service.
#[derive(Debug, Clone)]
pub struct GuardService<S> {
    inner: S,
    gatekeeper: Arc<Gatekeeper>,
}

impl<S> Service<Request<Body>> for GuardService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that was found ready is used, and its clone gets ready for the next call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let gatekeeper = self.gatekeeper.clone();
        Box::pin(async move {
            let method = request.uri().path().trim_start_matches('/').to_owned();
            let call = Call {
                door: Door::Rpc(&method),
                authorization: authorization(request.headers()),
                address: address(&gatekeeper, &request),
            };
            let admitted = match gatekeeper.admit(call).await {
                Ok(admitted) => admitted,
                Err(failure) => return Ok(status(failure).into_http()),
            };
            request.extensions_mut().insert(admitted.caller.clone());
            // A stream gives its place back once it has begun: it may last for days.
            let answer = inner.call(request).await;
            drop(admitted);
            answer
        })
    }
}

/// The one `authorization` header, as [`Call`] takes it.
fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next()?;
    if values.next().is_some() { Some("") } else { Some(first.to_str().unwrap_or_default()) }
}

fn address(gatekeeper: &Gatekeeper, request: &Request<Body>) -> Option<IpAddr> {
    let peer = request.extensions().get::<Peer>()?.address?.ip();
    let forwarded = request.headers().get_all("x-forwarded-for").iter();
    Some(gatekeeper.address_rules().client(peer, forwarded))
}
