//! Bans and mutes, by operators.

use battlearena_identity::{Role, Scope, Scopes};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Member, PASSWORD, Platform};

const LOGIN: &str = "/api/players/login";

fn in_an_hour() -> String {
    (Timestamp::now() + SignedDuration::from_hours(1)).to_string()
}

async fn log_in(platform: &Platform) -> crate::support::Answer {
    platform.post(LOGIN, json!({"username": "ada", "password": PASSWORD})).await
}

async fn ban(platform: &Platform, operator: &str, member: &Member, body: Value) -> u16 {
    platform.post_as(operator, &format!("{}/ban", member.path()), body).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_is_out_until_the_ban_is_lifted() {
    let platform = Platform::closed().await;
    let (ada, zoe) = (platform.join("ada").await, platform.join("zoe").await);
    let operator = platform.api_key(Role::Operator, None).await;
    let until = in_an_hour();
    assert_eq!(ban(&platform, &operator, &ada, json!({"reason": "cheats", "until": until})).await, 204);

    platform.get_as(&ada.access, &ada.path()).await.refused(401, "unauthenticated", None);
    let refresh = json!({"refresh_token": ada.refresh});
    platform.post("/api/players/refresh", refresh).await.refused(401, "unauthenticated", None);
    let message = log_in(&platform).await.refused(403, "forbidden", None);
    assert!(message.starts_with("the account is banned until 20"), "{message}");
    // Whoever does not know the password does not learn of the ban.
    let wrong = json!({"username": "ada", "password": "wrong horse battery"});
    platform.post(LOGIN, wrong).await.refused(401, "unauthenticated", None);
    platform.get_as(&zoe.access, &zoe.path()).await.ok();

    let path = format!("{}/ban", ada.path());
    assert_eq!(platform.send(Method::DELETE, &path, &operator, None).await.status, 204);
    platform.send(Method::DELETE, &path, &operator, None).await.refused(404, "not_found", None);
    let back = Member::of(&log_in(&platform).await.ok());
    platform.get_as(&back.access, &back.path()).await.ok();
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_by_itself() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    let operator = platform.api_key(Role::Operator, None).await;
    assert_eq!(
        ban(&platform, &operator, &ada, json!({"reason": "cheats", "until": in_an_hour()})).await,
        204
    );
    log_in(&platform).await.refused(403, "forbidden", None);
    platform.row("update gateway.sanctions set until = now() - interval '1 s' returning 1", &[]).await;
    log_in(&platform).await.ok();
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_replaces_the_one_in_force_and_all_are_listed() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    let operator = platform.api_key(Role::Operator, None).await;
    assert_eq!(ban(&platform, &operator, &ada, json!({"reason": "one", "until": in_an_hour()})).await, 204);
    assert_eq!(ban(&platform, &operator, &ada, json!({"reason": "for good"})).await, 204);
    let mute = json!({"reason": "shouts", "until": in_an_hour()});
    assert_eq!(platform.post_as(&operator, &format!("{}/mute", ada.path()), mute).await.status, 204);
    assert_eq!(log_in(&platform).await.refused(403, "forbidden", None), "the account is banned");
    let list = platform.get_as(&operator, &format!("{}/sanctions", ada.path())).await.ok();
    let list = list["sanctions"].as_array().unwrap().clone();
    let told: Vec<_> = list
        .iter()
        .map(|entry| {
            (entry["reason"].as_str().unwrap(), entry["lifted_at"].is_null(), entry["until"].is_null())
        })
        .collect();
    assert_eq!(told, [("shouts", true, false), ("for good", true, true), ("one", false, false)]);
    let key = operator.split('_').nth(1).unwrap();
    assert!(list.iter().all(|entry| entry["by"] == key), "{list:?}");
    let events = platform
        .row(
            "select string_agg(concat_ws(' ', payload ->> 'kind', payload ->> 'reason', payload ->> 'by',
                                         payload ->> 'lifted'), ', ' order by seq)
             from gateway.outbox where kind = 'player_sanctioned'",
            &[],
        )
        .await;
    assert_eq!(
        events.get::<_, String>(0),
        format!("ban one {key} false, ban one {key} true, ban for good {key} false, mute shouts {key} false")
    );
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_with_the_scope_sanction() {
    let platform = Platform::closed().await;
    let (ada, zoe) = (platform.join("ada").await, platform.join("zoe").await);
    let other = Scopes::NONE.with(Scope::PlayersRead);
    let callers = [
        zoe.access.clone(),
        platform.api_key(Role::GameServer, None).await,
        platform.api_key(Role::Operator, Some(other)).await,
    ];
    for caller in callers {
        assert_eq!(ban(&platform, &caller, &ada, json!({"reason": "cheats"})).await, 403);
        let list = platform.get_as(&caller, &format!("{}/sanctions", ada.path())).await;
        list.refused(403, "forbidden", None);
    }
    let operator = platform.api_key(Role::Operator, None).await;
    let path = format!("{}/ban", ada.path());
    for (body, field) in [
        (json!({}), "reason"),
        (json!({"reason": ""}), "reason"),
        (json!({"reason": "x", "until": "2001-01-01T00:00:00Z"}), "until"),
        (json!({"reason": "x", "until": "soon"}), "until"),
    ] {
        platform.post_as(&operator, &path, body).await.invalid(field);
    }
    let nobody = platform.post_as(&operator, "/api/players/99/ban", json!({"reason": "x"})).await;
    nobody.refused(404, "not_found", Some("player_id"));
    log_in(&platform).await.ok();
    platform.stop().await;
}
