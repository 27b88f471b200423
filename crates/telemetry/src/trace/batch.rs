//! Spans of work on many events at once, each of which may belong to a trace of its own.

use std::collections::HashSet;

use opentelemetry::trace::SpanContext;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{context, continue_from, span_context};

/// The span of a batch of events, from the trace contexts that are stored beside them: a child of the first sampled
/// one, with a link to each further one. [`Span::none`] when no event has such a context; `make` is then not called.
///
/// `make` makes the span and does not enter it.
pub fn batch_span<'a>(traceparents: impl IntoIterator<Item = &'a str>, make: impl FnOnce() -> Span) -> Span {
    let mut contexts = sampled(traceparents);
    let Some(first) = contexts.next() else { return Span::none() };
    let span = make();
    if span.is_disabled() {
        return span;
    }
    let mut seen = HashSet::from([(first.trace_id(), first.span_id())]);
    continue_from(&span, first);
    for further in contexts {
        if seen.insert((further.trace_id(), further.span_id())) {
            span.add_link(further);
        }
    }
    span
}

/// The work of a batch as each of the other traces sees it: for every distinct trace among the events' stored contexts,
/// but for that of `batch` itself, a span as child of its context (the first, if it has several), with a link to
/// `batch`. They end when they are dropped: keep them for as long as the work takes.
///
/// `make` makes such a span and does not enter it.
pub fn in_each_trace<'a>(
    batch: &Span,
    traceparents: impl IntoIterator<Item = &'a str>,
    make: impl Fn() -> Span,
) -> Vec<Span> {
    let batch = span_context(batch);
    let mut seen: HashSet<_> = batch.iter().map(SpanContext::trace_id).collect();
    let others = sampled(traceparents).filter(|context| seen.insert(context.trace_id()));
    let spans = others.map(|parent| {
        let span = make();
        continue_from(&span, parent);
        if let Some(batch) = batch.as_ref().filter(|batch| batch.is_sampled()) {
            span.add_link(batch.clone());
        }
        span
    });
    spans.take_while(|span| !span.is_disabled()).collect()
}

fn sampled<'a>(traceparents: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = SpanContext> {
    traceparents.into_iter().filter_map(context::parse).filter(SpanContext::is_sampled)
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::SpanData;

    use super::*;
    use crate::testing::Spans;

    const A: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const A_AGAIN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-01";
    const B: &str = "00-1bf7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01";
    const UNSAMPLED: &str = "00-2cf7651916cd43dd8448eb211c80319c-d7ad6b7169203331-00";

    fn make() -> Span {
        tracing::info_span!("apply_events")
    }

    /// Parent and links, as stored.
    fn relations(span: &SpanData) -> (String, Vec<String>) {
        let parent = format!("00-{}-{}-01", span.span_context.trace_id(), span.parent_span_id);
        (parent, span.links.iter().map(|link| context::format(&link.span_context)).collect())
    }

    #[test]
    fn a_batch_is_a_child_of_the_first_and_linked_to_the_rest() {
        let spans = Spans::record();
        drop(batch_span(["", UNSAMPLED, A, "nonsense", A, A_AGAIN, B, B], make));
        let [batch] = spans.finished().try_into().unwrap();
        assert_eq!(relations(&batch), (A.into(), vec![A_AGAIN.into(), B.into()]));
    }

    #[test]
    fn without_a_context_there_is_no_span() {
        let spans = Spans::record();
        let span = batch_span(["", UNSAMPLED, "nonsense"], || panic!("nothing to trace"));
        assert!(span.is_disabled());
        assert!(in_each_trace(&span, [UNSAMPLED], || panic!("nothing to trace")).is_empty());
        assert!(spans.finished().is_empty());
    }

    #[test]
    fn each_other_trace_has_one_span_that_is_linked_to_the_batch() {
        let spans = Spans::record();
        let events = [A, UNSAMPLED, B, A_AGAIN, B];
        let batch = batch_span(events, make);
        let batch_context = span_context(&batch).unwrap();
        let others = in_each_trace(&batch, events, make);
        assert_eq!((others.len(), spans.finished().len()), (1, 0));
        drop(others);
        let [other] = spans.finished().try_into().unwrap();
        assert_eq!(relations(&other), (B.into(), vec![context::format(&batch_context)]));
    }

    #[test]
    fn an_unsampled_batch_is_no_reason_to_lose_the_events() {
        let spans = Spans::record();
        let batch = make();
        super::super::set_parent(&batch, UNSAMPLED);
        let others = batch.in_scope(|| in_each_trace(&batch, [A, A_AGAIN, B], make));
        assert_eq!(others.len(), 2);
        drop((others, batch));
        let [first, second] = spans.finished().try_into().unwrap();
        assert_eq!([relations(&first), relations(&second)], [(A.into(), vec![]), (B.into(), vec![])]);
    }
}
