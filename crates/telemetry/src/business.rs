//! How the span of a use case says that it failed. The fields are `error.type` and `otel.status_code`; a span that was
//! made without them says nothing.

use battlearena_proto::Failure;
use tracing::Span;

/// Notes on the current span, which is that of a use case, why it failed.
pub fn note(failure: &Failure) {
    let span = Span::current();
    span.record("error.type", failure.kind().as_str());
    // The caller's mistakes are not errors of the platform.
    if failure.kind().is_ours() {
        span.record("otel.status_code", "ERROR");
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;
    use tracing::field::Empty;

    use super::*;
    use crate::testing::{Spans, attribute};

    #[test]
    fn a_refusal_has_a_reason_and_is_no_error() {
        let spans = Spans::record();
        for failure in [Failure::conflict("the username is taken"), Failure::internal("disk on fire")] {
            let span = tracing::info_span!("register_player", error.type = Empty, otel.status_code = Empty);
            span.in_scope(|| note(&failure));
        }
        let [refused, failed] = spans.finished().try_into().unwrap();
        assert_eq!(attribute(&refused, "error.type").as_deref(), Some("conflict"));
        assert_eq!(refused.status, Status::Unset);
        assert_eq!(attribute(&failed, "error.type").as_deref(), Some("internal"));
        assert!(matches!(failed.status, Status::Error { .. }));
    }
}
