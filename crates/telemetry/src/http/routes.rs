//! The metrics of each route, registered when a route is first seen (or before) and then found by its pattern. One
//! cache a worker, so that nothing is locked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::Method;

use crate::metrics::{self, Desc, Histogram, InFlight, Kind, Unit};
use crate::recorder::Sampled;

/// The endpoint of requests that no route takes.
pub(crate) const UNMATCHED: &str = "unmatched";

const REQUESTS: Desc = Desc {
    name: "http_requests_total",
    unit: Unit::Count,
    help: "Answered requests by route and status; 499 when the client gave up first.",
};
const DURATION: Desc = Desc {
    name: "http_request_duration_seconds",
    unit: Unit::Seconds,
    help: "Time from the head of a request to the head of its answer.",
};
const IN_PROGRESS: Desc =
    Desc { name: "http_requests_in_progress", unit: Unit::Count, help: "Requests that are being worked on." };
const REQUEST_SIZE: Desc =
    Desc { name: "http_request_size_bytes", unit: Unit::Bytes, help: "Size of request bodies, as declared." };
const RESPONSE_SIZE: Desc = Desc {
    name: "http_response_size_bytes",
    unit: Unit::Bytes,
    help: "Size of answered bodies, without those that are streamed.",
};

const ROUTE_LABELS: [&str; 2] = ["method", "endpoint"];
const REQUEST_LABELS: [&str; 3] = ["method", "endpoint", "status"];

/// The methods that are told apart.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", OTHER_METHOD];

/// Every other method.
const OTHER_METHOD: &str = "OTHER";

/// Statuses that a known route has from the start, since the first answer of a series that appears is invisible to
/// `rate()`: success, what a client may do wrong or give up, and what an objective is computed from.
const STATUSES_AT_START: [u16; 11] = [200, 400, 401, 403, 404, 422, 429, 499, 500, 503, 504];

/// Those that only a route with a body or a change answers.
const STATUSES_OF_CHANGES: [u16; 3] = [409, 413, 415];

/// The metrics of one route with one method.
pub(crate) struct Route {
    /// The method as spans and logs have it.
    pub(crate) method: &'static str,
    /// The method as metrics have it: [`OTHER_METHOD`] unless the route is there for it, so that strangers make no series.
    label: &'static str,
    pub(crate) endpoint: String,
    /// `{method} {endpoint}`, which is the name of a span.
    pub(crate) span_name: String,
    duration: Histogram,
    request_size: Histogram,
    response_size: Histogram,
    in_progress: ::metrics::Gauge,
    statuses: RefCell<Vec<(u16, ::metrics::Counter)>>,
}

impl Route {
    fn new(method: &'static str, label: &'static str, endpoint: &str) -> Self {
        let labels = [label, endpoint];
        let histogram = |desc: Desc| metrics::histogram(desc.name, &ROUTE_LABELS, &labels);
        Self {
            method,
            label,
            endpoint: endpoint.to_owned(),
            span_name: format!("{} {endpoint}", method_in_spans(method).1),
            duration: histogram(DURATION),
            request_size: histogram(REQUEST_SIZE),
            response_size: histogram(RESPONSE_SIZE),
            in_progress: metrics::gauge(IN_PROGRESS.name, &ROUTE_LABELS, &labels),
            statuses: RefCell::default(),
        }
    }

    /// The method as an attribute of spans, and as a word in their names.
    pub(crate) fn method_in_spans(&self) -> (&'static str, &'static str) {
        method_in_spans(self.method)
    }

    pub(crate) fn enter(&self) -> InFlight {
        InFlight::enter(self.in_progress.clone())
    }

    pub(crate) fn received(&self, size: u64) {
        self.request_size.record(size as f64);
    }

    pub(crate) fn answered(&self, status: u16, duration: Duration, size: Option<u64>, span: Option<Sampled>) {
        self.status(status).increment(1);
        self.duration.record_sampled(duration.as_secs_f64(), span);
        if let Some(size) = size {
            self.response_size.record(size as f64);
        }
    }

    /// The counter of one status. A route answers with few of them, so a list is searched faster than a map.
    pub(crate) fn status(&self, status: u16) -> ::metrics::Counter {
        let mut statuses = self.statuses.borrow_mut();
        if let Some((_, counter)) = statuses.iter().find(|(known, _)| *known == status) {
            return counter.clone();
        }
        let labels = [self.label, &self.endpoint, &status.to_string()];
        let counter = metrics::counter(REQUESTS.name, &REQUEST_LABELS, &labels);
        statuses.push((status, counter.clone()));
        counter
    }
}

/// All routes that one worker has seen.
pub(crate) struct Routes {
    known: Vec<(Method, &'static str)>,
    seen: RefCell<HashMap<String, Vec<Rc<Route>>>>,
}

impl Routes {
    /// Describes the metrics, and registers the routes that are known.
    pub(crate) fn new(known: &[(Method, &'static str)]) -> Self {
        let [method, endpoint, status] = REQUEST_LABELS;
        let labels = [(method, Some(METHODS.as_slice())), (endpoint, None), (status, None)];
        metrics::describe(&REQUESTS, Kind::Counter, &labels);
        metrics::describe(&DURATION, Kind::Histogram, &labels[..2]);
        metrics::describe(&IN_PROGRESS, Kind::Gauge, &labels[..2]);
        metrics::describe(&REQUEST_SIZE, Kind::Histogram, &labels[..2]);
        metrics::describe(&RESPONSE_SIZE, Kind::Histogram, &labels[..2]);
        let routes = Self { known: known.to_vec(), seen: RefCell::default() };
        for method in [Method::GET, Method::from_bytes(OTHER_METHOD.as_bytes()).unwrap_or_default()] {
            routes.find(&method, UNMATCHED).status(404).increment(0);
        }
        for (method, endpoint) in known {
            let route = routes.find(method, endpoint);
            let of_changes = STATUSES_OF_CHANGES.iter().filter(|_| *method != Method::GET);
            for status in STATUSES_AT_START.iter().chain(of_changes) {
                route.status(*status).increment(0);
            }
        }
        routes
    }

    /// The metrics of a route by its pattern, which comes from the source code and not from the request.
    pub(crate) fn find(&self, method: &Method, pattern: &str) -> Rc<Route> {
        let is_known = match pattern {
            UNMATCHED => *method == Method::GET,
            _ => self.known.iter().any(|(known, path)| known == method && *path == pattern),
        };
        let method = method_label(method);
        let mut routes = self.seen.borrow_mut();
        if let Some(route) =
            routes.get(pattern).and_then(|list| list.iter().find(|route| route.method == method))
        {
            return route.clone();
        }
        let label = if is_known { method } else { OTHER_METHOD };
        let route = Rc::new(Route::new(method, label, pattern));
        routes.entry(pattern.to_owned()).or_default().push(route.clone());
        route
    }
}

/// The method as a label; a client may send any word.
fn method_label(method: &Method) -> &'static str {
    METHODS.iter().find(|known| **known == method.as_str()).unwrap_or(&OTHER_METHOD)
}

/// How the semantic conventions write a method: as an attribute, and in the name of a span.
fn method_in_spans(label: &'static str) -> (&'static str, &'static str) {
    if label == OTHER_METHOD { ("_OTHER", "HTTP") } else { (label, label) }
}
