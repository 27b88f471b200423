//! Log lines: one JSON object a line for machines, or one line of text for the eye. Spans leave no trace here but the
//! ids of the current one, so that they cost the log nothing.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;

use opentelemetry::trace::TraceContextExt;
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};

/// Writes each event as a line.
pub(crate) struct LogLayer<W> {
    json: bool,
    /// `"service":"…","version":"…"`, which every JSON line carries.
    identity: String,
    writer: W,
    dispatch: OnceLock<WeakDispatch>,
}

impl<W> LogLayer<W> {
    pub(crate) fn new(json: bool, service: &str, writer: W) -> Self {
        let mut identity = String::from("\"service\":");
        push_json(&mut identity, service);
        identity.push_str(",\"version\":");
        push_json(&mut identity, crate::process::VERSION);
        Self { json, identity, writer, dispatch: OnceLock::new() }
    }

    /// Trace id and span id of the span that the event happened in.
    fn ids(&self) -> Option<(String, String)> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        let current = dispatch.current_span();
        let context = tracing_opentelemetry::get_otel_context(current.id()?, &dispatch)?;
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
    }

    fn json_line(&self, event: &Event<'_>) -> String {
        let metadata = event.metadata();
        let mut fields = Fields { json: true, ..Fields::default() };
        event.record(&mut fields);
        let mut line = String::with_capacity(256 + fields.rest.len());
        // Writing to a string does not fail.
        let _ = write!(line, "{{\"timestamp\":\"{:.6}\"", jiff::Timestamp::now());
        let _ = write!(line, ",\"level\":\"{}\",\"target\":", metadata.level());
        push_json(&mut line, metadata.target());
        line.push_str(",\"message\":");
        push_json(&mut line, &fields.message);
        line.push(',');
        line.push_str(&self.identity);
        if let Some((trace_id, span_id)) = self.ids() {
            let _ = write!(line, ",\"trace_id\":\"{trace_id}\",\"span_id\":\"{span_id}\"");
        }
        line.push_str(&fields.rest);
        line.push_str("}\n");
        line
    }

    fn text_line(&self, event: &Event<'_>) -> String {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some((trace_id, _)) = self.ids() {
            // The beginning of it tells traces apart for the eye.
            let _ = write!(fields.rest, " trace={:.8}", trace_id);
        }
        let now = jiff::Timestamp::now().strftime("%H:%M:%S%.3f");
        format!("{now} {:>5} {}: {}{}\n", metadata.level(), metadata.target(), fields.message, fields.rest)
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // A layer belongs to one subscriber; a second registration of the same one changes nothing.
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = if self.json { self.json_line(event) } else { self.text_line(event) };
        // One write a line, so that lines of different threads do not mix. A log that cannot be written has nowhere
        // to complain.
        let _ = self.writer.make_writer().write_all(line.as_bytes());
    }
}

/// Names that a line has anyway; a field of the same name would hide them.
const RESERVED: [&str; 7] = ["timestamp", "level", "target", "service", "version", "trace_id", "span_id"];

#[derive(Default)]
struct Fields {
    json: bool,
    message: String,
    rest: String,
}

impl Fields {
    /// Writes the name of a field. `false` for the message, which has its own place.
    fn name(&mut self, field: &Field) -> bool {
        if field.name() == "message" {
            return false;
        }
        let prefix = if RESERVED.contains(&field.name()) { "field_" } else { "" };
        let quote = if self.json { "\"" } else { "" };
        let (before, after) = if self.json { (",", ":") } else { (" ", "=") };
        let _ = write!(self.rest, "{before}{quote}{prefix}{}{quote}{after}", field.name());
        true
    }

    fn bare(&mut self, field: &Field, value: impl std::fmt::Display) {
        if self.name(field) {
            let _ = write!(self.rest, "{value}");
        } else {
            self.message = value.to_string();
        }
    }

    fn text(&mut self, field: &Field, value: String) {
        if !self.name(field) {
            self.message = value;
        } else if self.json || value.is_empty() || value.contains([' ', '"', '\n']) {
            push_json(&mut self.rest, &value);
        } else {
            self.rest.push_str(&value);
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, value);
        } else {
            // JSON has no NaN and no infinity.
            self.text(field, value.to_string());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let _ = write!(chain, ": {error}");
            cause = error.source();
        }
        self.text(field, chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }
}

/// Appends a JSON string.
fn push_json(out: &mut String, text: &str) {
    // Text can always be written as JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::testing::Memory;

    fn written(json: bool, events: impl FnOnce()) -> String {
        crate::testing::keep_subscribers();
        let memory = Memory::default();
        let writer = memory.clone();
        let log = LogLayer::new(json, "match", move || writer.clone());
        let traces = crate::otlp::layer(SdkTracerProvider::builder().build().tracer("test"));
        let log = log.with_filter(crate::start::log_filter("info", None).unwrap());
        let subscriber = tracing_subscriber::registry().with(traces).with(log);
        tracing::subscriber::with_default(subscriber, events);
        memory.text()
    }

    #[test]
    fn a_json_line_has_the_ids_of_its_span_and_flat_fields() {
        let mut expected = None;
        let line = written(true, || {
            let span = tracing::info_span!("start_match", match_id = 3);
            expected = crate::trace::span_context(&span);
            span.in_scope(|| {
                tracing::warn!(
                    player_id = 7,
                    level = "deep",
                    ok = true,
                    ratio = f64::NAN,
                    "he said \"{}\"\n",
                    1
                );
            });
        });
        let json: serde_json::Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        let context = expected.unwrap();
        assert_eq!(json["message"], "he said \"1\"\n");
        assert_eq!((&json["level"], &json["field_level"]), (&"WARN".into(), &"deep".into()));
        assert_eq!(
            (&json["player_id"], &json["ok"], &json["ratio"]),
            (&7.into(), &true.into(), &"NaN".into())
        );
        assert_eq!(json["service"], "match");
        assert_eq!(json["version"], crate::process::VERSION);
        assert_eq!(json["trace_id"], context.trace_id().to_string());
        assert_eq!(json["span_id"], context.span_id().to_string());
        assert!(json["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }

    #[test]
    fn outside_of_a_span_there_are_no_ids_and_the_filter_holds() {
        let lines = written(true, || {
            tracing::debug!("too quiet");
            tracing::info!("heard");
        });
        assert_eq!(lines.lines().count(), 1);
        assert!(lines.contains("heard") && !lines.contains("trace_id"), "{lines}");
    }

    #[test]
    fn a_text_line_is_for_the_eye() {
        let line =
            written(false, || tracing::info!(port = 8000, name = "two words", short = "one", "listening"));
        assert!(line.ends_with("listening port=8000 name=\"two words\" short=one\n"), "{line}");
        let mut expected = None;
        let line = written(false, || {
            let span = tracing::info_span!("start_match");
            expected = crate::trace::span_context(&span);
            span.in_scope(|| tracing::info!("within"));
        });
        let trace_id = expected.unwrap().trace_id().to_string();
        assert!(line.ends_with(&format!("within trace={}\n", &trace_id[..8])), "{line}");
    }
}
