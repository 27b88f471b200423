//! One request, as its span, its metrics and its log line see it.

use std::rc::Rc;
use std::time::Instant;

use actix_web::body::BodySize;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName};
use opentelemetry::propagation::Extractor;
use tracing::Span;
use tracing::field::Empty;

use super::RequestId;
use super::routes::Route;
use crate::failures::{self, Fault, Request};
use crate::metrics::InFlight;
use crate::recorder::Sampled;
use crate::trace;

/// nginx's status for a client that closed its connection before the answer.
const CLIENT_CLOSED: u16 = 499;

/// Bytes of a path that a span keeps.
const MOST_OF_A_PATH: usize = 256;

/// One request, counted when it is dropped: as given up by its client, unless it was answered.
pub(super) struct Observation {
    route: Rc<Route>,
    span: Span,
    id: RequestId,
    is_traced: bool,
    sampled: Option<Sampled>,
    began: Instant,
    status: u16,
    size: Option<u64>,
    fault: Option<Fault>,
    _in_flight: InFlight,
}

impl Observation {
    pub(super) fn new(route: Rc<Route>, span: Span) -> Self {
        let context = trace::span_context(&span);
        Self {
            _in_flight: route.enter(),
            route,
            span,
            id: RequestId::of(context.as_ref()),
            is_traced: context.is_some(),
            sampled: context.as_ref().and_then(Sampled::of),
            began: Instant::now(),
            status: CLIENT_CLOSED,
            size: None,
            fault: None,
        }
    }

    /// The name of the request.
    pub(super) fn id(&self) -> RequestId {
        self.id
    }

    /// Whether its name is that of a trace.
    pub(super) fn is_traced(&self) -> bool {
        self.is_traced
    }

    /// It was answered so; `fault` when that was ours.
    pub(super) fn answered(mut self, status: u16, size: BodySize, fault: Option<Fault>) {
        self.status = status;
        self.size = match size {
            BodySize::None => Some(0),
            BodySize::Sized(size) => Some(size),
            BodySize::Stream => None,
        };
        self.fault = fault;
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        self.route.answered(self.status, duration, self.size, self.sampled);
        let request = Request {
            method: self.route.method,
            endpoint: &self.route.endpoint,
            status_code: Some(self.status),
            grpc_code: None,
            duration,
            request_id: Some(self.id.as_str()),
        };
        self.span.in_scope(|| failures::answered(&request, self.fault.as_ref()));
        if self.span.is_disabled() {
            return;
        }
        self.span.record("http.response.status_code", self.status);
        if self.status >= 500 {
            self.span.record("otel.status_code", "ERROR");
            if let Ok(status) = StatusCode::from_u16(self.status) {
                self.span.record("error.type", status.as_str());
            }
        }
    }
}

/// The span of a request; `is_known` when a route takes it.
pub(super) fn server_span(route: &Route, is_known: bool, path: &str, is_secure: bool) -> Span {
    let (method, word) = route.method_in_spans();
    tracing::info_span!(
        "http",
        otel.name = if is_known { &route.span_name } else { word },
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = is_known.then_some(route.endpoint.as_str()),
        http.response.status_code = Empty,
        url.path = shown(path),
        url.scheme = if is_secure { "https" } else { "http" },
        "error.type" = Empty,
    )
}

/// What a span keeps of a path: its beginning, since a stranger may send one of many kilobytes.
fn shown(path: &str) -> &str {
    &path[..path.floor_char_boundary(MOST_OF_A_PATH)]
}

pub(super) struct Headers<'a>(pub(super) &'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
