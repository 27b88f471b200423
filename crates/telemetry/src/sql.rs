//! The SQL instrument: one handle a statement, made once; one timer an execution, whose outcome is "cancelled" until
//! somebody says otherwise.

use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

use tracing::Span;
use tracing::field::Empty;

use crate::metrics::{self, Counter, CounterVec, Desc, Gauge, Histogram, Kind, Label, SQL_SECONDS, Unit};
use crate::recorder;

crate::label! {
    /// Why a statement failed.
    enum ErrorClass {
        Connection = "connection",
        Timeout = "timeout",
        Constraint = "constraint",
        Serialization = "serialization",
        Resources = "resources",
        Other = "other",
    }
}

const QUERIES: Desc = Desc {
    name: "database_queries_total",
    unit: Unit::Count,
    help: "Statements by outcome: ok, error, or cancelled before there was one.",
};
const DURATION: Desc = Desc {
    name: "database_query_duration_seconds",
    unit: Unit::Seconds,
    help: "Time of one statement, from sending it to its last row, without the wait for a connection.",
};

static NAMESPACE: OnceLock<String> = OnceLock::new();

static ERRORS: LazyLock<CounterVec<ErrorClass>> = LazyLock::new(|| {
    CounterVec::new(
        &Desc { name: "database_errors_total", unit: Unit::Count, help: "Failed statements by cause." },
        ["class"],
    )
});

/// The instruments of one statement. Cheap to clone; make it once.
#[derive(Clone)]
pub struct Handle {
    /// The command, as spans write it.
    operation: String,
    /// `{operation} {table}`, or the operation alone; a statement is about one table at most.
    span_name: OnceLock<String>,
    duration: Histogram,
    ok: ::metrics::Counter,
    error: ::metrics::Counter,
    cancelled: ::metrics::Counter,
}

impl Handle {
    /// Registers a statement at zero. `query_type` is what it does (`select`, `insert`, …) and `query` its name, both
    /// from the source code.
    pub fn new(query_type: &'static str, query: &'static str) -> Self {
        let outcomes: &[_] = &["ok", "error", "cancelled"];
        let labels = [("query_type", None), ("query", None), ("outcome", Some(outcomes))];
        metrics::describe(&QUERIES, Kind::Counter, &labels);
        metrics::describe(&DURATION, Kind::Histogram, &labels[..2]);
        LazyLock::force(&ERRORS);
        let outcome = |word| {
            metrics::counter(QUERIES.name, &["query_type", "query", "outcome"], &[query_type, query, word])
        };
        Self {
            operation: query_type.to_ascii_uppercase(),
            span_name: OnceLock::new(),
            duration: metrics::histogram(DURATION.name, &["query_type", "query"], &[query_type, query]),
            ok: outcome("ok"),
            error: outcome("error"),
            cancelled: outcome("cancelled"),
        }
    }

    /// Begins an execution: its time runs from here. `text` is the statement with placeholders, never with values; `table`
    /// is empty when it is about none. Its span is a part of the current one; without one there is none: a probe or a
    /// poll is no trace of its own.
    pub fn start(&self, text: &'static str, table: &'static str) -> Timer<'_> {
        let span = if Span::current().is_disabled() { Span::none() } else { self.span(text, table) };
        Timer { handle: self, span, began: recorder::is_on().then(Instant::now), outcome: &self.cancelled }
    }

    fn span(&self, text: &'static str, table: &'static str) -> Span {
        let name = || format!("{} {table}", self.operation).trim_end().to_owned();
        tracing::info_span!(
            "sql",
            otel.name = self.span_name.get_or_init(name),
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = "postgresql",
            db.namespace = NAMESPACE.get(),
            db.operation.name = self.operation,
            db.collection.name = (!table.is_empty()).then_some(table),
            db.query.text = text,
            "error.type" = Empty,
        )
    }
}

/// Names the database that this process works with, in the spans of its statements. The first name stays: there is one
/// database.
pub fn set_namespace(database: &str) {
    NAMESPACE.get_or_init(|| database.to_owned());
}

/// One execution of a statement; dropped without a word, it was cancelled.
#[must_use = "say how the statement ended; it counts as cancelled when dropped"]
pub struct Timer<'a> {
    handle: &'a Handle,
    span: Span,
    began: Option<Instant>,
    outcome: &'a ::metrics::Counter,
}

impl Timer<'_> {
    /// The span of the execution, to run it in.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The statement succeeded.
    pub fn ok(mut self) {
        self.outcome = &self.handle.ok;
    }

    /// The statement failed: `connection`, `timeout`, `constraint`, `serialization` or `resources`; any other class
    /// counts as `other`.
    pub fn failed(mut self, class: &'static str) {
        self.outcome = &self.handle.error;
        let class = ErrorClass::fold(class);
        ERRORS.with(class).increment(1);
        self.span.record("error.type", class.as_str());
        // A constraint refuses what a player should not have asked for. Where it is a mistake of ours, the request fails.
        if class != ErrorClass::Constraint {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.outcome.increment(1);
        if let Some(began) = self.began {
            self.handle.duration.record_in(&self.span, began.elapsed().as_secs_f64());
        }
    }
}

impl ErrorClass {
    fn fold(class: &str) -> Self {
        match class {
            "connection" => Self::Connection,
            "timeout" => Self::Timeout,
            "constraint" => Self::Constraint,
            "serialization" => Self::Serialization,
            "resources" => Self::Resources,
            _ => Self::Other,
        }
    }
}

/// The instruments of the connection pool.
#[derive(Clone)]
pub struct PoolMetrics {
    /// Connections that are lent out.
    pub active: Gauge,
    /// Connections that are open and not lent out.
    pub idle: Gauge,
    /// Connections that there may be.
    pub max: Gauge,
    /// Time from asking for a connection to having one.
    pub wait: Histogram,
    /// How often no connection came free in time.
    pub timeouts: Counter,
}

impl PoolMetrics {
    /// Registers all of them at zero.
    pub fn new() -> Self {
        let count = |name, help| Desc { name, unit: Unit::Count, help };
        Self {
            active: Gauge::new(&count(
                "database_connections_active",
                "Connections of the pool that are lent out.",
            )),
            idle: Gauge::new(&count(
                "database_connections_idle",
                "Open connections of the pool that nobody uses.",
            )),
            max: Gauge::new(&count("database_connections_max", "Connections that the pool may open.")),
            wait: Histogram::new(
                &Desc {
                    name: "database_pool_wait_seconds",
                    unit: Unit::Seconds,
                    help: "Wait for a connection of the pool, those that timed out included.",
                },
                SQL_SECONDS,
            ),
            timeouts: Counter::new(&count(
                "database_pool_timeouts_total",
                "Requests for a connection that ended without one.",
            )),
        }
    }
}

impl Default for PoolMetrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;

    use super::*;
    use crate::testing::{Spans, attribute, scraped};

    fn count(query: &str, outcome: &str) -> Option<f64> {
        scraped(&format!(
            r#"database_queries_total{{query_type="select",query="{query}",outcome="{outcome}"}}"#
        ))
    }

    #[test]
    fn every_outcome_is_counted_and_silence_is_cancellation() {
        let handle = Handle::new("select", "test_outcomes");
        assert_eq!(count("test_outcomes", "cancelled"), Some(0.0));
        handle.start("select 1", "players").ok();
        let constraint = || scraped(r#"database_errors_total{class="constraint"}"#).unwrap();
        let before = constraint();
        handle.start("select 1", "players").failed("constraint");
        drop(handle.start("select 1", "players"));
        for outcome in ["ok", "error", "cancelled"] {
            assert_eq!(count("test_outcomes", outcome), Some(1.0), "{outcome}");
        }
        assert_eq!(constraint() - before, 1.0);
        let durations = r#"database_query_duration_seconds_count{query_type="select",query="test_outcomes"}"#;
        assert_eq!(scraped(durations), Some(3.0));
    }

    #[test]
    fn an_unlisted_class_is_other() {
        let other = || scraped(r#"database_errors_total{class="other"}"#).unwrap();
        let handle = Handle::new("select", "test_class");
        let before = other();
        handle.start("select 1", "players").failed("moon phase");
        assert_eq!(other() - before, 1.0);
    }

    #[test]
    fn the_span_says_what_was_done() {
        let spans = Spans::record();
        let handle = Handle::new("select", "test_span");
        set_namespace("arena");
        tracing::info_span!("use case").in_scope(|| handle.start("select $1", "players").failed("timeout"));
        let [span, parent] = spans.finished().try_into().unwrap();
        assert_eq!(span.parent_span_id, parent.span_context.span_id());
        assert_eq!(span.name, "SELECT players");
        for (name, value) in [
            ("db.system.name", "postgresql"),
            ("db.namespace", "arena"),
            ("db.operation.name", "SELECT"),
            ("db.collection.name", "players"),
            ("db.query.text", "select $1"),
            ("error.type", "timeout"),
        ] {
            assert_eq!(attribute(&span, name).as_deref(), Some(value), "{name}");
        }
        assert!(matches!(span.status, Status::Error { .. }));
    }

    #[test]
    fn a_constraint_that_does_its_work_is_no_error() {
        let spans = Spans::record();
        let handle = Handle::new("insert", "test_constraint");
        tracing::info_span!("use case").in_scope(|| handle.start("insert", "players").failed("constraint"));
        let [span, _parent] = spans.finished().try_into().unwrap();
        assert_eq!(attribute(&span, "error.type").as_deref(), Some("constraint"));
        assert_eq!(span.status, Status::Unset);
    }

    #[test]
    fn a_statement_without_a_table_is_named_after_what_it_does() {
        let spans = Spans::record();
        let handle = Handle::new("COMMIT", "test_commit");
        tracing::info_span!("use case").in_scope(|| handle.start("commit", "").ok());
        let [span, _parent] = spans.finished().try_into().unwrap();
        assert_eq!(span.name, "COMMIT");
        assert_eq!(attribute(&span, "db.collection.name"), None);
    }

    #[test]
    fn a_statement_on_its_own_is_no_trace() {
        let spans = Spans::record();
        Handle::new("select", "test_probe").start("select 1", "players").ok();
        assert!(spans.finished().is_empty());
        assert_eq!(count("test_probe", "ok"), Some(1.0), "it is measured all the same");
    }
}
