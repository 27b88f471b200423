//! One run, told four times: by the simulator who made the requests, by the counters, by the spans as a receiver that is
//! not ours wrote them down, and by the rows in the database. All of them say the same, and every exemplar leads to a
//! span that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::exposition::{self, Labels};
use crate::scrape::SERVICES;
use crate::span_tree;
use crate::stage::Stage;
use crate::witness::{Protocol, SERVER, Span, Witness};

/// How long the last event may take into the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often something happened, by what it was.
type Counts = BTreeMap<String, u64>;

/// Every service's metrics at one moment.
struct Scrapes(BTreeMap<&'static str, String>);

impl Scrapes {
    async fn take(stage: &Stage, accept: &str) -> Self {
        let mut scrapes = BTreeMap::new();
        for service in SERVICES {
            scrapes.insert(service, stage.metrics(service, accept).await);
        }
        Self(scrapes)
    }

    /// A counter of some services, by what `key` makes of its labels.
    fn counts(&self, services: &[&str], metric: &str, key: impl Fn(&Labels) -> Option<String>) -> Counts {
        let mut counts = Counts::new();
        for (labels, value) in
            services.iter().flat_map(|service| exposition::series(&self.0[service], metric))
        {
            if let Some(key) = key(&labels).filter(|_| value > 0.0) {
                *counts.entry(key).or_default() += value as u64;
            }
        }
        counts
    }
}

/// What is in a list of the summary, by the fields that name it.
fn truth(summary: &Value, list: &str, names: &[&str]) -> Counts {
    let rows = summary[list].as_array().unwrap_or_else(|| panic!("no {list} in {summary}"));
    let name = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let key = |row: &Value| names.iter().map(|field| name(&row[field])).collect::<Vec<_>>().join(" ");
    rows.iter().map(|row| (key(row), row["count"].as_u64().unwrap())).collect()
}

fn count<'a>(spans: impl Iterator<Item = &'a Span>, key: impl Fn(&Span) -> String) -> Counts {
    let mut counts = Counts::new();
    spans.for_each(|span| *counts.entry(key(span)).or_default() += 1);
    counts
}

fn of_route(method: &str, route: &str, status: &str) -> String {
    format!("{method} {route} {status}")
}

/// The rows that routes made: a query, and the requests that it must count.
const ROWS: &[(&str, &str)] = &[
    ("select count(*) from gateway.players", "POST /api/players/register 200"),
    ("select count(*) from match.matches", "POST /api/matches/start 200"),
    ("select count(*) from match.matches where status = 'completed'", "POST /api/matches/complete 200"),
    ("select count(*) from match.matches where status = 'crashed'", "POST /api/matches/crash 200"),
    ("select count(*) from gateway.transactions", "POST /api/transactions/create 200"),
];

/// What the log holds, and the requests that it tells of.
const EVENTS: &[(&str, &str)] = &[
    ("player_registered", "POST /api/players/register 200"),
    ("player_logged_in", "POST /api/players/login 200"),
    ("match_started", "POST /api/matches/start 200"),
    ("match_completed", "POST /api/matches/complete 200"),
    ("match_crashed", "POST /api/matches/crash 200"),
    ("transaction_recorded", "POST /api/transactions/create 200"),
];

/// What the services ask the gateway by themselves.
const KEYS_OF_TOKENS: &str = "/.well-known/jwks.json";

/// What the simulator does before its first operation.
const KEY_EXCHANGE: &str = "POST /api/keys/token";

/// The roots that the simulator must have opened.
const PLAYED: [&str; 7] = [
    "simulate_registration",
    "simulate_player_login",
    "simulate_match_start",
    "simulate_match_completion",
    "simulate_transaction",
    "simulate_system_event",
    "simulate_chat_message",
];

#[tokio::test(flavor = "multi_thread")]
async fn simulator_counters_spans_and_rows_agree() {
    let witness = Witness::start(Protocol::Grpc);
    let stage = Stage::start(|command| witness.observe(command)).await;
    let mut simulator = stage.simulator(&["--seed", "11", "--rate", "60", "--duration", "8s", "--check"]);
    simulator.args(["--players", "40", "--socket-players", "10", "--mistakes", "10", "--reads", "20"]);
    witness.observe(&mut simulator);
    let simulator = simulator.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = tokio::task::spawn_blocking(|| simulator.wait_with_output().unwrap()).await.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{log}", String::from_utf8_lossy(&output.stdout));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let requests = truth(&summary, "requests", &["method", "route", "status"]);
    assert!(!requests.keys().any(|key| key.ends_with(" 0")), "an answer was lost: {requests:#?}\n{log}");

    let commands = counters_agree(&stage, &summary, &requests).await;
    rows_agree(&stage, &summary, &requests).await;
    let exemplars = Scrapes::take(&stage, exposition::OPEN_METRICS).await;
    let ended = stage.stop().await;
    assert!(ended.status.success());
    let spans = witness.spans();
    spans_agree(&spans, &requests, &commands);
    events_are_consumed_in_their_traces(&spans);
    assert_eq!(span_tree::complaints(&spans, &BTreeSet::new()), Vec::<String>::new());
    exemplars_resolve(&exemplars, &spans);
}

/// Returns the commands of sockets that made sense.
async fn counters_agree(stage: &Stage, summary: &Value, requests: &Counts) -> Counts {
    let scrapes = Scrapes::take(stage, "").await;
    let counted = scrapes.counts(&["gateway", "socket-gateway"], "http_requests_total", |labels| {
        let is_ours = labels["endpoint"] != KEYS_OF_TOKENS;
        is_ours.then(|| of_route(&labels["method"], &labels["endpoint"], &labels["status"]))
    });
    assert_eq!(&counted, requests, "counters and simulator");
    let mut commands = scrapes.counts(&["socket-gateway"], "websocket_messages_total", |labels| {
        (labels["direction"] == "in").then(|| labels["kind"].clone())
    });
    // A command that makes no sense counts as refused, whatever it wanted to be.
    let refused = commands.remove("refused").unwrap_or_default();
    let mut sent = truth(summary, "socket_commands", &["command"]);
    let joins = sent.get_mut("join").unwrap();
    assert!(refused > 0 && *joins > refused, "the simulator makes such mistakes");
    *joins -= refused;
    assert_eq!(commands, sent, "counters and simulator");
    let dropped =
        scrapes.counts(&SERVICES, "telemetry_spans_dropped_total", |_| Some("dropped spans".to_owned()));
    assert_eq!(dropped, Counts::new());
    commands
}

async fn rows_agree(stage: &Stage, summary: &Value, requests: &Counts) {
    for (query, request) in ROWS {
        assert_eq!(stage.number(query).await as u64, requests[*request], "{query}");
    }
    let said = stage.number("select count(*) from socket.messages").await as u64;
    assert_eq!(said, summary["chat"]["acknowledged"].as_u64().unwrap(), "chat messages");
    let began = Instant::now();
    for (event, request) in EVENTS {
        let query = format!("select count(*) from analytics.system_events where event_type = '{event}'");
        let mut found = 0;
        while found != requests[*request] {
            found = stage.number(&query).await as u64;
            assert!(began.elapsed() < PATIENCE, "{found} of {event}, and {}", requests[*request]);
        }
    }
    let posted = "select count(*) from analytics.system_events where source = 'api'";
    assert_eq!(stage.number(posted).await as u64, requests["POST /api/system/event 200"], "{posted}");
}

fn spans_agree(spans: &[Span], requests: &Counts, commands: &Counts) {
    let http = spans.iter().filter(|span| {
        let is_http = span.kind == SERVER && span.attrs.contains_key("http.request.method");
        is_http && span.text("http.route") != KEYS_OF_TOKENS
    });
    let traced = count(http, |span| {
        let route =
            if span.text("http.route").is_empty() { "unmatched".to_owned() } else { span.text("http.route") };
        of_route(&span.text("http.request.method"), &route, &span.text("http.response.status_code"))
    });
    assert_eq!(&traced, requests, "server spans and simulator");

    let names = ["socket_command", "send_message"];
    let told = spans.iter().filter(|span| names.contains(&span.name.as_str()));
    let traced = count(told, |span| span.text("messaging.operation.name"));
    assert_eq!(&traced, commands, "command spans and simulator");

    let simulated = |span: &&Span| span.service == "simulator";
    let roots: BTreeSet<&str> = spans
        .iter()
        .filter(simulated)
        .filter(|span| span.parent.is_empty())
        .map(|span| &*span.name)
        .collect();
    for name in PLAYED {
        assert!(roots.contains(name), "{name} in {roots:?}");
    }
    for span in spans.iter().filter(simulated) {
        let outcome = span.text("simulation.outcome");
        assert!(["ok", "refused", "failed", "unknown"].contains(&outcome.as_str()), "{span:?}");
    }
    // Every request belongs to the operation that made it, and each operation is a trace of its own.
    let operations: BTreeMap<&str, &Span> =
        spans.iter().filter(simulated).map(|span| (span.span.as_str(), span)).collect();
    let of_operations = |span: &&Span| {
        span.service == "gateway" && span.name.starts_with("POST ") && span.name != KEY_EXCHANGE
    };
    for span in spans.iter().filter(of_operations) {
        let operation = operations.get(span.parent.as_str());
        assert!(operation.is_some_and(|operation| operation.parent.is_empty()), "{span:?}");
    }
}

/// Whatever batch an event travelled in, its own trace shows how it was stored and applied, each once.
fn events_are_consumed_in_their_traces(spans: &[Span]) {
    let told = ["login", "register"].map(|what| format!("POST /api/players/{what}"));
    let mut by_trace: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    spans.iter().for_each(|span| by_trace.entry(&span.trace).or_default().push(span));
    for span in spans
        .iter()
        .filter(|span| told.contains(&span.name) && span.text("http.response.status_code") == "200")
    {
        let count =
            |holds: fn(&Span) -> bool| by_trace[&*span.trace].iter().filter(|span| holds(span)).count();
        let appended =
            count(|span| span.service == "analytics" && span.name.ends_with("EventLogService/Append"));
        let appended_by_others = count(|span| span.name == "append_events");
        assert_eq!(appended + appended_by_others, 1, "stored in {}", span.trace);
        let applied = count(|span| span.service == "analytics" && span.name == "apply_events");
        assert_eq!(applied, 1, "applied in {}", span.trace);
    }
}

fn exemplars_resolve(scrapes: &Scrapes, spans: &[Span]) {
    let known: BTreeSet<(&str, &str)> = spans.iter().map(|span| (&*span.trace, &*span.span)).collect();
    let mut metrics = BTreeSet::new();
    for (service, text) in &scrapes.0 {
        for (metric, trace, span) in exposition::exemplars(text) {
            assert!(known.contains(&(&trace, &span)), "{metric} of {service} leads to {trace} {span}");
            metrics.insert(format!("{service} {metric}"));
        }
    }
    for metric in [
        "gateway http_request_duration_seconds_bucket",
        "gateway grpc_client_handling_seconds_bucket",
        "gateway database_query_duration_seconds_bucket",
        "match grpc_server_handling_seconds_bucket",
        "analytics grpc_server_handling_seconds_bucket",
        "socket-gateway websocket_message_processing_seconds_bucket",
    ] {
        assert!(metrics.contains(metric), "no exemplar in {metric}: {metrics:?}");
    }
}
