//! How players come in when they have to show who they are.

use serde_json::{Value, json};

use crate::support::{Member, PASSWORD, Platform, scraped};

const REGISTER: &str = "/api/players/register";
const LOGIN: &str = "/api/players/login";
const DEVICE: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-ada";

fn newcomer(username: &str, more: Value) -> Value {
    let mut body = json!({"username": username, "email": "ada@players.test"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn by_password_and_by_device_a_player_gets_tokens() {
    let platform = Platform::closed().await;
    let registered = platform.post(REGISTER, newcomer("ada", json!({"password": PASSWORD}))).await.ok();
    assert_eq!(
        (registered["token_type"].as_str(), registered["expires_in"].as_i64()),
        (Some("Bearer"), Some(300))
    );
    let ada = Member::of(&registered);
    assert_eq!(platform.get_as(&ada.access, &ada.path()).await.ok()["username"], "ada");

    let login = platform.post(LOGIN, json!({"username": "ada", "password": PASSWORD})).await.ok();
    let again = Member::of(&login);
    assert_ne!(again.refresh, ada.refresh);
    assert_eq!(
        (again.id, login["username"].as_str(), login["level"].as_i64()),
        (ada.id, Some("ada"), Some(1))
    );
    platform.get_as(&again.access, &again.path()).await.ok();

    let zoe = Member::of(&platform.post(REGISTER, newcomer("zoe", json!({"device_id": DEVICE}))).await.ok());
    let login = Member::of(&platform.post(LOGIN, json!({"device_id": DEVICE})).await.ok());
    assert_eq!(login.id, zoe.id);
    platform.get_as(&login.access, &zoe.path()).await.ok();
    // Each has its own things only.
    platform.get_as(&login.access, &ada.path()).await.refused(403, "forbidden", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_by_number_nor_without_a_credential() {
    let platform = Platform::closed().await;
    platform.post(REGISTER, newcomer("ada", json!({}))).await.invalid("password");
    let ada = platform.join("ada").await;
    platform.post(LOGIN, json!({"player_id": ada.id})).await.refused(401, "unauthenticated", None);
    for (body, field) in [
        (json!({}), "player_id"),
        (json!({"username": "ada"}), "password"),
        (json!({"password": PASSWORD}), "username"),
        (json!({"device_id": "short"}), "device_id"),
        (json!({"device_id": "0".repeat(64)}), "device_id"),
        (json!({"username": "ada", "password": 12345678}), "password"),
        (json!({"username": "ada", "password": "x".repeat(513)}), "password"),
    ] {
        platform.post(LOGIN, body).await.invalid(field);
    }
    for password in ["short", "aaaaaaaaaaaa", "bob", "ada@players.test", &"ab".repeat(65)] {
        platform.post(REGISTER, newcomer("bob", json!({"password": password}))).await.invalid("password");
    }
    platform.get(&ada.path()).await.refused(401, "unauthenticated", None);
    platform.get("/api/leaderboard").await.refused(401, "unauthenticated", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_the_answer_is_the_same() {
    let platform = Platform::closed().await;
    platform.join("ada").await;
    platform.post(REGISTER, newcomer("zoe", json!({"device_id": DEVICE}))).await.ok();
    let series = |reason: &str| format!("failed_login_attempts_total{{reason=\"{reason}\"}}");
    let before = platform.scrape().await;
    let mut messages = Vec::new();
    for body in [
        json!({"username": "ada", "password": "wrong horse battery"}),
        json!({"username": "nobody", "password": PASSWORD}),
        // Has no password.
        json!({"username": "zoe", "password": PASSWORD}),
        json!({"device_id": format!("{DEVICE}-other")}),
        json!({"player_id": 1}),
    ] {
        messages.push(platform.post(LOGIN, body).await.refused(401, "unauthenticated", None));
    }
    assert!(messages.iter().all(|message| message == "the credentials are wrong"), "{messages:?}");
    let after = platform.scrape().await;
    for (reason, least) in [("wrong_password", 2.0), ("unknown_player", 2.0), ("malformed", 1.0)] {
        let grown = scraped(&after, &series(reason)) - scraped(&before, &series(reason));
        assert!(grown >= least, "{reason} grew by {grown}");
    }
    let told = platform
        .row(
            "select string_agg((payload ->> 'player_id') || ' ' || (payload ->> 'reason'), ', ' order by seq)
             from gateway.outbox where kind = 'login_refused'",
            &[],
        )
        .await;
    assert_eq!(
        told.get::<_, &str>(0),
        "1 wrong_password, 0 unknown_user, 2 wrong_password, 0 unknown_device"
    );
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_one_owner() {
    let platform = Platform::closed().await;
    platform.post(REGISTER, newcomer("ada", json!({"device_id": DEVICE}))).await.ok();
    let taken = platform.post(REGISTER, newcomer("zoe", json!({"device_id": DEVICE}))).await;
    taken.refused(409, "conflict", Some("device_id"));
    assert_eq!(platform.row("select count(*) from gateway.players", &[]).await.get::<_, i64>(0), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_registration_gets_tokens_for_its_credential_alone() {
    let platform = Platform::closed().await;
    let by_password = newcomer("ada", json!({"password": PASSWORD}));
    let first = Member::of(&platform.post_keyed(REGISTER, "one", by_password.clone()).await.ok());
    let second = Member::of(&platform.post_keyed(REGISTER, "one", by_password).await.ok());
    assert_eq!(first.id, second.id);
    platform.get_as(&second.access, &second.path()).await.ok();
    // Who knows the key and everything else does not get in.
    let stranger = newcomer("ada", json!({"password": "another password"}));
    platform.post_keyed(REGISTER, "one", stranger).await.refused(409, "conflict", Some("idempotency_key"));
    let by_device = newcomer("zoe", json!({"device_id": DEVICE}));
    let first = Member::of(&platform.post_keyed(REGISTER, "two", by_device.clone()).await.ok());
    assert_eq!(Member::of(&platform.post_keyed(REGISTER, "two", by_device).await.ok()).id, first.id);
    let kept = "select string_agg(answer::text, ' ' order by answer::text) from gateway.idempotency";
    assert_eq!(platform.row(kept, &[]).await.get::<_, &str>(0), "1 2");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_an_old_cost_is_renewed_at_the_next_log_in() {
    let platform = Platform::closed().await;
    platform.join("ada").await;
    let dearer = platform.beside(|config| config.password_cost.memory_kib = 128).await;
    let stored = "select password_hash from gateway.credentials";
    let old: String = platform.row(stored, &[]).await.get(0);
    let body = json!({"username": "ada", "password": PASSWORD});
    dearer.post(LOGIN, body.clone()).await.ok();
    let new: String = platform.row(stored, &[]).await.get(0);
    assert!(old.contains("m=64,") && new.contains("m=128,"), "{old} {new}");
    dearer.post(LOGIN, body).await.ok();
    assert_eq!(platform.row(stored, &[]).await.get::<_, String>(0), new);
    dearer.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_mode_takes_credentials_too() {
    let platform = Platform::gateway_alone().await;
    let ada = platform.join("ada").await;
    platform.post(LOGIN, json!({"username": "ada", "password": PASSWORD})).await.ok();
    let wrong = json!({"username": "ada", "password": "wrong horse battery"});
    platform.post(LOGIN, wrong).await.refused(401, "unauthenticated", None);
    let login = platform.post(LOGIN, json!({"player_id": ada.id})).await.ok();
    assert_eq!(login.as_object().unwrap().len(), 4);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_buys_for_itself_at_the_price_of_the_catalogue() {
    let platform = Platform::closed().await;
    let (ada, zoe) = (platform.join("ada").await, platform.join("zoe").await);
    let purchase = |player: &Member, item: &str, amount: f64| json!({"player_id": player.id, "item_type": "skin", "item_name": item, "amount": amount});
    let path = "/api/transactions/create";
    platform.post_as(&ada.access, path, purchase(&ada, "Dragon Armor", 9.99)).await.ok();
    let other = platform.post_as(&ada.access, path, purchase(&zoe, "Dragon Armor", 9.99)).await;
    other.refused(403, "forbidden", None);
    platform.post_as(&ada.access, path, purchase(&ada, "Dragon Armor", 0.01)).await.invalid("amount");
    platform.post_as(&ada.access, path, purchase(&ada, "Unicorn", 9.99)).await.invalid("item_name");
    let ledger = format!("{}/transactions", ada.path());
    assert_eq!(platform.get_as(&ada.access, &ledger).await.ok()["transactions"].as_array().unwrap().len(), 1);
    platform.get_as(&zoe.access, &ledger).await.refused(403, "forbidden", None);
    platform.stop().await;
}
