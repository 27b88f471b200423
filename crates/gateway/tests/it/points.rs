//! Points: what a match earned arrives in the profile, once, and can be built anew.

use battlearena_storage::{Database, DatabaseSettings, events};
use serde_json::{Value, json};

use crate::support::{Platform, until};

async fn play(platform: &Platform) -> Vec<(i64, i64)> {
    let start = json!({"match_type": "team", "player_ids": [1, 2, 3]});
    let id = platform.post("/api/matches/start", start).await.ok()["match_id"].clone();
    let stats: Vec<Value> = (1..=3)
        .map(|player| json!({"player_id": player, "score": 500 * player, "kills": player, "deaths": 1}))
        .collect();
    let end = json!({"match_id": id, "winner_id": 3, "duration_seconds": 60, "participant_stats": stats});
    platform.post("/api/matches/complete", end).await.ok();
    let ended = platform.get(&format!("/api/matches/{id}")).await.ok();
    let participants = ended["participants"].as_array().unwrap();
    participants
        .iter()
        .map(|participant| {
            (participant["player_id"].as_i64().unwrap(), participant["points"].as_i64().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn points_arrive_in_the_profile_and_can_be_rebuilt() {
    let platform = Platform::start().await;
    platform.register_many(3).await;
    let (first, second) = (play(&platform).await, play(&platform).await);
    assert!(first.iter().any(|(_, points)| *points > 0));
    let expected: Vec<(i64, i64)> =
        first.iter().zip(&second).map(|((player, one), (_, other))| (*player, one + other)).collect();
    for (player, points) in &expected {
        platform.get_until(&format!("/api/players/{player}"), |body| body["total_points"] == *points).await;
    }

    // What an accident left behind is put right from analytics' points.
    platform
        .row(
            "with u as (update gateway.players set total_points = 77 returning 1) select count(*) from u",
            &[],
        )
        .await;
    let database = Database::new(&DatabaseSettings::for_url(platform.database_url()), "test").unwrap();
    assert!(events::request_rebuild(&database, "gateway", "gateway_points").await.unwrap());
    for (player, points) in &expected {
        platform.get_until(&format!("/api/players/{player}"), |body| body["total_points"] == *points).await;
    }

    // And what comes afterwards is added to it.
    let third = play(&platform).await;
    for ((player, before), (_, points)) in expected.iter().zip(third) {
        let sum = before + points;
        platform.get_until(&format!("/api/players/{player}"), |body| body["total_points"] == sum).await;
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_arrive_although_the_log_was_trimmed() {
    let platform = Platform::start().await;
    platform.register_many(3).await;
    let first = play(&platform).await;
    for (player, points) in &first {
        platform.get_until(&format!("/api/players/{player}"), |body| body["total_points"] == *points).await;
    }

    // The gateway is back before the first match, as if restored from a backup, and the log no longer has that match:
    // neither in its table nor, after a restart, in memory.
    let restored = "with points as (update gateway.players set total_points = 0),
                         consumer as (update gateway.consumers set log_offset = 0),
                         events as (delete from analytics.system_events),
                         trimmed as (update analytics.log_head set trimmed_through = last_offset)
                    select count(*) from gateway.players";
    // The statistics must have read it before: they export the points.
    let is_read = "select bool_and(log_offset >= (select last_offset from analytics.log_head)) from analytics.consumers";
    until(async || platform.row(is_read, &[]).await.get(0)).await;
    let url = platform.database_url().to_owned();
    platform.stop().await;
    let database = Database::new(&DatabaseSettings::for_url(&url), "test").unwrap();
    let connection = database.connection().await.unwrap();
    connection.session().query_text(restored, &[]).await.unwrap();
    let platform = Platform::start_on(url).await;
    for (player, points) in &first {
        platform.get_until(&format!("/api/players/{player}"), |body| body["total_points"] == *points).await;
    }
    platform.stop().await;
}
