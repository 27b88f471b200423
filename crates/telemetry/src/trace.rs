//! W3C trace context: where a trace comes from and where it goes on. Nothing else reads or writes `traceparent`.

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

/// The W3C trace context of the current span, to be stored beside an event; `None` when the span is not recorded.
pub fn current_traceparent() -> Option<String> {
    let span = span_context(&Span::current()).filter(SpanContext::is_sampled)?;
    Some(format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}

/// Makes `span` continue the trace that a stored `traceparent` belongs to. Call it before the span is entered. What is
/// not a trace context leaves the span as it is.
pub fn set_parent(span: &Span, traceparent: &str) {
    set_parent_from(span, &Stored(traceparent));
}

/// Makes `span` continue the trace that a request's headers name, if they do.
pub(crate) fn set_parent_from(span: &Span, headers: &dyn Extractor) {
    if span.is_disabled() {
        return;
    }
    let parent = PROPAGATOR.extract_with_context(&Context::new(), headers);
    if parent.span().span_context().is_valid()
        && let Err(error) = span.set_parent(parent)
    {
        tracing::debug!(%error, "the incoming trace context is lost");
    }
}

/// Writes the trace context of `span` into a request's headers, if it has one.
pub(crate) fn inject(span: &Span, headers: &mut dyn Injector) {
    if !span.is_disabled() {
        PROPAGATOR.inject_context(&span.context(), headers);
    }
}

/// The identity of a span; `None` when it is not traced at all.
pub(crate) fn span_context(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// A stored trace context in the place of headers.
struct Stored<'a>(&'a str);

impl Extractor for Stored<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Spans;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_stored_context_is_continued_and_passed_on() {
        let spans = Spans::record();
        let span = tracing::info_span!("consume");
        set_parent(&span, PARENT);
        let passed_on = span.in_scope(current_traceparent).unwrap();
        drop(span);
        let [finished] = spans.finished().try_into().unwrap();
        assert_eq!(finished.parent_span_id.to_string(), "b7ad6b7169203331");
        let own = finished.span_context.span_id();
        assert_eq!(passed_on, format!("00-0af7651916cd43dd8448eb211c80319c-{own}-01"));
    }

    #[test]
    fn an_unsampled_trace_is_not_stored() {
        let _spans = Spans::record();
        let span = tracing::info_span!("consume");
        set_parent(&span, &PARENT.replace("-01", "-00"));
        assert_eq!(span.in_scope(current_traceparent), None);
    }

    #[test]
    fn outside_of_a_trace_there_is_no_context() {
        let _spans = Spans::record();
        assert_eq!(current_traceparent(), None);
        let span = tracing::info_span!("consume");
        set_parent(&span, "not a trace context");
        assert!(span_context(&span).is_some_and(|context| context.is_sampled()), "a trace of its own");
    }
}
