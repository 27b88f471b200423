//! What players do with their own accounts: password, devices, profile, export.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Member, PASSWORD, Platform};

const LOGIN: &str = "/api/players/login";
const PHONE: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-phone";
const TABLET: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-tablet";

async fn device(platform: &Platform, member: &Member, method: Method, secret: &str) -> Answer {
    let path = format!("{}/devices", member.path());
    platform.send(method, &path, &member.access, Some(&json!({"device_id": secret}))).await
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
    let devices = device(&platform, &Member { id: ada.id, ..zoe.clone() }, Method::POST, PHONE).await;
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
async fn devices_come_and_go_but_not_the_last_way_in() {
    let platform = Platform::closed().await;
    let body = json!({"username": "ada", "email": "ada@players.test", "device_id": PHONE});
    let ada = Member::of(&platform.post("/api/players/register", body).await.ok());
    let last = device(&platform, &ada, Method::DELETE, PHONE).await;
    last.refused(409, "conflict", Some("device_id"));

    assert_eq!(device(&platform, &ada, Method::POST, TABLET).await.status, 204);
    assert_eq!(device(&platform, &ada, Method::POST, TABLET).await.status, 204);
    let on_tablet = log_in(&platform, json!({"device_id": TABLET})).await;
    assert_eq!(on_tablet.id, ada.id);
    // The tablet takes the phone out, and the phone's session with it.
    assert_eq!(device(&platform, &on_tablet, Method::DELETE, PHONE).await.status, 204);
    platform.get_as(&ada.access, &ada.path()).await.refused(401, "unauthenticated", None);
    platform.post(LOGIN, json!({"device_id": PHONE})).await.refused(401, "unauthenticated", None);
    platform.get_as(&on_tablet.access, &ada.path()).await.ok();

    // With a password, the last device may go too.
    let path = format!("{}/password", ada.path());
    let first = json!({"new_password": PASSWORD});
    assert_eq!(platform.post_as(&on_tablet.access, &path, first).await.status, 204);
    assert_eq!(device(&platform, &on_tablet, Method::DELETE, TABLET).await.status, 204);
    let back = log_in(&platform, json!({"username": "ada", "password": PASSWORD})).await;
    assert_eq!(device(&platform, &back, Method::DELETE, TABLET).await.status, 204);

    let zoe = platform.join("zoe").await;
    assert_eq!(device(&platform, &zoe, Method::POST, PHONE).await.status, 204);
    let taken = device(&platform, &back, Method::POST, PHONE).await;
    taken.refused(409, "conflict", Some("device_id"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_cannot_take_out_the_last_two_devices() {
    let platform = Platform::closed().await;
    let body = json!({"username": "ada", "email": "ada@players.test", "device_id": PHONE});
    let ada = Member::of(&platform.post("/api/players/register", body).await.ok());
    assert_eq!(device(&platform, &ada, Method::POST, TABLET).await.status, 204);
    // Of a session that neither of them opened, so that it stays for the second.
    platform.row("update gateway.sessions set device_hash = null returning 1", &[]).await;
    let both = tokio::join!(
        device(&platform, &ada, Method::DELETE, PHONE),
        device(&platform, &ada, Method::DELETE, TABLET)
    );
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    assert_eq!(platform.row("select count(*) from gateway.devices", &[]).await.get::<_, i64>(0), 1);
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
    change(json!({"region": "x".repeat(21)})).await.invalid("region");
    let row = platform.row("select email, region from gateway.players", &[]).await;
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("ada@new.test", "asia"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_export_has_everything_but_secrets() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    assert_eq!(device(&platform, &ada, Method::POST, PHONE).await.status, 204);
    let purchase =
        json!({"player_id": ada.id, "item_type": "skin", "item_name": "Ice Crown", "amount": 24.99});
    platform.post_as(&ada.access, "/api/transactions/create", purchase).await.ok();
    // More than are read at a time.
    let more = "with more as (
                  insert into gateway.transactions (player_id, item_type, item_name, amount_minor, status)
                  select 1, 'skin', 'Ice Crown', 2499, 'completed' from generate_series(1, 119) returning id
                ) select count(*) from more";
    platform.row(more, &[]).await;
    let export = platform.get_as(&ada.access, &format!("{}/export", ada.path())).await.ok();
    assert_eq!(export["player"]["email"], "somebody@example.com");
    assert_eq!((export["tier"].as_str(), export["has_password"].as_bool()), (Some("free"), Some(true)));
    let count = |field: &str| export[field].as_array().unwrap().len();
    assert_eq!(["devices_linked_at", "sessions", "known_addresses_seen_at"].map(count), [1, 1, 1]);
    assert_eq!((count("sanctions"), count("transactions")), (0, 120));
    let text = export.to_string();
    assert!(!text.contains("argon2") && !text.contains(PHONE) && !text.contains(&ada.refresh), "{text}");
    platform.stop().await;
}
