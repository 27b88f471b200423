//! What is wrong with a request before any rule of ours is asked: route, method, content type, size, syntax.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Platform};

const CHANGES: [&str; 9] = [
    "/api/players/register",
    "/api/players/login",
    "/api/players/refresh",
    "/api/players/logout",
    "/api/matches/start",
    "/api/matches/complete",
    "/api/matches/crash",
    "/api/transactions/create",
    "/api/system/event",
];

const READS: [&str; 14] = [
    "/",
    "/.well-known/jwks.json",
    "/docs",
    "/openapi.json",
    "/health",
    "/api/stats/players",
    "/api/stats/matches",
    "/api/stats/revenue",
    "/api/leaderboard",
    "/api/players/1",
    "/api/players/1/matches",
    "/api/players/1/transactions",
    "/api/players/1/rank",
    "/api/matches/1",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_front_door_says_where_to_read_on() {
    let platform = Platform::gateway_alone().await;
    let welcome = platform.get("/").await.ok();
    assert_eq!(
        welcome,
        json!({"message": "BattleArena API", "version": env!("CARGO_PKG_VERSION"), "docs": "/docs"})
    );
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_are_not_found() {
    let platform = Platform::gateway_alone().await;
    for path in [
        "/api",
        "/api/players",
        "/api/playerz/1",
        "/api/players/1/",
        "/API/PLAYERS/1",
        "/%00",
        "/api/players/1/2/3",
    ] {
        platform.get(path).await.refused(404, "not_found", None);
    }
    platform.post("/api/nothing", json!({})).await.refused(404, "not_found", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_are_told_the_right_one() {
    let platform = Platform::gateway_alone().await;
    for path in CHANGES.iter().chain(&["/api/matches/1/heartbeat"]) {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = Answer::to(platform.request(method, path)).await;
            answer.refused(405, "method_not_allowed", None);
            assert_eq!(answer.headers["allow"], "POST", "{path}");
        }
    }
    for path in READS {
        let answer = Answer::to(platform.request(Method::POST, path).json(&json!({}))).await;
        let allowed = if path == "/api/players/1" { "GET, PATCH, DELETE" } else { "GET" };
        assert_eq!((answer.status, answer.headers["allow"].to_str().unwrap()), (405, allowed), "{path}");
        assert_eq!(answer.body["error"]["code"], "method_not_allowed");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_is_taken() {
    let platform = Platform::gateway_alone().await;
    for path in CHANGES {
        for content_type in
            [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")]
        {
            let mut request = platform.request(Method::POST, path).body("{}");
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            Answer::to(request).await.refused(415, "unsupported_media_type", None);
        }
    }
    for (name, content_type) in [
        ("a", "application/json; charset=utf-8"),
        ("b", "application/vnd.arena+json"),
        ("c", "Application/JSON"),
    ] {
        let body = json!({"username": name, "email": "a@b"}).to_string();
        let request =
            platform.request(Method::POST, CHANGES[0]).header("content-type", content_type).body(body);
        Answer::to(request).await.ok();
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_malformed_everywhere() {
    let platform = Platform::gateway_alone().await;
    for path in CHANGES {
        for body in ["", "{", "username=x", "{\"a\":}", "{} {}", "nul", "{\"a\": \"\u{1}\"}"] {
            platform.post_text(path, body).await.refused(400, "malformed", None);
        }
        platform.post_text(path, b"{\"username\": \"\xff\"}".to_vec()).await.refused(400, "malformed", None);
        for body in ["[]", "null", "1", "\"x\"", "[1, 2, 3, 4]"] {
            platform.post_text(path, body).await.refused(422, "invalid", None);
        }
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_refused() {
    let platform = Platform::gateway_alone().await;
    let padded = |size: usize| {
        let start = "{\"username\": \"padded\", \"email\": \"a@b\", \"padding\": \"";
        format!("{start}{}\"}}", "x".repeat(size - start.len() - 2))
    };
    for path in CHANGES {
        platform.post_text(path, padded(64 * 1024 + 1)).await.refused(413, "payload_too_large", None);
        platform.post_text(path, padded(500_000)).await.refused(413, "payload_too_large", None);
    }
    // Without a declared length it is the bytes that count.
    let chunks = futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>("x".repeat(8192))));
    let body = reqwest::Body::wrap_stream(chunks);
    platform.post_text(CHANGES[0], body).await.refused(413, "payload_too_large", None);
    // The limit itself is allowed, and unknown fields are ignored.
    assert_eq!(platform.post_text(CHANGES[0], padded(64 * 1024)).await.ok()["player_id"], 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_its_own_id() {
    let platform = Platform::gateway_alone().await;
    let (one, other) = (platform.get("/").await, platform.get("/nothing").await);
    assert_ne!(one.headers["x-request-id"], other.headers["x-request-id"]);
    assert_eq!(other.body["error"]["request_id"].as_str(), other.headers["x-request-id"].to_str().ok());
    platform.stop().await;
}
