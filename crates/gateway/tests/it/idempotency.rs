//! Retries: with a key every mutation has one effect, and every retry the first answer.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::Platform;

const REGISTER: &str = "/api/players/register";
const CREATE: &str = "/api/transactions/create";

fn player(username: &str) -> Value {
    json!({"username": username, "email": "a@b.example"})
}

fn purchase(amount: f64) -> Value {
    json!({"player_id": 1, "item_type": "skin", "item_name": "Dragon Armor", "amount": amount})
}

/// Sends the same request many times at once, and again afterwards; all answers must be one.
async fn same_answer(platform: &Platform, path: &str, body: &Value) -> Value {
    let retries = (0..8).map(|_| platform.post_keyed(path, "the-key", body.clone()));
    let mut answers: Vec<Value> = join_all(retries).await.into_iter().map(|answer| answer.ok()).collect();
    answers.push(platform.post_keyed(path, "the-key", body.clone()).await.ok());
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    answers.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_happens_once() {
    let platform = Platform::gateway_alone().await;
    assert_eq!(same_answer(&platform, REGISTER, &player("one")).await["player_id"], 1);
    let row = platform
        .row("select count(*), (select count(*) from gateway.outbox) from gateway.players", &[])
        .await;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1));
    let reused = platform.post_keyed(REGISTER, "the-key", player("two")).await;
    reused.refused(409, "conflict", Some("idempotency_key"));
    assert_eq!(platform.register("two").await, 2);
    // A refusal changed nothing and is not kept: the key is free.
    platform.post_keyed(REGISTER, "other", player("two")).await.refused(409, "conflict", Some("username"));
    assert_eq!(platform.post_keyed(REGISTER, "other", player("three")).await.ok()["player_id"], 3);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_happens_once_with_its_first_decision() {
    let platform = Platform::gateway_with(|config| config.payment_decline_percent = 50.0).await;
    platform.register_many(2).await;
    same_answer(&platform, CREATE, &purchase(9.99)).await;
    let sql = "select count(*), (select count(*) from gateway.outbox where kind = 'transaction_recorded')
               from gateway.transactions";
    let row = platform.row(sql, &[]).await;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1));
    let reused = platform.post_keyed(CREATE, "the-key", purchase(9.98)).await;
    reused.refused(409, "conflict", Some("idempotency_key"));
    // A key belongs to one player.
    let mut other = purchase(9.99);
    other["player_id"] = json!(2);
    assert_ne!(platform.post_keyed(CREATE, "the-key", other).await.ok()["transaction_id"], 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn matches_begin_and_end_once() {
    let platform = Platform::start().await;
    platform.register_many(2).await;
    let start = json!({"match_type": "solo", "player_ids": [1, 2]});
    let id = same_answer(&platform, "/api/matches/start", &start).await["match_id"].clone();
    let other = json!({"match_type": "team", "player_ids": [1, 2]});
    let reused = platform.post_keyed("/api/matches/start", "the-key", other).await;
    reused.refused(409, "conflict", Some("idempotency_key"));

    let end = json!({"match_id": id, "winner_id": 1, "duration_seconds": 60, "participant_stats": []});
    assert_eq!(same_answer(&platform, "/api/matches/complete", &end).await["status"], "completed");

    let id = platform.post("/api/matches/start", start).await.ok()["match_id"].clone();
    let crash = json!({"match_id": id, "error_message": "power cut"});
    assert_eq!(same_answer(&platform, "/api/matches/crash", &crash).await["status"], "crashed");
    platform
        .get_until("/api/stats/matches", |stats| stats["crashed_today"] == 1 && stats["total_matches"] == 2)
        .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_event_is_recorded_once() {
    let platform = Platform::start().await;
    let event = json!({"event_type": "deploy", "severity": "info", "message": "1.2", "metadata": {"n": 1}});
    same_answer(&platform, "/api/system/event", &event).await;
    let other = json!({"event_type": "deploy", "severity": "info", "message": "1.3"});
    let reused = platform.post_keyed("/api/system/event", "the-key", other).await;
    reused.refused(409, "conflict", Some("idempotency_key"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_none_are_refused_everywhere() {
    let platform = Platform::gateway_alone().await;
    platform.register("one").await;
    let bodies = [
        (REGISTER, player("two")),
        (CREATE, purchase(9.99)),
        ("/api/matches/start", json!({"match_type": "solo", "player_ids": [1]})),
        (
            "/api/matches/complete",
            json!({"match_id": 1, "winner_id": 1, "duration_seconds": 1, "participant_stats": []}),
        ),
        ("/api/matches/crash", json!({"match_id": 1, "error_message": "x"})),
        ("/api/matches/1/heartbeat", json!({})),
        ("/api/system/event", json!({"event_type": "x", "severity": "info", "message": "x"})),
    ];
    for (path, body) in bodies {
        for key in ["with space", &"x".repeat(256), "tab\tbed", "ключ"] {
            platform.post_keyed(path, key, body.clone()).await.invalid("idempotency_key");
        }
    }
    platform.stop().await;
}
