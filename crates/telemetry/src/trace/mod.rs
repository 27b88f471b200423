//! Where a trace comes from and where it goes on.
//!
//! Three kinds of parents: [`set_parent`] continues what was stored by ourselves, [`set_parent_at_edge`] what a stranger
//! claims, and [`batch_span`] with [`in_each_trace`] what many events at once belong to.

mod batch;
mod context;
mod edge;
mod sampling;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use batch::{batch_span, in_each_trace};
pub(crate) use edge::Edge;
pub(crate) use sampling::Sampling;

/// The W3C trace context of the current span, to be stored beside an event; `None` when the span is not sampled.
pub fn current_traceparent() -> Option<String> {
    let span = span_context(&Span::current()).filter(SpanContext::is_sampled)?;
    Some(context::format(&span))
}

/// The W3C trace context of the current span, for a client to send along: sampled or not, so that the peer decides
/// alike. `None` outside of any trace.
pub fn outgoing_traceparent() -> Option<String> {
    span_context(&Span::current()).as_ref().map(context::format)
}

/// Makes `span` continue the trace that a stored `traceparent` belongs to. Call it before the span is entered. What is
/// not a trace context leaves the span as it is.
pub fn set_parent(span: &Span, traceparent: &str) {
    if !span.is_disabled()
        && let Some(parent) = context::parse(traceparent)
    {
        continue_from(span, parent);
    }
}

/// Makes `span` continue the trace that a stranger's `traceparent` names; whether it is sampled is decided here. Call
/// it before the span is entered. What is not a trace context leaves the span as it is.
pub fn set_parent_at_edge(span: &Span, traceparent: &str) {
    if !span.is_disabled()
        && let Some(parent) = context::parse(traceparent).as_ref().and_then(edge::admit)
    {
        continue_from(span, parent);
    }
}

/// Links `span` to a span whose trace it does not continue, such as the one that began what it ends. What is not a
/// sampled trace context leaves the span as it is.
pub fn link(span: &Span, traceparent: &str) {
    if !span.is_disabled()
        && let Some(other) = context::parse(traceparent).filter(SpanContext::is_sampled)
    {
        span.add_link(other);
    }
}

/// Makes `span` continue the trace that a request's headers name, if they do; `at_edge`, they are a stranger's.
pub(crate) fn set_parent_from(span: &Span, headers: &dyn Extractor, at_edge: bool) {
    if span.is_disabled() {
        return;
    }
    let parent = context::extract(headers);
    let parent = if at_edge { parent.as_ref().and_then(edge::admit) } else { parent };
    if let Some(parent) = parent {
        continue_from(span, parent);
    }
}

/// Writes the trace context of `span` into a request's headers, if it has one.
pub(crate) fn inject(span: &Span, headers: &mut dyn Injector) {
    if let Some(span) = span_context(span) {
        context::inject(&span, headers);
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

fn continue_from(span: &Span, parent: SpanContext) {
    if let Err(error) = span.set_parent(Context::new().with_remote_span_context(parent)) {
        tracing::debug!(%error, "the incoming trace context is lost");
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
        let (stored, sent) = span.in_scope(|| (current_traceparent(), outgoing_traceparent()));
        drop(span);
        let [finished] = spans.finished().try_into().unwrap();
        assert_eq!(finished.parent_span_id.to_string(), "b7ad6b7169203331");
        let own = finished.span_context.span_id();
        assert_eq!(stored, Some(format!("00-0af7651916cd43dd8448eb211c80319c-{own}-01")));
        assert_eq!(sent, stored);
    }

    #[test]
    fn a_link_leads_to_another_trace() {
        let spans = Spans::record();
        let span = tracing::info_span!("end");
        for context in [PARENT, &PARENT.replace("-01", "-00"), "not a trace context"] {
            link(&span, context);
        }
        drop(span);
        let [finished] = spans.finished().try_into().unwrap();
        let linked: Vec<_> =
            finished.links.iter().map(|link| link.span_context.span_id().to_string()).collect();
        assert_eq!((linked, finished.parent_span_is_remote), (vec!["b7ad6b7169203331".to_owned()], false));
    }

    #[test]
    fn an_unsampled_trace_is_sent_on_but_not_stored() {
        let _spans = Spans::record();
        let span = tracing::info_span!("consume");
        set_parent(&span, &PARENT.replace("-01", "-00"));
        assert_eq!(span.in_scope(current_traceparent), None);
        let sent = span.in_scope(outgoing_traceparent).unwrap();
        assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && sent.ends_with("-00"), "{sent}");
    }

    #[test]
    fn at_the_edge_a_stranger_names_the_trace_and_no_more() {
        let spans = Spans::record();
        let span = tracing::info_span!("command");
        // The process of this test samples everything, whatever the stranger says.
        set_parent_at_edge(&span, &PARENT.replace("-01", "-00"));
        drop(span);
        let [finished] = spans.finished().try_into().unwrap();
        assert_eq!(finished.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(finished.parent_span_id.to_string(), "b7ad6b7169203331");
        assert!(finished.span_context.is_sampled());
    }

    #[test]
    fn outside_of_a_trace_there_is_no_context() {
        let _spans = Spans::record();
        assert_eq!((current_traceparent(), outgoing_traceparent()), (None, None));
        let span = tracing::info_span!("consume");
        set_parent(&span, "not a trace context");
        set_parent_at_edge(&span, "");
        assert!(span_context(&span).is_some_and(|context| context.is_sampled()), "a trace of its own");
    }
}
