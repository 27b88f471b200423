//! What the numbers say of what happened, to the last unit. A process of its own: nothing else counts into its series.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helps a test may fail as a test does; clippy.toml allows it in test functions only"
)]

#[path = "it/support.rs"]
#[expect(dead_code, reason = "what the other tests need is not all needed here")]
mod support;

use battlearena_runtime::{CancellationToken, Tasks};
use serde_json::json;

use crate::support::{Platform, config, scraped, until};

/// Series and their values. What is left out of a metric is at zero.
const EXPECTED: [(&str, f64); 30] = [
    ("player_registrations_total", 3.0),
    ("player_logins_total", 2.0),
    (r#"failed_login_attempts_total{reason="unknown_player"}"#, 1.0),
    (r#"failed_login_attempts_total{reason="locked"}"#, 1.0),
    (r#"failed_login_attempts_total{reason="malformed"}"#, 2.0),
    (r#"http_requests_total{method="POST",endpoint="/api/players/login",status="200"}"#, 2.0),
    (r#"http_requests_total{method="POST",endpoint="/api/players/login",status="400"}"#, 1.0),
    (r#"http_requests_total{method="POST",endpoint="/api/players/login",status="403"}"#, 1.0),
    (r#"http_requests_total{method="POST",endpoint="/api/players/login",status="404"}"#, 1.0),
    (r#"http_requests_total{method="POST",endpoint="/api/players/login",status="422"}"#, 1.0),
    (r#"matches_total{match_type="solo",status="started"}"#, 3.0),
    (r#"matches_total{match_type="solo",status="completed"}"#, 1.0),
    (r#"matches_total{match_type="solo",status="crashed"}"#, 1.0),
    ("matches_crashed_total", 1.0),
    ("matches_in_progress", 1.0),
    (r#"match_duration_seconds_count{match_type="solo"}"#, 1.0),
    (r#"match_duration_seconds_sum{match_type="solo"}"#, 42.0),
    (r#"revenue_total_usd{item_type="skin",region="eu-west"}"#, 9.99),
    (r#"transactions_total{type="skin",status="completed"}"#, 1.0),
    (r#"transactions_total{type="skin",status="failed"}"#, 1.0),
    ("transaction_failure_rate", 0.5),
    (r#"orders_created_total{payment_method="card",product_category="skin"}"#, 2.0),
    (r#"feature_usage_total{feature="store",user_tier="premium"}"#, 2.0),
    (r#"feature_usage_total{feature="match",user_tier="premium"}"#, 3.0),
    (r#"feature_usage_total{feature="profile",user_tier="premium"}"#, 1.0),
    (r#"feature_usage_total{feature="leaderboard",user_tier="premium"}"#, 1.0),
    // Who was seen six minutes ago was active once, and is not any more.
    ("active_players_count", 3.0),
    (r#"active_players{tier="premium"}"#, 1.0),
    (r#"active_players{tier="free"}"#, 2.0),
    ("messages_total", 0.0),
];

/// Metrics of which all series but those above are at zero.
const COMPLETE: [&str; 8] = [
    "failed_login_attempts_total",
    "matches_total",
    "match_duration_seconds_count",
    "revenue_total_usd",
    "transactions_total",
    "orders_created_total",
    "feature_usage_total",
    "active_players",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_of_what_happened() {
    let platform = Platform::start().await;
    players(&platform).await;
    matches(&platform).await;
    purchases(&platform).await;
    platform.get_until("/api/stats/players", |stats| stats["active_today"] == 4).await;
    until(async || {
        let scrape = platform.scrape().await;
        let gauges = EXPECTED.iter().filter(|(series, _)| !series.contains("_total"));
        gauges.into_iter().all(|(series, value)| (scraped(&scrape, series) - value).abs() < 1e-9)
    })
    .await;
    let scrape = platform.scrape().await;
    for (series, value) in EXPECTED {
        assert!((scraped(&scrape, series) - value).abs() < 1e-9, "{series} is {}", scraped(&scrape, series));
    }
    for metric in COMPLETE {
        let of_metric = |series: &str| series.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{'));
        let series = scrape.lines().filter(|line| of_metric(line)).filter_map(|line| line.rsplit_once(' '));
        let sum: f64 = series.map(|(_, value)| value.parse::<f64>().unwrap()).sum();
        let expected: f64 = EXPECTED.iter().filter(|(name, _)| of_metric(name)).map(|(_, value)| value).sum();
        assert!((sum - expected).abs() < 1e-9, "{metric} adds up to {sum}, not {expected}");
    }
    // Every reason is there from the start: `rate` cannot see a series appear.
    for reason in ["wrong_password", "expired", "revoked", "throttled"] {
        assert_eq!(scraped(&scrape, &format!("failed_login_attempts_total{{reason=\"{reason}\"}}")), 0.0);
    }
    platform.stop().await;
}

async fn players(platform: &Platform) {
    let ada = json!({"username": "ada", "email": "a@b", "tier": "premium", "region": "eu-west"});
    for _ in 0..2 {
        // The retry gets the first answer, and is nothing new.
        platform.post_keyed("/api/players/register", "once", ada.clone()).await.ok();
    }
    platform.post("/api/players/register", ada).await.refused(409, "conflict", Some("username"));
    platform.register("grace").await;
    platform.register("mallory").await;
    let lock = "with locked as (update gateway.players set is_active = false where id = 3 returning 1)
                select count(*) from locked";
    assert_eq!(platform.row(lock, &[]).await.get::<_, i64>(0), 1);
    let log_in = async |player_id: i64| {
        platform.post("/api/players/login", json!({"player_id": player_id})).await.status
    };
    assert_eq!([log_in(1).await, log_in(2).await, log_in(3).await, log_in(99).await], [200, 200, 403, 404]);
    platform.post("/api/players/login", json!({})).await.refused(422, "invalid", Some("player_id"));
    platform.post_text("/api/players/login", "{").await.refused(400, "malformed", None);
    let seen = "insert into gateway.outbox (kind, payload, created_at)
                values ('player_logged_in', '{\"player_id\": 4}', now() - interval '6 minutes') returning seq";
    platform.row(seen, &[]).await;
    platform.get("/api/players/1").await.ok();
    platform.get("/api/players/99").await.refused(404, "not_found", Some("player_id"));
    platform.get_until("/api/players/1/rank", |_| true).await;
}

async fn matches(platform: &Platform) {
    let start = |player_id: i64| json!({"match_type": "solo", "player_ids": [player_id]});
    for key in ["one", "two", "three", "one"] {
        platform.post_keyed("/api/matches/start", key, start(1)).await.ok();
    }
    platform.post("/api/matches/start", start(99)).await.refused(422, "invalid", Some("player_ids"));
    let complete = |winner: i64| {
        let stats = json!([{"player_id": 1, "score": 7, "kills": 0, "deaths": 0}]);
        json!({"match_id": 1, "winner_id": winner, "duration_seconds": 42, "participant_stats": stats})
    };
    platform.post("/api/matches/complete", complete(2)).await.refused(422, "invalid", Some("winner_id"));
    for _ in 0..2 {
        platform.post_keyed("/api/matches/complete", "end", complete(1)).await.ok();
    }
    let crash = |match_id: i64| json!({"match_id": match_id, "error_message": "out of memory"});
    platform.post("/api/matches/crash", crash(2)).await.ok();
    for ended in [1, 2] {
        platform.post("/api/matches/crash", crash(ended)).await.refused(409, "conflict", None);
    }
}

async fn purchases(platform: &Platform) {
    let buy = json!({"player_id": 1, "item_type": "skin", "item_name": "Dragon Armor", "amount": 9.99});
    for _ in 0..2 {
        platform.post_keyed("/api/transactions/create", "once", buy.clone()).await.ok();
    }
    // A replica whose payments all fail.
    let mut config = config(platform.database_url());
    config.payment_decline_percent = 100.0;
    let declining = Platform::with_config(config, CancellationToken::new(), Tasks::new()).await;
    assert_eq!(declining.post("/api/transactions/create", buy).await.ok()["status"], "failed");
    declining.stop().await;
}
