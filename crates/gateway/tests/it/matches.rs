//! Matches, from their start to their one end.

use serde_json::{Value, json};

use crate::support::{Answer, Platform};

const START: &str = "/api/matches/start";
const COMPLETE: &str = "/api/matches/complete";
const CRASH: &str = "/api/matches/crash";

fn start(player_ids: &[i64]) -> Value {
    json!({"match_type": "team", "player_ids": player_ids, "server_region": "eu-west"})
}

fn complete(match_id: i64) -> Value {
    json!({"match_id": match_id, "winner_id": 2, "duration_seconds": 300, "participant_stats": [
        {"player_id": 1, "score": 700, "kills": 3, "deaths": 5},
        {"player_id": 2, "score": 1500, "kills": 7, "deaths": 2},
    ]})
}

fn crash(match_id: i64) -> Value {
    json!({"match_id": match_id, "error_message": "power cut"})
}

fn but(mut body: Value, field: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(body.as_object_mut().unwrap().remove(field)),
        value => body[field] = value,
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_is_played() {
    let platform = Platform::start().await;
    platform.register_many(3).await;
    let expected = json!({"match_id": 1, "match_type": "team", "status": "in_progress", "player_count": 2,
        "server_region": "eu-west"});
    assert_eq!(platform.post(START, start(&[1, 2])).await.ok(), expected);

    let begun = platform.get("/api/matches/1").await.ok();
    assert_eq!(begun["status"], "in_progress");
    for open in ["end_time", "winner_id", "duration_seconds", "error_message"] {
        assert_eq!(begun[open], Value::Null, "{open}");
    }
    let heartbeat = Answer::to(platform.request(reqwest::Method::POST, "/api/matches/1/heartbeat")).await;
    assert_eq!((heartbeat.status, heartbeat.body), (204, json!("")));

    let expected = json!({"match_id": 1, "status": "completed", "winner_id": 2, "duration_seconds": 300,
        "message": "Match completed successfully"});
    assert_eq!(platform.post(COMPLETE, complete(1)).await.ok(), expected);

    let ended = platform.get("/api/matches/1").await.ok();
    assert_eq!(
        (&ended["status"], &ended["winner_id"], &ended["server_region"]),
        (&json!("completed"), &json!(2), &json!("eu-west"))
    );
    let winner = &ended["participants"][1];
    assert_eq!(
        (&winner["player_id"], &winner["score"], &winner["kills"], &winner["deaths"]),
        (&json!(2), &json!(1500), &json!(7), &json!(2))
    );
    for time in [&ended["start_time"], &ended["end_time"], &winner["joined_at"], &winner["left_at"]] {
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_ends_once() {
    let platform = Platform::start().await;
    platform.register_many(2).await;
    platform.post(START, start(&[1, 2])).await.ok();
    platform.post(START, start(&[1, 2])).await.ok();
    platform.post(COMPLETE, complete(1)).await.ok();
    let crashed = json!({"match_id": 2, "status": "crashed", "message": "Match crash recorded"});
    assert_eq!(platform.post(CRASH, crash(2)).await.ok(), crashed);
    assert_eq!(platform.get("/api/matches/2").await.ok()["error_message"], "power cut");
    for id in [1, 2] {
        platform.post(COMPLETE, complete(id)).await.refused(409, "conflict", None);
        platform.post(CRASH, crash(id)).await.refused(409, "conflict", None);
        platform
            .post(&format!("/api/matches/{id}/heartbeat"), json!({}))
            .await
            .refused(409, "conflict", None);
    }
    assert_eq!(platform.get("/api/matches/1").await.ok()["status"], "completed");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_starts_name_the_field() {
    let platform = Platform::start().await;
    platform.register_many(2).await;
    let good = || start(&[1, 2]);
    let table = [
        ("match_type", json!("duel")),
        ("match_type", json!(1)),
        ("match_type", Value::Null),
        ("player_ids", json!([])),
        ("player_ids", json!(1)),
        ("player_ids", Value::Null),
        ("player_ids", json!((1..=101).collect::<Vec<_>>())),
        ("server_region", json!("")),
        ("server_region", json!("x".repeat(21))),
        ("server_region", json!(1)),
    ];
    for (field, value) in table {
        platform.post(START, but(good(), field, value)).await.invalid(field);
    }
    platform.post(START, start_with(json!([1, "2"]))).await.invalid("player_ids[1]");
    let twice = platform.post(START, start(&[2, 1, 2])).await.invalid("player_ids");
    assert_eq!(twice, "player_ids names a player more than once: 2");
    let unknown = platform.post(START, start(&[1, 99, 3, -1])).await.invalid("player_ids");
    assert_eq!(unknown, "player_ids names unknown players: -1, 3, 99");
    // The region has a default.
    let mut body = good();
    body.as_object_mut().unwrap().remove("server_region");
    assert_eq!(platform.post(START, body).await.ok()["server_region"], "us-east");
    platform.stop().await;
}

fn start_with(player_ids: Value) -> Value {
    but(start(&[]), "player_ids", player_ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_ends_name_the_field() {
    let platform = Platform::start().await;
    platform.register_many(3).await;
    platform.post(START, start(&[1, 2])).await.ok();
    let table = [
        ("winner_id", json!(3)),
        ("winner_id", json!("2")),
        ("winner_id", Value::Null),
        ("match_id", json!("1")),
        ("match_id", Value::Null),
        ("duration_seconds", json!(-1)),
        ("duration_seconds", json!(86_401)),
        ("duration_seconds", json!(1.5)),
        ("duration_seconds", Value::Null),
        ("participant_stats", Value::Null),
        ("participant_stats", json!({})),
    ];
    for (field, value) in table {
        platform.post(COMPLETE, but(complete(1), field, value)).await.invalid(field);
    }
    let entries = [
        json!([{"player_id": 3, "score": 0, "kills": 0, "deaths": 0}]),
        json!([{"player_id": 1, "score": -1, "kills": 0, "deaths": 0}]),
        json!([{"player_id": 1, "score": 0, "kills": 0, "deaths": 0}, {"player_id": 1, "score": 0, "kills": 0, "deaths": 0}]),
        json!([{"player_id": 1, "score": 0, "kills": 0}]),
        json!([[1, 0, 0, 0]]),
    ];
    for entry in entries {
        let answer = platform.post(COMPLETE, but(complete(1), "participant_stats", entry)).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        let field = answer.body["error"]["field"].as_str().unwrap().to_owned();
        assert!(field.starts_with("participant_stats"), "{field}");
        answer.invalid(&field);
    }
    for (field, value) in [
        ("error_message", json!("")),
        ("error_message", json!("x".repeat(501))),
        ("error_message", Value::Null),
    ] {
        platform.post(CRASH, but(crash(1), field, value)).await.invalid(field);
    }
    assert_eq!(platform.get("/api/matches/1").await.ok()["status"], "in_progress");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_matches_are_not_found() {
    let platform = Platform::start().await;
    platform.register_many(2).await;
    platform.post(COMPLETE, complete(7)).await.refused(404, "not_found", Some("match_id"));
    platform.post(CRASH, crash(7)).await.refused(404, "not_found", Some("match_id"));
    platform.get("/api/matches/7").await.refused(404, "not_found", Some("match_id"));
    platform.post("/api/matches/7/heartbeat", json!({})).await.refused(404, "not_found", Some("match_id"));
    platform.get("/api/matches/seven").await.invalid("match_id");
    platform.post("/api/matches/seven/heartbeat", json!({})).await.invalid("match_id");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_players_matches_are_read_page_by_page() {
    let platform = Platform::start().await;
    platform.register_many(3).await;
    for players in [[1, 2], [2, 3], [1, 3], [1, 2]] {
        platform.post(START, start(&players)).await.ok();
    }
    let ids = async |query: &str| {
        let page = platform.get(&format!("/api/players/1/matches{query}")).await.ok();
        let matches = page["matches"].as_array().unwrap();
        matches.iter().map(|entry| entry["match_id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [4, 3, 1]);
    assert_eq!(ids("?limit=1").await, [4]);
    assert_eq!(ids("?limit=5&before=4").await, [3, 1]);
    let page = platform.get("/api/players/1/matches?limit=1").await.ok();
    assert_eq!(page["matches"][0], platform.get("/api/matches/4").await.ok());
    platform.get("/api/players/4/matches").await.refused(404, "not_found", Some("player_id"));
    platform.get("/api/players/x/matches").await.invalid("player_id");
    platform.get("/api/players/1/matches?limit=0").await.invalid("limit");
    platform.stop().await;
}
