//! The logs of a whole run, faults included: every line is whole, what failed is told once with what an operator needs,
//! and nothing in them belongs to somebody else.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exposition;
use crate::scrape::SERVICES;
use crate::stage::{Ended, PASSWORD, Stage, json_lines};
use crate::witness::{Protocol, Span, Witness};

/// How long the platform may take to be there again.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a careless client sends; none of it may be seen again.
const SECRETS: [&str; 4] = ["open-sesame-1", "bearer-of-news-2", "session-crumb-3", "mother@maiden.example"];

/// Words that announce a secret.
const ANNOUNCEMENTS: [&str; 5] = ["authorization", "password", "bearer", "cookie", "access_token"];

/// A route of the gateway that another service answers.
const PASSED_ON: &str = "/api/stats/players";

/// The call by which outboxes are emptied.
const RELAYED: &str = "battlearena.events.v1.EventLogService/Append";

/// A request that the platform could not answer, by its id.
type Failed = BTreeMap<String, (&'static str, &'static str, u64)>;

/// Requests with secrets in every place where clients put them.
async fn be_careless(stage: &Stage, failed: &mut Failed) {
    let [password, bearer, cookie, email] = SECRETS;
    let posts = [
        ("/api/players/register", json!({"username": "careless", "email": email, "password": password})),
        ("/api/players/register", json!({"username": "careless", "email": email, "level": -1})),
        ("/api/players/login", json!({"player_id": 1, "password": password})),
        ("/api/players/login", json!({"username": email, "password": password})),
        ("/api/matches/start", json!({"match_type": "solo", "player_ids": [1], "token": bearer})),
    ];
    for (path, body) in posts {
        let request = stage.http.post(stage.url("gateway", path)).json(&body);
        let request = request.bearer_auth(bearer).header("cookie", cookie).header("x-email", email);
        let response = request.send().await.unwrap();
        let status = u64::from(response.status().as_u16());
        if status >= 500 {
            let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            failed.insert(id, ("POST", path, status));
        }
    }
    // The gateway passes on what analytics answers.
    let statistics = stage.http.get(stage.url("gateway", PASSED_ON)).send().await.unwrap();
    if statistics.status().is_server_error() {
        let id = statistics.headers()["x-request-id"].to_str().unwrap().to_owned();
        failed.insert(id, ("GET", PASSED_ON, statistics.status().as_u16().into()));
    }
    let broken = format!(r#"{{"email": "{email}", "password": "{password}" "#);
    let request = stage.http.post(stage.url("gateway", "/api/players/login")).body(broken);
    let status = request.header("content-type", "application/json").send().await.unwrap().status();
    assert_eq!(status, 400);
    let path = format!("/api/players/{password}?email={email}&token={bearer}");
    stage.http.get(stage.url("gateway", &path)).send().await.unwrap();
    let socket = format!("{}?token={bearer}", stage.url("socket-gateway", "/ws"));
    stage.http.get(socket).bearer_auth(bearer).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_of_a_whole_run_are_whole_and_clean() {
    let witness = Witness::start(Protocol::Grpc);
    let mut stage = Stage::start(|command| {
        witness.observe(command);
        command.args(["--auth", "open"]);
    })
    .await;
    let mut simulator = stage.simulator(&["--seed", "3", "--rate", "80", "--duration", "12s"]);
    simulator.args(["--players", "50", "--socket-players", "10", "--mistakes", "20", "--heartbeats"]);
    simulator.args(["--timeout", "2s", "--give-up", "10s"]).env("ARENA_LOG_FORMAT", "json");
    witness.observe(&mut simulator);
    let simulator = simulator.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    let mut failed = Failed::new();
    be_careless(&stage, &mut failed).await;
    assert_eq!(failed, Failed::new());
    let began = Instant::now();
    while stage.number("select count(*) from match.matches where status = 'completed'").await == 0 {
        assert!(began.elapsed() < PATIENCE, "nothing is played");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.kill_database().await;
    be_careless(&stage, &mut failed).await;
    assert!(failed.len() >= 4 && failed.values().any(|(_, path, _)| *path == PASSED_ON), "{failed:?}");
    stage.start_database().await;
    let output = tokio::task::spawn_blocking(|| simulator.wait_with_output().unwrap()).await.unwrap();
    be_careless(&stage, &mut Failed::new()).await;

    let faults = faults(&stage).await;
    let emails = stage.number("select count(*) from gateway.players where email like '%@%'").await;
    assert!(emails >= 50, "there are no addresses that could have leaked");
    let ended = stage.stop().await;
    assert!(ended.status.success());
    for service in SERVICES {
        lines_are_whole(service, &ended.log_lines(service));
        nothing_leaks(service, &ended.log(service));
    }
    let log = String::from_utf8_lossy(&output.stderr);
    lines_are_whole("simulator", &json_lines(&log));
    nothing_leaks("simulator", &log);
    nothing_leaks("arena up", &ended.said);
    failures_are_told_once(&ended, &failed, faults);
    spans_keep_secrets(&witness.spans());
}

/// Answers of the gateway that were its own fault.
async fn faults(stage: &Stage) -> u64 {
    let series = exposition::series(&stage.metrics("gateway", "").await, "http_requests_total");
    let faults = series.iter().filter(|(labels, _)| labels["status"].starts_with('5'));
    faults.map(|(_, value)| *value as u64).sum()
}

fn lines_are_whole(service: &str, lines: &[Value]) {
    assert!(!lines.is_empty(), "{service}");
    for line in lines {
        for field in ["timestamp", "level", "target", "message", "service", "version"] {
            assert!(line[field].as_str().is_some_and(|text| !text.is_empty()), "no {field} in {line}");
        }
        let levels = ["ERROR", "WARN", "INFO"];
        assert!(levels.contains(&line["level"].as_str().unwrap()), "{line}");
        assert_eq!(line["service"], service, "{line}");
        assert_eq!(line["version"], env!("CARGO_PKG_VERSION"), "{line}");
        assert_eq!(line.get("trace_id").is_some(), line.get("span_id").is_some(), "{line}");
    }
}

fn nothing_leaks(service: &str, log: &str) {
    for line in log.lines() {
        for secret in SECRETS.iter().chain([&PASSWORD]) {
            assert!(!line.contains(secret), "{service} tells {secret}: {line}");
        }
        for word in ANNOUNCEMENTS {
            assert!(!line.to_lowercase().contains(word), "{service} speaks of {word}: {line}");
        }
        assert_eq!(address_in(line), None, "{service}: {line}");
    }
}

/// Spans go to another place than logs, and must be as clean. Only the path is the client's own.
fn spans_keep_secrets(spans: &[Span]) {
    assert!(spans.len() > 1_000);
    for span in spans {
        let mut span = span.clone();
        span.attrs.remove("url.path");
        let text = format!("{span:?}");
        for secret in SECRETS.iter().chain([&PASSWORD]) {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(address_in(&text), None, "{text}");
    }
}

/// The first e-mail address in a text: something, an @, and a name with a dot in it.
pub(crate) fn address_in(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    text.match_indices('@').find_map(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let begin = before.len()
            - before.chars().rev().take_while(|c| is_part(*c)).map(char::len_utf8).sum::<usize>();
        let end = after.chars().take_while(|c| is_part(*c)).map(char::len_utf8).sum::<usize>();
        let domain = after[..end].trim_end_matches('.');
        (begin < at && domain.contains('.')).then(|| &text[begin..=at + end])
    })
}

#[test]
fn addresses_are_found() {
    assert_eq!(address_in(r#"{"email":"ada.l+x@mail.example.com"}"#), Some("ada.l+x@mail.example.com"));
    assert_eq!(address_in("to <bob@x.org>."), Some("bob@x.org"));
    assert_eq!(address_in("at @noon, a@b, Vec<u8>@0x7f, x @ y.z"), None);
}

/// How a failure is told of, and at which level: by the process that failed, and by one that passes it on.
const TOLD: [(&str, &str); 2] = [("request failed", "ERROR"), ("a peer failed the request", "WARN")];

/// Each failure of ours has one line at the edge, with all that leads to its request and to its trace, and one ERROR: in
/// the process that failed.
fn failures_are_told_once(ended: &Ended, failed: &Failed, faults: u64) {
    let every: Vec<Vec<Value>> = SERVICES.iter().map(|service| ended.log_lines(service)).collect();
    let told = |lines: &[Value]| -> Vec<Value> {
        let is_told = |line: &&Value| TOLD.iter().any(|(message, _)| line["message"] == *message);
        lines.iter().filter(is_told).cloned().collect()
    };
    let at_the_edge = told(&ended.log_lines("gateway"));
    for line in &at_the_edge {
        assert!(TOLD.iter().any(|(message, level)| line["message"] == *message && line["level"] == *level));
        for field in ["method", "endpoint", "request_id", "trace_id", "error", "error.type"] {
            assert!(line[field].as_str().is_some_and(|text| !text.is_empty()), "no {field} in {line}");
        }
        assert!(line["status_code"].as_u64().is_some_and(|status| status >= 500), "{line}");
        assert!(line["duration_ms"].as_f64().is_some_and(|duration| duration >= 0.0), "{line}");
        assert_eq!(line["request_id"], line["trace_id"], "{line}");
    }
    for (id, (method, endpoint, status)) in failed {
        let [line] = at_the_edge.iter().filter(|line| line["request_id"] == **id).collect::<Vec<_>>()[..]
        else {
            panic!("{id} is not told once");
        };
        let found = (&line["method"], &line["endpoint"], &line["status_code"]);
        assert_eq!(found, (&json!(method), &json!(endpoint), &json!(status)), "{line}");
        let level = if *endpoint == PASSED_ON { "WARN" } else { "ERROR" };
        assert_eq!(line["level"], level, "{line}");
        // What was stored is carried on in the same trace, and may fail there too.
        let of_this = |line: &&Value| {
            line["trace_id"] == **id && line["message"] == TOLD[0].0 && line["endpoint"] != RELAYED
        };
        let errors: Vec<&Value> = every.iter().flatten().filter(of_this).collect();
        assert_eq!(errors.len(), 1, "{id}: {errors:?}");
    }
    assert_eq!(at_the_edge.len() as u64, faults, "failures told, and answers that were faults of ours");

    // Whoever serves gRPC tells of its own failures in the same way.
    for line in told(&["match", "analytics"].map(|service| ended.log_lines(service)).concat()) {
        assert!(line["endpoint"].as_str().is_some_and(|name| name.contains("Service/")), "{line}");
        assert!(line["grpc_code"].is_string() && line["duration_ms"].is_number(), "{line}");
    }
}
