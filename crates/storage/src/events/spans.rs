//! The spans of events on their way, in the traces that caused them. Events without a trace context make none, and
//! neither does looking for events: an idle platform is silent.

use std::iter::once;

use battlearena_proto::events::Event;
use battlearena_telemetry::trace::{batch_span, in_each_trace};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::OutboxRow;

/// Why work failed, as `error.type` of its span says it.
pub(super) trait ErrorType {
    /// A word of a closed set.
    fn error_type(&self) -> &'static str;
}

/// A piece of work on events, as each of their traces sees it.
pub(super) struct Work {
    /// In the trace of the first event; what is done happens in here.
    batch: Span,
    /// In the traces of the others.
    others: Vec<Span>,
}

impl Work {
    /// The delivery of rows of an outbox. Only the first trace sees it: the log shows its part to the others.
    pub(super) fn relay(queue: &'static str, rows: &[OutboxRow]) -> Self {
        let traceparents = rows.iter().filter_map(|row| row.traceparent.as_deref());
        let span = || {
            tracing::info_span!(
                "relay_events",
                otel.kind = "producer",
                otel.status_code = Empty,
                messaging.system = "outbox",
                messaging.operation.type = "send",
                messaging.destination.name = queue,
                messaging.batch.message_count = rows.len(),
                "error.type" = Empty,
            )
        };
        Self { batch: batch_span(traceparents, span), others: Vec::new() }
    }

    /// The consumption of events by a consumer of that name.
    pub(super) fn apply(consumer: &'static str, events: &[Event]) -> Self {
        let traceparents = || events.iter().map(|event| event.traceparent.as_str());
        let span = || {
            tracing::info_span!(
                "apply_events",
                otel.kind = "consumer",
                otel.status_code = Empty,
                messaging.system = "event_log",
                messaging.operation.type = "process",
                messaging.destination.name = consumer,
                messaging.batch.message_count = events.len(),
                "error.type" = Empty,
            )
        };
        let batch = batch_span(traceparents(), span);
        let others = in_each_trace(&batch, traceparents(), span);
        Self { batch, others }
    }

    /// The span that the work is done in, for what is measured about it. Whoever keeps it keeps it from ending.
    pub(super) fn span(&self) -> Span {
        self.batch.clone()
    }

    /// Does the work. All its spans end with it, and say how it failed if it did.
    pub(super) async fn run<T, E: ErrorType>(self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let result = work.instrument(self.batch.clone()).await;
        if let Err(error) = &result {
            once(&self.batch).chain(&self.others).for_each(|span| failed(span, error.error_type()));
        }
        result
    }
}

/// Notes on the span of a piece of work that it failed.
pub(super) fn failed(span: &Span, error_type: &'static str) {
    span.record("otel.status_code", "ERROR").record("error.type", error_type);
}
