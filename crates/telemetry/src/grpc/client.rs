//! The channel on which clients are built: `EventLogServiceClient::new(channel)`. A unary call takes at most what the
//! current request has left, whatever the peer does; a stream takes as long as it takes.

use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;

use battlearena_proto::Failure;
use battlearena_runtime::{Deadline, deadline};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, Request, Response, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use tracing::{Instrument as _, Span};

use super::body::{MeasuredBody, counted};
use super::call::{Call, HeadersMut, Peer};
use super::methods::{CLIENT, Shape};
use crate::trace;

/// A connection attempt that takes longer has failed; the next call tries again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often an idle connection is checked, and how long the peer may take: a dead peer is noticed within seven
/// seconds, also by a stream that waits for its next message.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(2));

/// A measured, traced and bounded channel. Clones share the connection.
#[derive(Debug, Clone)]
pub struct InstrumentedChannel {
    channel: Channel,
    peer: Peer,
    credential: Option<HeaderValue>,
}

/// A channel to `uri` (`http://host:port`), which connects with the first call and again after a loss. It is driven by
/// the runtime that this is called on: the main one, which outlives the workers of actix.
///
/// # Errors
/// `uri` is not one.
pub fn connect(uri: &str) -> Result<InstrumentedChannel, tonic::transport::Error> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    Ok(connect_by(Endpoint::from_shared(uri.to_owned())?, tcp))
}

/// The same by a connector of the caller's, which knows more ways than TCP. Connecting is bounded all the same.
pub fn connect_by<C>(endpoint: Endpoint, connector: C) -> InstrumentedChannel
where
    C: Service<Uri> + Send + 'static,
    C::Response: Read + Write + Send + Unpin,
    C::Future: Send,
    Box<dyn Error + Send + Sync>: From<C::Error>,
{
    let (interval, timeout) = KEEP_ALIVE;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .keep_alive_while_idle(true);
    let uri = endpoint.uri();
    let peer = Peer { address: uri.host().unwrap_or_default().into(), port: uri.port_u16().unwrap_or(80) };
    InstrumentedChannel { channel: endpoint.connect_with_connector_lazy(connector), peer, credential: None }
}

impl InstrumentedChannel {
    /// Registers the methods of these services (`package.Service`) at zero.
    #[must_use]
    pub fn with_services(self, services: &[&str]) -> Self {
        services.iter().for_each(|service| CLIENT.register(service));
        self
    }

    /// Sends this `authorization` with every call. Marked as sensitive, it is shown by no log and no table of HTTP/2.
    #[must_use]
    pub fn with_credential(mut self, mut credential: Option<HeaderValue>) -> Self {
        if let Some(value) = &mut credential {
            value.set_sensitive(true);
        }
        self.credential = credential;
        self
    }
}

impl Service<Request<Body>> for InstrumentedChannel {
    type Response = Response<MeasuredBody>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    /// Always ready: waiting for a place in the channel's queue is part of the call, so that the deadline bounds it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = CLIENT.find(request.uri().path());
        let mut call = Call::made(&CLIENT, method, &self.peer);
        let mut request = counted(request, &call);
        if let Some(credential) = &self.credential {
            request.headers_mut().insert(AUTHORIZATION, credential.clone());
        }
        let channel = self.channel.clone();
        if method.shape == Shape::Stream {
            trace::inject(&Span::current(), &mut HeadersMut(request.headers_mut()));
            return async move {
                let answer =
                    channel.oneshot(request).await.map_err(|error| ended(&mut call, of_transport(error)))?;
                Ok(MeasuredBody::wrap(answer, call, None))
            }
            .boxed();
        }
        trace::inject(call.span(), &mut HeadersMut(request.headers_mut()));
        let left = deadline::remaining();
        set_timeout(request.headers_mut(), left);
        let allowed = Deadline::after(left);
        let span = call.span().clone();
        let work = async move {
            let answer = match tokio::time::timeout_at(allowed.instant(), channel.oneshot(request)).await {
                Ok(answer) => answer.map_err(|error| in_time(of_transport(error))),
                Err(_elapsed) => Err(Failure::deadline_exceeded().into()),
            };
            let answer = answer.map_err(|status| ended(&mut call, status))?;
            let deadline = Box::pin(tokio::time::sleep_until(allowed.instant()));
            Ok(MeasuredBody::wrap(answer, call, Some(deadline)))
        };
        work.instrument(span).boxed()
    }
}

/// Tells the peer how long the answer is of use.
fn set_timeout(headers: &mut HeaderMap, left: Duration) {
    if let Ok(value) = HeaderValue::try_from(deadline::format_grpc_timeout(left)) {
        headers.insert("grpc-timeout", value);
    }
}

fn ended(call: &mut Call, status: Status) -> Status {
    call.end(status.code());
    status
}

/// The status for a call that the transport could not make: refused, broken off, timed out.
fn of_transport(error: tonic::transport::Error) -> Status {
    Status::from_error(Box::new(error))
}

/// Tonic has a timer of its own for the timeout that we sent; when it is first, it says "cancelled".
fn in_time(status: Status) -> Status {
    match status.code() {
        Code::Cancelled => Failure::deadline_exceeded().into(),
        _ => status,
    }
}
