//! Statistics, leaderboard and ranks: what happened shows up in them.

use serde_json::{Value, json};

use crate::support::{Platform, scraped};

async fn play(platform: &Platform, winner_id: i64) {
    let start = json!({"match_type": "solo", "player_ids": [1, 2]});
    let id = platform.post("/api/matches/start", start).await.ok()["match_id"].clone();
    let end = json!({"match_id": id, "winner_id": winner_id, "duration_seconds": 100, "participant_stats": [
        {"player_id": winner_id, "score": 1000, "kills": 5, "deaths": 1},
    ]});
    platform.post("/api/matches/complete", end).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_counted() {
    let platform = Platform::start().await;
    platform.register_many(3).await;
    play(&platform, 1).await;
    let start = json!({"match_type": "solo", "player_ids": [3]});
    platform.post("/api/matches/start", start).await.ok();
    for amount in [9.99, 0.02] {
        let body =
            json!({"player_id": 1, "item_type": "skin", "item_name": "Dragon Armor", "amount": amount});
        platform.post("/api/transactions/create", body).await.ok();
    }

    let players = platform.get_until("/api/stats/players", |stats| stats["total_players"] == 3).await;
    for field in ["active_today", "active_now", "new_today"] {
        assert_eq!(players[field], 3, "{field}");
    }
    let matches = platform
        .get_until("/api/stats/matches", |stats| stats["total_matches"] == 2 && stats["completed_today"] == 1)
        .await;
    assert_eq!((&matches["in_progress"], &matches["crashed_today"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&matches["crash_rate_percent"], &matches["avg_duration_seconds"]),
        (&json!(0.0), &json!(100.0))
    );
    let revenue = platform.get_until("/api/stats/revenue", |stats| stats["transactions_today"] == 2).await;
    assert_eq!((&revenue["revenue_today"], &revenue["failed_today"]), (&json!(10.01), &json!(0)));
    assert!(revenue["revenue_month"].as_f64() >= revenue["revenue_today"].as_f64());
    for stats in [players, matches, revenue] {
        assert!(stats["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leaderboard_shows_the_best_first() {
    let platform = Platform::start().await;
    platform.register_many(3).await;
    play(&platform, 2).await;
    let board = platform
        .get_until("/api/leaderboard?limit=2", |body| {
            body["leaderboard"]
                .as_array()
                .is_some_and(|places| places.first().is_some_and(|place| place["points"] != 0))
        })
        .await;
    let places = board["leaderboard"].as_array().unwrap();
    assert_eq!(places.len(), 2);
    let first = &places[0];
    assert_eq!(
        (&first["rank"], &first["player_id"], &first["username"], &first["level"]),
        (&json!(1), &json!(2), &json!("player 1"), &json!(1))
    );
    assert_eq!(first.as_object().unwrap().len(), 5);
    let rank = platform.get_until("/api/players/2/rank", |body| body["rank"] == 1).await;
    assert_eq!(rank, json!({"rank": 1, "points": first["points"]}));
    for query in ["limit=0", "limit=101", "limit=-1", "limit=ten"] {
        platform.get(&format!("/api/leaderboard?{query}")).await.invalid("limit");
    }
    platform.get("/api/players/4/rank").await.refused(404, "not_found", Some("player_id"));
    platform.get("/api/players/x/rank").await.invalid("player_id");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_has_a_place_from_the_start() {
    let platform = Platform::start().await;
    for id in platform.register_many(5).await {
        // The leaderboard may not have heard of the player yet; that is not a mistake of the caller.
        let rank = platform.get(&format!("/api/players/{id}/rank")).await.ok();
        assert_eq!(rank["points"], 0);
        platform.get_until(&format!("/api/players/{id}/rank"), |body| body["rank"] != Value::Null).await;
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_own_place_is_a_use_of_the_leaderboard() {
    let platform = Platform::start().await;
    let player = json!({"username": "vain", "email": "a@b", "tier": "enterprise"});
    platform.post("/api/players/register", player).await.ok();
    // Nobody else in this process looks up the place of such a player.
    let series = "feature_usage_total{feature=\"leaderboard\",user_tier=\"enterprise\"}";
    let uses = async || scraped(&platform.scrape().await, series);
    let before = uses().await;
    platform.get("/api/players/1/rank").await.ok();
    platform.get("/api/players/2/rank").await.refused(404, "not_found", Some("player_id"));
    assert_eq!(uses().await - before, 1.0);
    platform.stop().await;
}
