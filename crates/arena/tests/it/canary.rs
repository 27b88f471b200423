//! `arena up --canary`: what the synthetic player counts of a real platform, through an outage of its database.

use std::net::TcpListener;
use std::time::Duration;

use crate::stage::Stage;

const CHECKS: [&str; 3] = ["login", "match", "chat"];

/// Longer than an outage takes to be seen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How many checks of a kind came to that.
async fn count(stage: &Stage, canary: &str, check: &str, outcome: &str) -> u64 {
    let url = format!("http://{canary}/metrics");
    let text = stage.http.get(url).send().await.unwrap().text().await.unwrap();
    let series = format!("canary_checks_total{{check=\"{check}\",outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
}

/// Waits for more checks of each kind to come to that.
async fn more(stage: &Stage, canary: &str, outcome: &str) {
    let wait = async {
        for check in CHECKS {
            let before = count(stage, canary, check, outcome).await;
            while count(stage, canary, check, outcome).await < before + 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no more checks are {outcome}"));
}

/// How many sockets ended without a word.
async fn lost_sockets(stage: &Stage) -> u64 {
    let text = stage.metrics("socket-gateway", "text/plain").await;
    let series = "websocket_connections_total{outcome=\"lost\"} ";
    text.lines().find_map(|line| line.strip_prefix(series)?.parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_tells_an_outage_and_its_end() {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut stage = Stage::start(|command| {
        command.args(["--canary", "--canary-http", &canary]).env("ARENA_CANARY_INTERVAL_SECONDS", "1");
    })
    .await;
    more(&stage, &canary, "ok").await;
    for check in CHECKS {
        assert_eq!(count(&stage, &canary, check, "failed").await, 0, "{check}");
    }
    // It says goodbye: sockets that just end would be an alarm.
    let lost = lost_sockets(&stage).await;
    more(&stage, &canary, "ok").await;
    assert_eq!(lost_sockets(&stage).await, lost);
    stage.stop_database().await;
    more(&stage, &canary, "failed").await;
    stage.start_database().await;
    more(&stage, &canary, "ok").await;
    let ended = stage.stop().await;
    assert!(ended.status.success(), "{}", ended.said);
    assert!(!ended.said.contains("canary ended"), "it survives everything: {}", ended.said);
}
