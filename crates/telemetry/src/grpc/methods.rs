//! The closed list of methods: those of our own descriptors, and those by which a gRPC server is operated. Whatever
//! else a caller asks for is one method, "unknown".

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;
use tracing::Span;

use crate::metrics::{self, Desc, Histogram, Kind, Unit};

/// How a method is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One request, one answer: traced, timed and bound by a deadline.
    Unary,
    /// A health check: bound by a deadline, but not of interest itself.
    Probe,
    /// Lives as long as its connection: neither span nor latency nor deadline.
    Stream,
}

/// All methods from one side, with their metrics.
pub(super) struct Side {
    started: Desc,
    handled: Desc,
    handling: Desc,
    requests: Desc,
    answers: Desc,
    methods: HashMap<String, Method>,
    unknown: Method,
}

/// One method from one side.
pub(super) struct Method {
    /// `package.Service`.
    pub(super) service: String,
    /// `Method`.
    pub(super) name: String,
    /// `package.Service/Method`.
    pub(super) full_name: String,
    pub(super) shape: Shape,
    /// Whether it is called in the background: a part of a trace that is there, and none of its own.
    pub(super) is_background: bool,
    instruments: OnceLock<Instruments>,
}

struct Instruments {
    started: ::metrics::Counter,
    handled: [::metrics::Counter; CODES.len()],
    handling: Option<Histogram>,
    requests: ::metrics::Counter,
    answers: ::metrics::Counter,
}

pub(super) static SERVER: LazyLock<Side> = LazyLock::new(|| {
    Side::new(
        count("grpc_server_started_total", "Calls that a server has begun to work on."),
        count("grpc_server_handled_total", "Calls that a server is done with, by code."),
        seconds(
            "grpc_server_handling_seconds",
            "Time from the head of a unary call to the end of its answer.",
        ),
        count("grpc_server_msg_received_total", "Messages that callers sent and a method has read."),
        count("grpc_server_msg_sent_total", "Messages with which a server answered."),
    )
});

pub(super) static CLIENT: LazyLock<Side> = LazyLock::new(|| {
    Side::new(
        count("grpc_client_started_total", "Calls that were made to other services."),
        count("grpc_client_handled_total", "Calls to other services that have ended, by code."),
        seconds("grpc_client_handling_seconds", "Time of a unary call to another service, until its end."),
        count("grpc_client_msg_sent_total", "Messages sent to other services."),
        count("grpc_client_msg_received_total", "Messages with which other services answered."),
    )
});

/// Every code, by its number: the label that go-grpc-prometheus made common, and the name of the semantic conventions.
const CODES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// The code's name in metrics and logs.
pub(super) fn code_label(code: Code) -> &'static str {
    CODES[code as usize].0
}

/// The code's name in spans.
pub(super) fn code_name(code: Code) -> &'static str {
    CODES[code as usize].1
}

/// Methods that each server has beside its own.
const OPERATIONS: [(&str, &str, Shape); 4] = [
    ("grpc.health.v1.Health", "Check", Shape::Probe),
    ("grpc.health.v1.Health", "Watch", Shape::Stream),
    ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", Shape::Stream),
    ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", Shape::Stream),
];

/// Methods that relays and followers of the log call by themselves.
const BACKGROUND: [(&str, &str); 3] = [
    ("battlearena.analytics.v1.AnalyticsService", "GetTotals"),
    ("battlearena.events.v1.EventLogService", "Append"),
    ("battlearena.events.v1.EventLogService", "GetSourcePosition"),
];

const METHOD_LABELS: [&str; 2] = ["grpc_service", "grpc_method"];
const HANDLED_LABELS: [&str; 3] = ["grpc_service", "grpc_method", "grpc_code"];

impl Side {
    fn new(started: Desc, handled: Desc, handling: Desc, requests: Desc, answers: Desc) -> Self {
        let [service, method, code] = HANDLED_LABELS;
        let codes = CODES.map(|(label, _)| label);
        let labels = [(service, None), (method, None), (code, Some(codes.as_slice()))];
        for counter in [&started, &requests, &answers] {
            metrics::describe(counter, Kind::Counter, &labels[..2]);
        }
        metrics::describe(&handled, Kind::Counter, &labels);
        metrics::describe(&handling, Kind::Histogram, &labels[..2]);
        let operations = OPERATIONS.map(|(service, name, shape)| Method::new(service, name, shape));
        let methods = own_methods().into_iter().chain(operations);
        let methods = methods.map(|method| (format!("/{}", method.full_name), method)).collect();
        let unknown = Method::new("unknown", "unknown", Shape::Probe);
        Self { started, handled, handling, requests, answers, methods, unknown }
    }

    /// The method of a request path.
    pub(super) fn find(&self, path: &str) -> &Method {
        self.methods.get(path).unwrap_or(&self.unknown)
    }

    /// Registers the methods of one service at zero.
    pub(super) fn register(&self, service: &str) {
        for method in self.methods.values().filter(|method| method.service == service) {
            self.instruments(method);
        }
    }

    pub(super) fn started(&self, method: &Method) {
        self.instruments(method).started.increment(1);
    }

    pub(super) fn handled(&self, method: &Method, code: Code, duration: Duration, span: &Span) {
        let instruments = self.instruments(method);
        instruments.handled[code as usize].increment(1);
        if let Some(handling) = &instruments.handling {
            handling.record_in(span, duration.as_secs_f64());
        }
    }

    /// Counts the messages that callers send.
    pub(super) fn requests(&self, method: &Method) -> ::metrics::Counter {
        self.instruments(method).requests.clone()
    }

    /// Counts the messages that callers get.
    pub(super) fn answers(&self, method: &Method) -> ::metrics::Counter {
        self.instruments(method).answers.clone()
    }

    /// A service that this process never serves or calls has no series: they are registered by the first call, if
    /// [`Side::register`] has not done so.
    fn instruments<'a>(&self, method: &'a Method) -> &'a Instruments {
        method.instruments.get_or_init(|| {
            let words = [method.service.as_str(), method.name.as_str()];
            let handled = |(code, _)| {
                metrics::counter(self.handled.name, &HANDLED_LABELS, &[&method.service, &method.name, code])
            };
            let messages = |desc: &Desc| metrics::counter(desc.name, &METHOD_LABELS, &words);
            Instruments {
                requests: messages(&self.requests),
                answers: messages(&self.answers),
                started: metrics::counter(self.started.name, &METHOD_LABELS, &words),
                handled: CODES.map(handled),
                handling: (method.shape == Shape::Unary)
                    .then(|| metrics::histogram(self.handling.name, &METHOD_LABELS, &words)),
            }
        })
    }
}

impl Method {
    fn new(service: &str, name: &str, shape: Shape) -> Self {
        let is_background = BACKGROUND.contains(&(service, name));
        let full_name = format!("{service}/{name}");
        let (service, name) = (service.to_owned(), name.to_owned());
        Self { service, name, full_name, shape, is_background, instruments: OnceLock::new() }
    }
}

/// The methods of `proto/`.
fn own_methods() -> Vec<Method> {
    let files = FileDescriptorSet::decode(battlearena_proto::FILE_DESCRIPTOR_SET).unwrap_or_else(|error| {
        // The bytes are compiled in, and a test reads them.
        tracing::error!(%error, "own methods are measured as unknown: the descriptors cannot be read");
        FileDescriptorSet::default()
    });
    let mut methods = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let service_name = format!("{}.{}", file.package(), service.name());
            for method in &service.method {
                let stream = method.client_streaming() || method.server_streaming();
                let shape = if stream { Shape::Stream } else { Shape::Unary };
                methods.push(Method::new(&service_name, method.name(), shape));
            }
        }
    }
    methods
}

const fn count(name: &'static str, help: &'static str) -> Desc {
    Desc { name, unit: Unit::Count, help }
}

const fn seconds(name: &'static str, help: &'static str) -> Desc {
    Desc { name, unit: Unit::Seconds, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_that_of_the_descriptors() {
        let shape = |path| SERVER.find(path).shape;
        assert_eq!(shape("/battlearena.match.v1.MatchService/StartMatch"), Shape::Unary);
        assert_eq!(shape("/battlearena.events.v1.EventLogService/Subscribe"), Shape::Stream);
        assert_eq!(shape("/battlearena.analytics.v1.AnalyticsService/ExportPoints"), Shape::Stream);
        assert_eq!(shape("/grpc.health.v1.Health/Check"), Shape::Probe);
        assert_eq!(SERVER.find("/battlearena.match.v1.MatchService/Cheat").name, "unknown");
        let background = SERVER.methods.values().filter(|method| method.is_background);
        assert_eq!(background.count(), BACKGROUND.len());
    }

    #[test]
    fn every_code_stands_at_its_number() {
        for (number, (_, name)) in CODES.iter().enumerate() {
            let code = Code::from_i32(i32::try_from(number).unwrap());
            assert_eq!(code as usize, number);
            let debug = format!("{code:?}").to_uppercase();
            assert_eq!(name.replace('_', ""), debug);
        }
    }
}
