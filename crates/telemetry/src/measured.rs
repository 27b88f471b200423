//! One line to measure one more function: calls by outcome, time and span.

use std::time::Instant;

use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::metrics::{self, Desc, Histogram, Kind, Label as _, Unit};

const OPERATIONS: Desc = Desc {
    name: "operations_total",
    unit: Unit::Count,
    help: "Runs of single pieces of work by outcome: ok, error, or cancelled before there was one.",
};
const DURATION: Desc = Desc {
    name: "operation_duration_seconds",
    unit: Unit::Seconds,
    help: "Time of one run of a piece of work, until its outcome.",
};

crate::label! {
    /// How a run ended.
    enum Outcome {
        Ok = "ok",
        Error = "error",
        Cancelled = "cancelled",
    }
}

/// A piece of work that is worth knowing about: how often it runs, how it ends, how long it takes. Make it where the
/// work is set up, so that its series are there at zero, and put the call inside:
///
/// ```
/// # async fn tidy_up() -> Result<(), std::io::Error> { Ok(()) }
/// # async fn example() -> Result<(), std::io::Error> {
/// let tidying = battlearena_telemetry::Measured::new("tidy_up");
/// tidying.run(tidy_up()).await?;
/// # Ok(())
/// # }
/// ```
///
/// Within a trace, the work is a span named after the operation. Outside of one it is none: what runs by itself every
/// hour would otherwise be a trace that nobody asked for.
#[derive(Clone)]
pub struct Measured {
    operation: &'static str,
    outcomes: Vec<::metrics::Counter>,
    duration: Histogram,
}

impl Measured {
    /// Registers an operation at zero. Its name is a verb and an object, and comes from the source code.
    pub fn new(operation: &'static str) -> Self {
        let labels: [metrics::Words<'_>; 2] =
            [("operation", Some(&[operation])), ("outcome", Some(Outcome::values()))];
        metrics::describe(&OPERATIONS, Kind::Counter, &labels);
        metrics::describe(&DURATION, Kind::Histogram, &labels[..1]);
        let outcome = |word: &&'static str| {
            metrics::counter(OPERATIONS.name, &["operation", "outcome"], &[operation, word])
        };
        Self {
            operation,
            outcomes: Outcome::values().iter().map(outcome).collect(),
            duration: metrics::histogram(DURATION.name, &["operation"], &[operation]),
        }
    }

    /// Measures what `work` does until it is done. Dropped before, it counts as cancelled.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn run<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let run = self.begin();
        let result = work.instrument(run.span.clone()).await;
        run.end(result)
    }

    /// Measures a function that does not wait.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn call<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let run = self.begin();
        let result = run.span.in_scope(work);
        run.end(result)
    }

    fn begin(&self) -> Run<'_> {
        let span = if Span::current().is_disabled() {
            Span::none()
        } else {
            tracing::info_span!(
                "operation",
                otel.name = self.operation,
                otel.status_code = Empty,
                "error.type" = Empty,
            )
        };
        Run { measured: self, span, began: Instant::now(), outcome: Outcome::Cancelled }
    }
}

/// One run, recorded when it is dropped.
struct Run<'a> {
    measured: &'a Measured,
    span: Span,
    began: Instant,
    outcome: Outcome,
}

impl Run<'_> {
    fn end<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        self.outcome = if result.is_ok() { Outcome::Ok } else { Outcome::Error };
        result
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let Measured { outcomes, duration, .. } = self.measured;
        outcomes[self.outcome.index()].increment(1);
        duration.record_in(&self.span, self.began.elapsed().as_secs_f64());
        if matches!(self.outcome, Outcome::Error) {
            // The conventions' word for an error that has no class.
            self.span.record("otel.status_code", "ERROR").record("error.type", "_OTHER");
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;

    use super::*;
    use crate::testing::{Spans, attribute, scraped};

    const OUTCOMES: [&str; 3] = ["ok", "error", "cancelled"];

    fn count(operation: &str, outcome: &str) -> Option<f64> {
        scraped(&format!(r#"operations_total{{operation="{operation}",outcome="{outcome}"}}"#))
    }

    #[tokio::test]
    async fn every_end_of_a_run_is_counted() {
        let measured = Measured::new("test_ends");
        assert_eq!(OUTCOMES.map(|outcome| count("test_ends", outcome)), [Some(0.0); 3]);
        assert_eq!(measured.run(async { Ok::<_, ()>(7) }).await, Ok(7));
        assert_eq!(measured.call(|| Err::<(), _>("no")), Err("no"));
        let never = measured.run(std::future::pending::<Result<(), ()>>());
        assert!(futures::FutureExt::now_or_never(never).is_none());
        assert_eq!(OUTCOMES.map(|outcome| count("test_ends", outcome)), [Some(1.0); 3]);
        assert_eq!(scraped(r#"operation_duration_seconds_count{operation="test_ends"}"#), Some(3.0));
    }

    #[test]
    fn within_a_trace_it_is_a_span() {
        let spans = Spans::record();
        let measured = Measured::new("test_spans");
        let _none = measured.call(|| Ok::<_, ()>(()));
        assert!(spans.finished().is_empty(), "outside of a trace there is none");
        let _error = tracing::info_span!("request").in_scope(|| measured.call(|| Err::<(), _>("no")));
        let [span, request] = spans.finished().try_into().unwrap();
        assert_eq!((span.name.as_ref(), span.parent_span_id), ("test_spans", request.span_context.span_id()));
        assert!(matches!(span.status, Status::Error { .. }));
        assert_eq!(attribute(&span, "error.type").as_deref(), Some("_OTHER"));
    }
}
