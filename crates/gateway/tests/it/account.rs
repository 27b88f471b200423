//! What players do with their own accounts: password, devices, profile, export.

use battlearena_identity::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Member, PASSWORD, Platform, until};

const LOGIN: &str = "/api/players/login";
const PHONE: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-phone";

/// Links a device of a player who has the password of everybody.
async fn link(platform: &Platform, member: &Member) -> Answer {
    let body = json!({"device_id": PHONE, "current_password": PASSWORD});
    platform.post_as(&member.access, &format!("{}/devices", member.path()), body).await
}

async fn log_in(platform: &Platform, body: Value) -> Member {
    Member::of(&platform.post(LOGIN, body).await.ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    let other = log_in(&platform, json!({"username": "ada", "password": PASSWORD})).await;
    let path = format!("{}/password", ada.path());
    let change = async |current: Option<&str>, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        platform.post_as(&ada.access, &path, body).await
    };
    change(None, "staple in the stable").await.invalid("current_password");
    let wrong = change(Some("wrong horse battery"), "staple in the stable").await;
    wrong.refused(403, "forbidden", Some("current_password"));
    for weak in ["short", "somebody@example.com", "ADA", "aaaaaaaaa"] {
        change(Some(PASSWORD), weak).await.invalid("new_password");
    }
    assert_eq!(change(Some(PASSWORD), "staple in the stable").await.status, 204);
    platform.get_as(&ada.access, &ada.path()).await.ok();
    platform.get_as(&other.access, &ada.path()).await.refused(401, "unauthenticated", None);
    let old = json!({"username": "ada", "password": PASSWORD});
    platform.post(LOGIN, old).await.refused(401, "unauthenticated", None);
    log_in(&platform, json!({"username": "ada", "password": "staple in the stable"})).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_password_of_another() {
    let platform = Platform::closed().await;
    let (ada, zoe) = (platform.join("ada").await, platform.join("zoe").await);
    let body = json!({"current_password": PASSWORD, "new_password": "staple in the stable"});
    let path = format!("{}/password", ada.path());
    platform.post_as(&zoe.access, &path, body).await.refused(403, "forbidden", None);
    let devices = link(&platform, &Member { id: ada.id, ..zoe.clone() }).await;
    devices.refused(403, "forbidden", None);
    for path in [ada.path(), format!("{}/export", ada.path())] {
        platform.get_as(&zoe.access, &path).await.refused(403, "forbidden", None);
    }
    for method in [Method::PATCH, Method::DELETE] {
        let answer = platform.send(method, &ada.path(), &zoe.access, Some(&json!({}))).await;
        answer.refused(403, "forbidden", None);
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_as_far_as_it_is_named() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    let change =
        async |body: Value| platform.send(Method::PATCH, &ada.path(), &ada.access, Some(&body)).await;
    assert_eq!(change(json!({"email": "ada@new.test"})).await.ok()["email"], "ada@new.test");
    assert_eq!(change(json!({"region": "asia"})).await.ok()["email"], "ada@new.test");
    assert_eq!(change(json!({})).await.ok()["username"], "ada");
    change(json!({"email": "none"})).await.invalid("email");
    change(json!({"username": " ada"})).await.invalid("username");
    change(json!({"region": "x".repeat(21)})).await.invalid("region");
    let row = platform.row("select email, region from gateway.players", &[]).await;
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("ada@new.test", "asia"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_nobody_elses_and_holds_everywhere() {
    let platform = Platform::start_required().await;
    let (ada, zoe) = (platform.join("ada").await, platform.join("zoe").await);
    let rename = async |name: &str| {
        let body = json!({"username": name});
        platform.send(Method::PATCH, &ada.path(), &ada.access, Some(&body)).await
    };
    rename("zoe").await.refused(409, "conflict", Some("username"));
    rename("deleted-7").await.invalid("username");
    // The name that it has already is no other name.
    assert_eq!(rename("ada").await.ok()["username"], "ada");
    assert_eq!(rename("byron").await.ok()["username"], "byron");
    assert_eq!(rename("lovelace").await.ok()["username"], "lovelace");
    let told = "select string_agg(payload::text, ' ' order by seq) from gateway.outbox where kind = 'player_renamed'";
    let told = platform.row(told, &[]).await;
    let event = |name: &str, version| {
        format!(r#"{{"player_id" : {}, "username" : "{name}", "name_version" : {version}}}"#, ada.id)
    };
    assert_eq!(told.get::<_, &str>(0), format!("{} {}", event("byron", 1), event("lovelace", 2)));
    // The old name is free, and the password belongs to the new one.
    let by = |name: &str| json!({"username": name, "password": PASSWORD});
    platform.post(LOGIN, by("ada")).await.refused(401, "unauthenticated", None);
    assert_eq!(log_in(&platform, by("lovelace")).await.id, ada.id);
    assert_ne!(platform.join("ada").await.id, ada.id);
    // Two at once for the same name: one gets it.
    let both = tokio::join!(async { rename("countess").await.status }, async {
        let body = json!({"username": "countess"});
        platform.send(Method::PATCH, &zoe.path(), &zoe.access, Some(&body)).await.status
    });
    assert_eq!(both.0.min(both.1), 200);
    assert_eq!(both.0.max(both.1), 409);
    let expected = if both.0 == 200 { ["countess", "zoe"] } else { ["lovelace", "countess"] };
    until(async || {
        let board = platform.get_as(&zoe.access, "/api/leaderboard").await;
        let text = board.body.to_string();
        board.status == 200 && expected.iter().all(|name| text.contains(&format!("\"{name}\"")))
    })
    .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_export_is_whole_or_there_is_none() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    let answer = platform.get_as(&ada.access, &format!("{}/export", ada.path())).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (503, &json!("unavailable")));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_export_has_everything_but_secrets() {
    let platform = Platform::start_required().await;
    let ada = platform.join("ada").await;
    let key = platform.api_key(Role::GameServer, None).await;
    let start = json!({"match_type": "solo", "player_ids": [ada.id]});
    until(async || platform.post_as(&key, "/api/matches/start", start.clone()).await.status == 200).await;
    let say = "with room as (insert into socket.rooms (name, last_offset) values ('den', 120) returning room_id),
               said as (insert into socket.messages (room_id, message_offset, player_id, username, text, client_id, created_at)
               select room_id, n, $1, 'ada', 'text ' || n, n::text, timestamptz 'today' + n * interval '1 s'
               from room, generate_series(1, 120) n returning 1),
               block as (insert into socket.blocks (player_id, blocked_id) values ($1, 99))
               select count(*) from said";
    platform.row(say, &[&ada.id]).await;
    let linked = link(&platform, &ada).await.ok();
    let purchase =
        json!({"player_id": ada.id, "item_type": "skin", "item_name": "Ice Crown", "amount": 24.99});
    platform.post_as(&ada.access, "/api/transactions/create", purchase).await.ok();
    // More than are read at a time.
    let more = "with more as (
                  insert into gateway.transactions (player_id, item_type, item_name, amount_minor, status)
                  select 1, 'skin', 'Ice Crown', 2499, 'completed' from generate_series(1, 119) returning id
                ) select count(*) from more";
    platform.row(more, &[]).await;
    let path = format!("{}/export", ada.path());
    until(async || platform.get_as(&ada.access, &path).await.status == 200).await;
    let export = platform.get_as(&ada.access, &path).await.ok();
    assert_eq!(export["player"]["email"], "somebody@example.com");
    assert_eq!((export["tier"].as_str(), export["has_password"].as_bool()), (Some("free"), Some(true)));
    let count = |field: &str| export[field].as_array().unwrap().len();
    assert_eq!(["devices", "sessions", "known_addresses_seen_at"].map(count), [1, 1, 1]);
    assert_eq!(export["devices"][0]["id"], linked["id"]);
    assert!(export["devices"][0]["linked_at"].is_string(), "{export}");
    assert_eq!((count("sanctions"), count("transactions")), (0, 120));
    assert_eq!((count("matches"), count("messages"), count("left_out")), (1, 120, 2));
    assert_eq!(export["matches"][0]["participants"][0]["player_id"], ada.id);
    let said = &export["messages"][0];
    assert_eq!((&said["room"], &said["id"], &said["text"]), (&json!("den"), &json!(120), &json!("text 120")));
    assert_eq!(export["blocked_player_ids"], json!([99]));
    let text = export.to_string();
    assert!(!text.contains("argon2") && !text.contains(PHONE) && !text.contains(&ada.refresh), "{text}");
    platform.stop().await;
}
