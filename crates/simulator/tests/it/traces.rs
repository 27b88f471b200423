//! Each operation is a trace that begins with the simulator, and its span says what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use battlearena_simulator::Outcome;
use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

use crate::platform::{Faults, Platform};
use crate::sockets::Sockets;
use crate::{check, operation, talk};

/// Records the spans of this thread, which runs the operations too, until it is dropped.
struct Spans {
    exporter: InMemorySpanExporter,
    _subscriber: DefaultGuard,
}

impl Spans {
    fn record() -> Self {
        // While there is but one subscriber in the process, `tracing` takes its answer about a span for that of all.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&SECOND);
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { exporter, _subscriber: subscriber }
    }

    /// The simulator's spans, by name.
    fn finished(&self) -> BTreeMap<String, Vec<SpanData>> {
        let mut spans = BTreeMap::<_, Vec<_>>::new();
        for span in self.exporter.get_finished_spans().unwrap() {
            if span.name.starts_with("simulate_") {
                spans.entry(span.name.to_string()).or_default().push(span);
            }
        }
        spans
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let pair = span.attributes.iter().find(|pair| pair.key.as_str() == name);
    pair.map(|pair| pair.value.as_str().into_owned())
}

fn with<'a>(spans: &'a [SpanData], name: &str, value: &str) -> Vec<&'a SpanData> {
    spans.iter().filter(|span| attribute(span, name).as_deref() == Some(value)).collect()
}

fn count(outcome: &Outcome, names: &[&str]) -> usize {
    let rows = outcome.summary.operations.iter().filter(|row| names.contains(&row.operation));
    rows.map(|row| row.count as usize).sum()
}

#[tokio::test]
async fn every_operation_is_a_trace_of_its_own_with_its_outcome() {
    let faults = Faults { drop_keyed: Some(9), drop_log_ins: Some(10), ..Faults::default() };
    let platform = Platform::start(faults).await;
    let recorded = Spans::record();
    let outcome = check(&platform, "--allow-errors --rate 400").await;
    assert!(outcome.held(), "{}", outcome.summary);
    let spans = recorded.finished();

    let ends = ["complete match", "crash match", "end match at stop"];
    let reads = ["get player", "get rank", "list matches", "get leaderboard", "get stats"];
    let mistakes = [
        "mistake: unknown player",
        "mistake: wrong password",
        "mistake: malformed body",
        "mistake: unknown match",
    ];
    for (name, rows) in [
        ("simulate_registration", &["register player"][..]),
        ("simulate_player_login", &["player login"]),
        ("simulate_match_start", &["start match"]),
        ("simulate_transaction", &["create transaction"]),
        ("simulate_system_event", &["log system event"]),
        ("simulate_read", &reads),
        ("simulate_mistake", &mistakes),
    ] {
        assert_eq!(spans[name].len(), count(&outcome, rows), "{name}");
    }
    let ended =
        [&spans["simulate_match_completion"][..], spans.get("simulate_match_crash").map_or(&[], |all| all)]
            .concat();
    assert_eq!(ended.len(), count(&outcome, &ends));

    let all: Vec<_> = spans.values().flatten().collect();
    let traces: HashSet<_> = all.iter().map(|span| span.span_context.trace_id()).collect();
    assert_eq!(traces.len(), all.len(), "no two operations share a trace, nor is seeding one");
    let is_root = |span: &SpanData| span.parent_span_id == opentelemetry::trace::SpanId::INVALID;
    assert!(all.iter().all(|span| is_root(span) && span.span_kind == SpanKind::Client));

    let log_ins = &spans["simulate_player_login"];
    assert!(log_ins.iter().all(|span| attribute(span, "player.id").is_some()));
    let row = operation(&outcome, "player login");
    assert_eq!(with(log_ins, "simulation.outcome", "ok").len() as u64, row.count - row.errors);
    assert_eq!(with(log_ins, "http.response.status_code", "200").len() as u64, row.count - row.errors);
    assert!(ended.iter().all(|span| attribute(span, "match.id").is_some()));
    let bought = &spans["simulate_transaction"];
    assert!(bought.iter().all(|span| attribute(span, "transaction.status").is_some()));

    let refused = &spans["simulate_mistake"];
    assert_eq!(with(refused, "simulation.outcome", "refused").len(), refused.len());
    assert!(refused.iter().all(|span| span.status == Status::Unset), "as it should be");
    assert_eq!(
        with(refused, "error.type", "malformed").len(),
        with(refused, "http.response.status_code", "400").len()
    );

    let starts: HashMap<_, _> = spans["simulate_match_start"]
        .iter()
        .map(|span| (attribute(span, "match.id").unwrap(), span.span_context.span_id()))
        .collect();
    for end in &ended {
        let linked: Vec<_> = end.links.iter().map(|link| link.span_context.span_id()).collect();
        assert_eq!(linked, [starts[&attribute(end, "match.id").unwrap()]]);
    }
}

#[tokio::test]
async fn every_attempt_of_an_operation_carries_its_trace() {
    let faults = Faults { drop_keyed: Some(5), refuse_keyed: Some(7), ..Faults::default() };
    let platform = Platform::start(faults).await;
    let recorded = Spans::record();
    let outcome = check(&platform, "--mistakes 0").await;
    assert!(outcome.held(), "{}", outcome.summary);
    let known: HashMap<_, _> = recorded
        .finished()
        .into_values()
        .flatten()
        .map(|span| {
            let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
            (format!("00-{trace}-{id}-01"), 0)
        })
        .collect();
    let mut attempts = known;
    for request in &platform.books.lock().unwrap().requests {
        match &request.traceparent {
            Some(traceparent) => *attempts.get_mut(traceparent).unwrap() += 1,
            None => assert_eq!(request.path, "/api/stats/players", "seeding looks there"),
        }
    }
    assert!(attempts.values().all(|&count| count > 0), "no span without a request");
    assert!(attempts.values().any(|&count| count > 1), "retries belong to the same trace");
}

#[tokio::test]
async fn what_was_given_up_says_so() {
    let platform = Platform::start(Faults { no_ends: true, ..Faults::default() }).await;
    let recorded = Spans::record();
    let outcome = check(&platform, "--give-up 200ms --allow-errors").await;
    let ends = &recorded.finished()["simulate_match_completion"];
    let unknown = with(ends, "simulation.outcome", "unknown");
    assert!(unknown.len() == ends.len() && !ends.is_empty(), "{}", outcome.summary);
    for span in unknown {
        assert!(matches!(span.status, Status::Error { .. }));
        assert_eq!(attribute(span, "error.type").as_deref(), Some("unavailable"));
        assert_eq!(attribute(span, "http.response.status_code").as_deref(), Some("503"));
    }
}

#[tokio::test]
async fn talk_is_traced_until_it_is_acknowledged() {
    let sockets = Sockets::start(u64::MAX).await;
    let recorded = Spans::record();
    let (_, outcome) = talk::talk(&sockets, None).await;
    assert!(outcome.held(), "{}", outcome.summary);
    let spans = recorded.finished();
    let said = &spans["simulate_chat_message"];
    assert_eq!(with(said, "simulation.outcome", "ok").len() as u64, outcome.summary.chat.acknowledged);
    assert_eq!((said.len() as u64, said.is_empty()), (outcome.summary.chat.acknowledged, false));
    assert_eq!(with(&spans["simulate_room_entry"], "simulation.outcome", "ok").len(), 12);
    let mistakes: Vec<_> = with(&spans["simulate_mistake"], "simulation.operation", "mistake: bad room");
    assert_eq!(mistakes.len(), 12);
    assert!(mistakes.iter().all(|span| attribute(span, "simulation.outcome").as_deref() == Some("refused")));
}
