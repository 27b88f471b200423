//! A stop loses no span that was ended: what each process says that it sent is what a receiver that is not ours wrote
//! down. And without a receiver, nothing is lost but spans, and those are counted.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exposition;
use crate::platform::free_address;
use crate::scrape::SERVICES;
use crate::stage::{Stage, json_lines};
use crate::witness::{Protocol, Witness};

/// How long the first dropped span may take to be counted: an export may take 10 s until it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the processes of one service said at their ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    processes: usize,
    ended: u64,
    exported: u64,
    dropped: u64,
}

impl Account {
    fn of(lines: &[Value]) -> Self {
        let mut account = Self::default();
        for line in lines.iter().filter(|line| line["message"] == "telemetry stopped") {
            let number = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("no {name} in {line}"));
            account.processes += 1;
            account.ended += number("spans_ended");
            account.exported += number("spans_exported");
            account.dropped += number("spans_dropped");
        }
        account
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_no_span() {
    let witness = Witness::start(Protocol::Grpc);
    let mut stage = Stage::start(|command| {
        witness.observe(command);
        // So that much is left to the flush.
        command.env("OTEL_BSP_SCHEDULE_DELAY", "60000");
    })
    .await;
    let mut simulator = stage.simulator(&["--seed", "5", "--rate", "100", "--duration", "15s"]);
    simulator.args(["--players", "50", "--socket-players", "10"]).env("ARENA_LOG_FORMAT", "json");
    witness.observe(&mut simulator);
    let simulator = simulator.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let log_ins = async |stage: &Stage| {
        let scrape = stage.metrics("gateway", "").await;
        exposition::value(&scrape, "player_logins_total").unwrap()
    };
    let began = Instant::now();
    while log_ins(&stage).await == 0.0 {
        assert!(began.elapsed() < PATIENCE, "no traffic");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for service in SERVICES {
        stage.restart(service);
    }
    let output = tokio::task::spawn_blocking(|| simulator.wait_with_output().unwrap()).await.unwrap();
    let ended = stage.stop().await;
    assert!(ended.status.success());

    let spans = witness.spans();
    let received = |service: &str| spans.iter().filter(|span| span.service == service).count() as u64;
    for service in SERVICES {
        let account = Account::of(&ended.log_lines(service));
        let count = received(service);
        assert!(count > 100, "{service} was idle: {count} spans");
        assert_eq!(account, Account { processes: 2, ended: count, exported: count, dropped: 0 }, "{service}");
    }
    let log = String::from_utf8_lossy(&output.stderr);
    let count = received("simulator");
    let expected = Account { processes: 1, ended: count, exported: count, dropped: 0 };
    assert_eq!(Account::of(&json_lines(&log)), expected, "{log}");
}

/// Requests are answered as ever, dropped spans are counted, and the ends of the processes stay within their bounds:
/// `arena up` kills who overruns them, and says so by its exit code.
async fn serve_without_a_receiver(endpoint: String, protocol: &str) {
    let stage = Stage::start(|command| {
        command
            .args(["--auth", "open"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
            .env("OTEL_BSP_SCHEDULE_DELAY", "100")
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "64")
            .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64");
    })
    .await;
    let began = Instant::now();
    let mut number = 0;
    loop {
        number += 1;
        let player = json!({"username": format!("player-{number}"), "email": "somebody@example.com"});
        let request = stage.http.post(stage.url("gateway", "/api/players/register")).json(&player);
        assert_eq!(request.send().await.unwrap().status(), 200);
        let scrape = stage.metrics("gateway", "").await;
        if exposition::value(&scrape, "telemetry_spans_dropped_total").unwrap() > 0.0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "no dropped span is counted");
    }
    let ended = stage.stop().await;
    assert!(ended.status.success());
    for service in SERVICES {
        let account = Account::of(&ended.log_lines(service));
        assert_eq!(account.processes, 1, "{service}: {}", ended.log(service));
        assert_eq!((account.exported, account.dropped), (0, account.ended), "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_receiver_that_is_not_there() {
    serve_without_a_receiver(format!("http://{}", free_address()), "http/protobuf").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_receiver_that_does_not_answer() {
    // It takes connections and says nothing on them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    serve_without_a_receiver(format!("http://{}", silent.local_addr().unwrap()), "grpc").await;
}
