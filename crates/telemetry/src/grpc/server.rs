//! The layer around every method that a server answers.

use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::Duration;

use battlearena_proto::Failure;
use battlearena_runtime::{Deadline, deadline};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::body::{MeasuredBody, counted};
use super::call::{Call, Headers};
use super::methods::{SERVER, Shape};
use super::status;
use crate::trace;

/// How much earlier than its caller a method gives up. Tonic has a timer of its own for the same header, which would
/// win a draw and hide the answer; and the caller should hear it in time.
const HEAD_START: Duration = Duration::from_millis(2);

/// The layer; for `tonic::transport::Server::layer`.
#[derive(Debug, Clone, Copy)]
pub struct ServerLayer(());

/// Measures, traces and bounds every unary call, and counts streams.
pub fn server_layer() -> ServerLayer {
    ServerLayer(())
}

impl ServerLayer {
    /// Registers the methods of these services (`package.Service`) at zero.
    #[must_use]
    pub fn with_services(self, services: &[&str]) -> Self {
        services.iter().for_each(|service| SERVER.register(service));
        self
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerService { inner }
    }
}

/// [`ServerLayer`] around a service.
#[derive(Debug, Clone)]
pub struct ServerService<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for ServerService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response<MeasuredBody>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = SERVER.find(request.uri().path());
        let call = Call::served(&SERVER, method, request.headers().contains_key("traceparent"));
        trace::set_parent_from(call.span(), &Headers(request.headers()), false);
        let allowed = Deadline::after(allowed_time(request.headers()));
        let answer = self.inner.call(counted(request, &call));
        match method.shape {
            Shape::Stream => async move {
                let answer = call.scope(unbroken(answer)).await;
                Ok(MeasuredBody::wrap(answer?, call, None))
            }
            .boxed(),
            Shape::Unary | Shape::Probe => {
                let span = call.span().clone();
                async move {
                    let answer = call.scope(deadline::scope(allowed, within(answer, allowed)));
                    let answer = answer.instrument(span).await;
                    Ok(MeasuredBody::wrap(answer?, call, None))
                }
                .boxed()
            }
        }
    }
}

/// The answer of a method, or the status for one that does not answer.
async fn within<E>(
    work: impl Future<Output = Result<Response<Body>, E>>,
    allowed: Deadline,
) -> Result<Response<Body>, E> {
    match allowed.bound(unbroken(work)).await {
        Some(answer) => answer,
        None => Ok(status(Failure::deadline_exceeded()).into_http()),
    }
}

/// The answer of a method, or the status for one that panics.
async fn unbroken<E>(work: impl Future<Output = Result<Response<Body>, E>>) -> Result<Response<Body>, E> {
    // The method's state is dropped with it: nobody sees what a panic left half changed.
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(answer) => answer,
        Err(_panic) => Ok(status(Failure::internal("the method panicked")).into_http()),
    }
}

fn allowed_time(headers: &HeaderMap) -> Duration {
    let header = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    let allowed = header.and_then(deadline::parse_grpc_timeout);
    allowed.map_or(deadline::DEFAULT, |allowed| allowed.saturating_sub(HEAD_START))
}
