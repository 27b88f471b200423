//! W3C trace context as text and back. Nothing else reads or writes `traceparent`.

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags};
use opentelemetry_sdk::propagation::TraceContextPropagator;

static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The context that a request's headers name, if they do.
pub(super) fn extract(headers: &dyn Extractor) -> Option<SpanContext> {
    // Most requests come without one, and are done here.
    headers.get(TRACEPARENT)?;
    let context = PROPAGATOR.extract_with_context(&Context::new(), headers);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

/// The context that a stored `traceparent` names, if it is one.
pub(super) fn parse(traceparent: &str) -> Option<SpanContext> {
    extract(&Stored(traceparent))
}

/// The context as a `traceparent`. Only the flag that version 00 knows goes on.
pub(super) fn format(span: &SpanContext) -> String {
    let flags = (span.trace_flags() & TraceFlags::SAMPLED).to_u8();
    format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
}

/// Writes the context into a request's headers.
pub(super) fn inject(span: &SpanContext, headers: &mut dyn Injector) {
    headers.set(TRACEPARENT, format(span));
    let state = span.trace_state().header();
    if !state.is_empty() {
        headers.set(TRACESTATE, state);
    }
}

/// A stored trace context in the place of headers.
struct Stored<'a>(&'a str);

impl Extractor for Stored<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT && !self.0.is_empty()).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written() {
        for text in [PARENT, &PARENT.replace("-01", "-00")] {
            assert_eq!(format(&parse(text).unwrap()), text);
        }
        assert_eq!(format(&parse(&PARENT.replace("-01", "-ff")).unwrap()), PARENT, "unknown flags end here");
    }

    #[test]
    fn what_is_no_context_is_none() {
        for text in ["", "x", "00-0-0-01", &PARENT.to_uppercase(), &PARENT.replace("0af7651916cd43dd", "zz")]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_state_of_other_vendors_is_passed_on() {
        let headers =
            HashMap::from([(TRACEPARENT.to_owned(), PARENT.to_owned()), (TRACESTATE.into(), "a=1".into())]);
        let mut passed_on = HashMap::new();
        inject(&extract(&headers).unwrap(), &mut passed_on);
        assert_eq!(passed_on, headers);
        let mut alone = HashMap::new();
        inject(&parse(PARENT).unwrap(), &mut alone);
        assert_eq!(alone, HashMap::from([(TRACEPARENT.to_owned(), PARENT.to_owned())]));
    }
}
