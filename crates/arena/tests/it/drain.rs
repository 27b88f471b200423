//! A stop under load: every service, one after the other, is told to end while traffic is played, and no request that was
//! accepted stays without its answer. A log-in has no idempotency key: one lost answer would make the books inexact.

use std::process::Stdio;

use rustix::process::Signal;

use crate::platform::{Platform, arena, arena_up, child, free_addresses, kill, until};

#[test]
fn a_stop_under_load_loses_no_accepted_request() {
    let addresses = free_addresses();
    let mut command = arena_up(&addresses);
    command.arg("--ephemeral");
    let mut up = Platform::start(command);
    let address =
        |flag: &str| addresses.iter().find_map(|a| a.strip_prefix(flag)).map(|a| format!("http://{a}"));
    let simulator = arena()
        .args([
            "simulate",
            "--check",
            "--json",
            "--seed",
            "5",
            "--rate",
            "150",
            "--duration",
            "15s",
            "--players",
            "100",
        ])
        .args(["--game-server-key-file", up.game_server_key()])
        // They are asked once, and are no accepted requests while nobody listens.
        .args(["--reads", "0", "--mistakes", "0", "--socket-players", "20"])
        .args([
            "--socket-url",
            &format!("{}/ws", address("--socket-gateway-http=").unwrap().replace("http", "ws")),
        ])
        .args([
            "--url",
            &address("--gateway-http=").unwrap(),
            "--analytics",
            &address("--analytics-grpc=").unwrap(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let gateway = address("--gateway-http=").unwrap();
    until("traffic", || {
        let metrics = arena().args(["health", "--url", &format!("{gateway}/readyz")]).output().unwrap();
        metrics.status.success() && child(up.pid(), "gateway").is_some()
    });
    for role in ["gateway", "match", "analytics", "socket-gateway"] {
        kill(child(up.pid(), role).unwrap(), Signal::TERM);
        up.read_until(&format!("{role} ended (exit status: 0)"));
        up.read_until(&format!("{role} runs again"));
        let flag = addresses.iter().find(|flag| flag.starts_with(&format!("--{role}-http="))).unwrap();
        until("the service again", || {
            arena().args(["health", "--role", role, flag]).output().unwrap().status.success()
        });
    }
    let output = simulator.wait_with_output().unwrap();
    let (summary, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{summary}\n{log}");
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    for operation in summary["operations"].as_array().unwrap() {
        assert_eq!(operation["unknown"], 0, "an answer was lost: {operation}\n{log}");
    }
    up.signal(Signal::TERM);
    assert_eq!(up.wait().0.code(), Some(0));
}
