//! API keys: made and revoked on the database, shown at the gateway, or exchanged for a token that all services take.

use battlearena_gateway::keys::{self, NewApiKey};
use battlearena_identity::{Role, Scope, Scopes};
use battlearena_proto::ErrorKind;
use battlearena_storage::{Database, DatabaseSettings};
use serde_json::json;

use crate::support::{Platform, until};

const EXCHANGE: &str = "/api/keys/token";

fn database(platform: &Platform) -> Database {
    Database::new(&DatabaseSettings::for_url(platform.database_url()), "test").unwrap()
}

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_server_runs_matches_and_players_do_not() {
    let platform = Platform::start_required().await;
    let (ada, zoe) = (platform.join("ada").await, platform.join("zoe").await);
    let other = platform.join("mia").await;
    let key = platform.api_key(Role::GameServer, None).await;
    let start = json!({"match_type": "solo", "player_ids": [ada.id, zoe.id]});
    let path = "/api/matches/start";
    platform.post(path, start.clone()).await.refused(401, "unauthenticated", None);
    platform.post_as(&ada.access, path, start.clone()).await.refused(403, "forbidden", None);

    // By the key itself, and by its token; both are told, the first in ten minutes.
    let one = platform.post_as(&key, path, start.clone()).await.ok()["match_id"].as_i64().unwrap();
    let token = platform.post_as(&key, EXCHANGE, json!({})).await.ok();
    assert_eq!((token["token_type"].as_str(), token["expires_in"].as_i64()), (Some("Bearer"), Some(300)));
    let token = token["access_token"].as_str().unwrap().to_owned();
    let two = platform.post_as(&token, path, start).await.ok()["match_id"].as_i64().unwrap();
    assert_ne!(one, two);
    for id in [one, two] {
        let end =
            json!({"match_id": id, "winner_id": ada.id, "duration_seconds": 60, "participant_stats": []});
        platform.post_as(&ada.access, "/api/matches/complete", end.clone()).await.refused(
            403,
            "forbidden",
            None,
        );
        platform.post_as(&token, "/api/matches/complete", end).await.ok();
    }
    let told = "select string_agg(payload ->> 'change', ' ' order by seq) from gateway.outbox where kind = 'key_changed'";
    assert_eq!(platform.row(told, &[]).await.get::<_, &str>(0), "created used exchanged");
    // Who took part sees it.
    let path = format!("/api/matches/{one}");
    platform.get_as(&zoe.access, &path).await.ok();
    platform.get_as(&other.access, &path).await.refused(403, "forbidden", None);
    platform.get_as(&key, &ada.path()).await.ok();
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_game_servers_may_choose_the_same_idempotency_key() {
    let platform = Platform::start_required().await;
    let ada = platform.join("ada").await;
    let one = platform.api_key(Role::GameServer, None).await;
    let two = platform.api_key(Role::GameServer, None).await;
    let start = async |bearer: &str| {
        let request = platform.request(reqwest::Method::POST, "/api/matches/start").bearer_auth(bearer);
        let request = request.header("idempotency-key", "match-1");
        let body = json!({"match_type": "solo", "player_ids": [ada.id]});
        crate::support::Answer::to(request.json(&body)).await.ok()["match_id"].as_i64().unwrap()
    };
    assert_eq!(start(&one).await, start(&one).await);
    assert_ne!(start(&one).await, start(&two).await);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_and_so_is_its_token() {
    let platform = Platform::start_required().await;
    let key = platform.api_key(Role::GameServer, None).await;
    let token = platform.post_as(&key, EXCHANGE, json!({})).await.ok();
    let token = token["access_token"].as_str().unwrap().to_owned();
    for bearer in [&key, &token] {
        platform.get_as(bearer, "/api/leaderboard").await.ok();
    }
    keys::revoke(&database(&platform), id_of(&key), "test").await.unwrap();
    platform.post_as(&key, EXCHANGE, json!({})).await.refused(401, "unauthenticated", None);
    for bearer in [&key, &token] {
        until(async || platform.get_as(bearer, "/api/leaderboard").await.status == 401).await;
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_outlive_its_key() {
    let platform = Platform::closed().await;
    let key = platform.api_key(Role::Operator, None).await;
    let end = "update gateway.api_keys set expires_at = now() + make_interval(secs => $2) where id = $1 returning 1";
    platform.row(end, &[&id_of(&key), &100.0_f64]).await;
    let expires_in = platform.post_as(&key, EXCHANGE, json!({})).await.ok()["expires_in"].as_i64().unwrap();
    assert!((1..100).contains(&expires_in), "{expires_in}");
    platform.row(end, &[&id_of(&key), &3.0_f64]).await;
    let token = platform.post_as(&key, EXCHANGE, json!({})).await.ok();
    let token = token["access_token"].as_str().unwrap();
    until(async || platform.get_as(token, "/api/leaderboard").await.status == 401).await;
    until(async || platform.post_as(&key, EXCHANGE, json!({})).await.status == 401).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_key_is_refused() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    let key = platform.api_key(Role::Operator, None).await;
    let token = platform.post_as(&key, EXCHANGE, json!({})).await.ok();
    let token = token["access_token"].as_str().unwrap().to_owned();
    let other = platform.api_key(Role::Operator, None).await;
    let mixed = format!("ak_{}_{}", id_of(&key), other.splitn(3, '_').nth(2).unwrap());
    for bearer in [mixed.as_str(), "ak_", "ak_x_y", "ak_k7m2p9qxr4t6wz3b_short", &"ak_".repeat(10_000)] {
        platform.get_as(bearer, "/api/leaderboard").await.refused(401, "unauthenticated", None);
        platform.post_as(bearer, EXCHANGE, json!({})).await.refused(401, "unauthenticated", None);
    }
    // Who shows something that is no good is told of.
    let told = "select count(*) from gateway.outbox where kind = 'access_refused'
                and payload ->> 'caller' = 'anonymous' and payload ->> 'door' = 'GET /api/leaderboard'";
    until(async || platform.row(told, &[]).await.get::<_, i64>(0) > 0).await;
    // A token does not get itself a longer life.
    platform.post_as(&token, EXCHANGE, json!({})).await.refused(401, "unauthenticated", None);
    platform.post_as(&ada.access, EXCHANGE, json!({})).await.refused(403, "forbidden", None);

    let end = "update gateway.api_keys set expires_at = now() where id = $1 returning 1";
    platform.row(end, &[&id_of(&other)]).await;
    platform.get_as(&other, "/api/leaderboard").await.refused(401, "unauthenticated", None);
    platform.post_as(&other, EXCHANGE, json!({})).await.refused(401, "unauthenticated", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_without_their_secrets_and_have_scopes_of_their_role() {
    let platform = Platform::closed().await;
    let database = database(&platform);
    let new = |role, name: &str, scopes| NewApiKey {
        role,
        name: name.to_owned(),
        scopes,
        expires_in: Some(std::time::Duration::from_secs(3600)),
        by: "test".to_owned(),
    };
    let narrow = Scopes::NONE.with(Scope::MatchesWrite);
    let key = keys::create(&database, &new(Role::GameServer, "eu-1", Some(narrow))).await.unwrap();
    let listed = keys::list(&database).await.unwrap();
    let [row] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(
        (row.id.as_str(), row.name.as_str(), row.role.as_str()),
        (key.id().as_str(), "eu-1", "game_server")
    );
    assert_eq!((row.scopes, row.created_by.as_str(), row.revoked_at), (narrow, "test", None));
    assert!(row.expires_at.is_some_and(|end| end > row.created_at) && row.last_used_at.is_none());
    // Narrow is narrow.
    let text = key.text();
    platform.get_as(text.expose(), "/api/players/1").await.refused(403, "forbidden", None);

    let invalid = [
        (new(Role::Player, "x", None), "role"),
        (new(Role::GameServer, "", None), "name"),
        (new(Role::GameServer, "x", Some(Scopes::ALL)), "scope"),
    ];
    for (new, field) in invalid {
        assert_eq!(keys::create(&database, &new).await.unwrap_err().field(), Some(field));
    }
    for unknown in ["", "nothing", "k7m2p9qxr4t6wz3b"] {
        assert_eq!(keys::revoke(&database, unknown, "test").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    keys::revoke(&database, key.id().as_str(), "test").await.unwrap();
    keys::revoke(&database, key.id().as_str(), "test").await.unwrap();
    assert!(keys::list(&database).await.unwrap()[0].revoked_at.is_some());
    let told = "select string_agg(payload ->> 'change', ' ' order by seq) from gateway.outbox where kind = 'key_changed'";
    assert_eq!(platform.row(told, &[]).await.get::<_, &str>(0), "created used revoked");
    platform.stop().await;
}
