//! Without its database the gateway says so at once and recovers by itself; without its peers it does what it can.

use std::time::Duration;

use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::cluster::{Cluster, Settings};
use battlearena_storage::migrate;
use serde_json::json;

use crate::support::{Platform, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_outlives_its_database() {
    let cluster = Cluster::create_or_open(Settings::ephemeral().unwrap()).await.unwrap();
    let postgres = cluster.start().await.unwrap();
    postgres.create_database("arena").await.unwrap();
    let url = cluster.connection_string("arena");
    migrate(&url, &[battlearena_gateway::migrator().unwrap()]).await.unwrap();
    let platform = Platform::with_config(config(&url), CancellationToken::new(), Tasks::new()).await;
    platform.register("survivor").await;
    assert_eq!(platform.get("/readyz").await.status, 200);
    assert_eq!(platform.get("/health").await.ok()["database"], "connected");

    postgres.stop(Duration::from_secs(30)).await.unwrap();
    // The first question may still be asked on a connection whose end is on its way.
    let health = platform.get_until_status("/health", 503).await;
    assert_eq!(
        (&health.body["status"], &health.body["database"]),
        (&json!("unhealthy"), &json!("disconnected"))
    );
    assert_eq!(platform.get("/readyz").await.status, 503);
    assert_eq!(platform.get("/livez").await.status, 200);
    let unavailable = "the database is not available, try again";
    let login = platform.post("/api/players/login", json!({"player_id": 1})).await;
    assert_eq!(login.refused(503, "unavailable", None), unavailable);
    let register = platform.post("/api/players/register", json!({"username": "late", "email": "a@b"})).await;
    assert_eq!(register.refused(503, "unavailable", None), unavailable);
    assert_eq!(platform.get("/api/players/1").await.refused(503, "unavailable", None), unavailable);
    // What needs no database is checked and refused as ever.
    platform.post("/api/players/register", json!({"username": "", "email": "a@b"})).await.invalid("username");

    let postgres = cluster.start().await.unwrap();
    platform.get_until_status("/readyz", 200).await;
    assert_eq!(platform.get("/health").await.status, 200);
    platform.post("/api/players/login", json!({"player_id": 1})).await.ok();
    assert_eq!(platform.register("late").await, 2);
    platform.stop().await;
    postgres.stop(Duration::from_secs(30)).await.unwrap();
    cluster.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_are_down_are_named() {
    let platform = Platform::gateway_alone().await;
    platform.register_many(2).await;
    let of_match = "the match service is not available, try again";
    let of_analytics = "analytics is not available, try again";
    let start = json!({"match_type": "solo", "player_ids": [1, 2]});
    assert_eq!(platform.post("/api/matches/start", start).await.refused(503, "unavailable", None), of_match);
    for path in ["/api/matches/1", "/api/players/1/matches"] {
        assert_eq!(platform.get(path).await.refused(503, "unavailable", None), of_match, "{path}");
    }
    for path in [
        "/api/stats/players",
        "/api/stats/matches",
        "/api/stats/revenue",
        "/api/leaderboard",
        "/api/players/1/rank",
    ] {
        assert_eq!(platform.get(path).await.refused(503, "unavailable", None), of_analytics, "{path}");
    }
    let event = json!({"event_type": "deploy", "severity": "info", "message": "x"});
    assert_eq!(
        platform.post("/api/system/event", event).await.refused(503, "unavailable", None),
        of_analytics
    );

    // Missing peers are shown and change nothing: log-in and ledger need none.
    assert_eq!(platform.get("/readyz").await.status, 200);
    let health = platform.get("/health").await.ok();
    assert_eq!(
        health["peers"],
        json!({"match": "failed", "socket-gateway": "failed", "analytics": "failed"})
    );
    platform.post("/api/players/login", json!({"player_id": 1})).await.ok();
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_waits_for_its_schema() {
    let url = battlearena_storage::testing::TestDatabase::create(&[]).await.url;
    let platform = Platform::with_config(config(&url), CancellationToken::new(), Tasks::new()).await;
    assert_eq!(platform.get("/readyz").await.status, 503);
    migrate(&url, &[battlearena_gateway::migrator().unwrap()]).await.unwrap();
    platform.get_until_status("/readyz", 200).await;
    assert_eq!(platform.register("first").await, 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_is_over_is_answered_504() {
    let platform = Platform::gateway_alone().await;
    let request = platform.request(reqwest::Method::GET, "/api/players/1").header("grpc-timeout", "0n");
    crate::support::Answer::to(request).await.refused(504, "deadline_exceeded", None);
    platform.stop().await;
}
