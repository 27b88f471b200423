//! One call from one side, counted and timed when it is dropped: as cancelled, unless its end was seen.

use std::time::Instant;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector};
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;

use super::methods::{Method, Shape, Side, code_name};

/// A call in progress.
pub(super) struct Call {
    side: &'static Side,
    method: &'static Method,
    span: Span,
    is_error: fn(Code) -> bool,
    began: Instant,
    code: Code,
}

impl Call {
    /// A call that this process answers.
    pub(super) fn served(side: &'static Side, method: &'static Method) -> Self {
        Self::start(side, method, "server", is_server_error)
    }

    /// A call that this process makes.
    pub(super) fn made(side: &'static Side, method: &'static Method) -> Self {
        Self::start(side, method, "client", |code| code != Code::Ok)
    }

    fn start(
        side: &'static Side,
        method: &'static Method,
        kind: &'static str,
        is_error: fn(Code) -> bool,
    ) -> Self {
        side.started(method);
        let span = match method.shape {
            Shape::Unary => span(method, kind),
            Shape::Probe | Shape::Stream => Span::none(),
        };
        // Nobody having read the answer is the one end that nobody reports.
        Self { side, method, span, is_error, began: Instant::now(), code: Code::Cancelled }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// The call has ended.
    pub(super) fn end(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.side.handled(self.method, self.code, self.began.elapsed());
        let name = code_name(self.code);
        self.span.record("rpc.response.status_code", name);
        if (self.is_error)(self.code) {
            self.span.record("otel.status_code", "ERROR").record("error.type", name);
        }
    }
}

/// The code in a set of headers or trailers, if they have one.
pub(super) fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

fn span(method: &Method, kind: &'static str) -> Span {
    let Method { service, name, .. } = method;
    tracing::info_span!(
        "grpc",
        otel.name = format!("{service}/{name}"),
        otel.kind = kind,
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = format!("{service}/{name}"),
        rpc.response.status_code = Empty,
        "error.type" = Empty,
    )
}

/// What the semantic conventions take for the server's fault.
fn is_server_error(code: Code) -> bool {
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
