//! One call from one side, counted and timed when it is dropped: as cancelled, unless its end was seen.

use std::sync::Arc;
use std::time::Instant;

use battlearena_proto::Failure;
use http::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector};
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;

use super::framing::Messages;
use super::methods::{Method, Shape, Side, code_label, code_name};
use crate::failures::{self, Fault, Request};

/// A call in progress.
pub(super) struct Call {
    side: &'static Side,
    span: Span,
    is_served: bool,
    known: Known,
    code: Code,
}

/// What a log line says of a call.
#[derive(Clone, Copy)]
struct Known {
    method: &'static Method,
    began: Instant,
}

impl Known {
    fn request(&self, code: Code, status_code: Option<u16>) -> Request<'static> {
        Request {
            method: "gRPC",
            endpoint: &self.method.full_name,
            status_code,
            grpc_code: Some(code_label(code)),
            duration: self.began.elapsed(),
            request_id: None,
        }
    }
}

tokio::task_local! {
    /// The call that is answered here.
    static SERVED: Known;
}

/// Where a client's calls go.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: Arc<str>,
    pub(super) port: u16,
}

impl Call {
    /// A call that this process answers; `within_trace` when its caller says that it belongs to one.
    pub(super) fn served(side: &'static Side, method: &'static Method, within_trace: bool) -> Self {
        Self::start(side, method, within_trace, None)
    }

    /// A call that this process makes.
    pub(super) fn made(side: &'static Side, method: &'static Method, peer: &Peer) -> Self {
        Self::start(side, method, !Span::current().is_disabled(), Some(peer))
    }

    fn start(side: &'static Side, method: &'static Method, within_trace: bool, peer: Option<&Peer>) -> Self {
        side.started(method);
        let span = match method.shape {
            Shape::Unary if within_trace || !method.is_background => span(method, peer),
            Shape::Unary | Shape::Probe | Shape::Stream => Span::none(),
        };
        let known = Known { method, began: Instant::now() };
        // Nobody having read the answer is the one end that nobody reports.
        Self { side, span, is_served: peer.is_none(), known, code: Code::Cancelled }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// What counts the messages that the caller sends.
    pub(super) fn requests(&self) -> Messages {
        Messages::new(self.side.requests(self.known.method))
    }

    /// What counts the messages that the caller gets.
    pub(super) fn answers(&self) -> Messages {
        Messages::new(self.side.answers(self.known.method))
    }

    /// Work that answers this call: what fails in it is logged as a failure of it.
    pub(super) fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        SERVED.scope(self.known, work)
    }

    /// The same for one step of work, if this process answers the call at all.
    pub(super) fn step<R>(&self, work: impl FnOnce() -> R) -> R {
        if self.is_served { SERVED.sync_scope(self.known, work) } else { work() }
    }

    /// The call has ended.
    pub(super) fn end(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Known { method, began } = self.known;
        self.side.handled(method, self.code, began.elapsed(), &self.span);
        let is_error = is_our_fault(self.code);
        if self.is_served && !is_error && method.shape != Shape::Probe {
            self.span.in_scope(|| failures::answered(&self.known.request(self.code, None), None));
        }
        let name = code_name(self.code);
        self.span.record("rpc.response.status_code", name);
        if is_error {
            self.span.record("otel.status_code", "ERROR");
        }
        // A caller wants to know why its call did not do what it should; a server has told what was wrong with it.
        if is_error || !self.is_served && self.code != Code::Ok {
            self.span.record("error.type", name);
        }
    }
}

/// Logs and counts a failure of the call that is answered here, if it is ours.
pub(super) fn report(failure: &Failure) {
    let Some(fault) = Fault::of(failure) else { return };
    let kind = failure.kind();
    let request = SERVED.try_with(|call| call.request(kind.grpc_code(), Some(kind.http_status())));
    match request {
        Ok(request) => failures::answered(&request, Some(&fault)),
        Err(_nobody_is_answered) => failures::report(failure),
    }
}

/// The code in a set of headers or trailers, if they have one.
pub(super) fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

fn span(method: &Method, peer: Option<&Peer>) -> Span {
    tracing::info_span!(
        "grpc",
        otel.name = method.full_name,
        otel.kind = if peer.is_some() { "client" } else { "server" },
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = method.full_name,
        rpc.response.status_code = Empty,
        server.address = peer.map(|peer| &*peer.address),
        server.port = peer.map(|peer| peer.port),
        "error.type" = Empty,
    )
}

/// What the semantic conventions take for the server's fault. Both ends of a call are ours, so that it is no error for
/// its client either when a player asks for what is refused.
fn is_our_fault(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

pub(super) struct Headers<'a>(pub(super) &'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

pub(super) struct HeadersMut<'a>(pub(super) &'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<http::HeaderName>(), value.parse()) {
            self.0.insert(name, value);
        }
    }
}
