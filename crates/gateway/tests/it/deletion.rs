//! A deleted account leaves nothing personal in any table of the gateway.

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, Platform};

const NAME: &str = "Wilhelmina";
const ADDRESS: &str = "wilhelmina@players.test";
const REGION: &str = "atlantis";
const LATER: &str = "Ottoline";
const DEVICE: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-wilhelmina";
const REASON: &str = "said bad things about Wilhelmina's cat";

/// Every column of schema `gateway` that holds text of any kind, searched for a text; names of those that have it.
const SEARCH: &str = "
  with texts as materialized (
    select table_name, column_name
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_schema = 'gateway' and table_type = 'BASE TABLE'
      and data_type in ('text', 'json', 'jsonb', 'character varying', 'ARRAY')
  )
  select coalesce(string_agg(table_name || '.' || column_name, ', '), '') from texts
  where (xpath('/row/n/text()', query_to_xml(format(
          'select count(*) as n from gateway.%I where %I::text ilike %L', table_name, column_name, '%' || $1::text || '%'),
          false, true, '')))[1]::text::int > 0";

async fn found(platform: &Platform, text: &str) -> String {
    platform.row(SEARCH, &[&text]).await.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_left() {
    let platform = Platform::closed().await;
    let body = json!({"username": NAME, "email": ADDRESS, "region": REGION, "password": PASSWORD,
                      "device_id": DEVICE});
    let answer = platform.post_keyed("/api/players/register", "the-key", body).await.ok();
    let player = crate::support::Member::of(&answer);
    let zoe = platform.join("zoe").await;
    let login = json!({"username": NAME, "password": PASSWORD});
    platform.post("/api/players/login", login.clone()).await.ok();
    let operator = platform.api_key(battlearena_identity::Role::Operator, None).await;
    let mute = json!({"reason": REASON});
    let muted = platform.post_as(&operator, &format!("{}/mute", player.path()), mute).await;
    assert_eq!(muted.status, 204, "{}", muted.body);
    let purchase =
        json!({"player_id": player.id, "item_type": "skin", "item_name": "Ice Crown", "amount": 24.99});
    platform.post_as(&player.access, "/api/transactions/create", purchase).await.ok();
    for name in [LATER, NAME] {
        let body = json!({"username": name});
        platform.send(Method::PATCH, &player.path(), &player.access, Some(&body)).await.ok();
    }
    assert!(found(&platform, LATER).await.contains("outbox"));
    // The search does find what is there.
    assert!(found(&platform, NAME).await.contains("players.username"));
    assert!(found(&platform, NAME).await.contains("outbox"));
    assert!(found(&platform, ADDRESS).await.contains("players.email"));

    let gone = platform.send(Method::DELETE, &player.path(), &player.access, None).await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    // (The region of a purchase stays in what was told of it: alone it names nobody.)
    for text in [NAME, LATER, ADDRESS, "argon2", DEVICE, REASON] {
        let left = found(&platform, text).await;
        // Zoe has a password too.
        let left = if text == "argon2" { left.replace("credentials.password_hash", "") } else { left };
        assert_eq!(left, "", "{text}");
    }
    let rows = platform
        .row(
            "select (select count(*) from gateway.credentials where player_id = $1),
                    (select count(*) from gateway.devices), (select count(*) from gateway.known_addresses where player_id = $1),
                    (select count(*) from gateway.sessions where player_id = $1), (select count(*) from gateway.transactions),
                    (select username || ' ' || is_active from gateway.players where id = $1),
                    (select count(*) from gateway.refresh_tokens)",
            &[&player.id],
        )
        .await;
    assert_eq!([0, 1, 2, 3, 4].map(|column| rows.get::<_, i64>(column)), [0, 0, 0, 0, 1]);
    assert_eq!((rows.get::<_, &str>(5), rows.get::<_, i64>(6)), ("deleted-1 false", 1));

    // Nobody is in any more, or comes in again.
    platform.get_as(&player.access, &player.path()).await.refused(401, "unauthenticated", None);
    platform.post("/api/players/login", login).await.refused(401, "unauthenticated", None);
    let by_device = json!({"device_id": DEVICE});
    platform.post("/api/players/login", by_device).await.refused(401, "unauthenticated", None);
    let refresh = json!({"refresh_token": player.refresh});
    platform.post("/api/players/refresh", refresh).await.refused(401, "unauthenticated", None);
    // Zoe is. The name is free, and the one that stands for the deleted account is not.
    platform.get_as(&zoe.access, &zoe.path()).await.ok();
    platform.join(NAME).await;
    let body = json!({"username": "deleted-7", "email": ADDRESS, "password": PASSWORD});
    platform.post("/api/players/register", body).await.invalid("username");
    let told = "select string_agg(kind, ' ' order by seq) from gateway.outbox
                where kind in ('session_revoked', 'player_deleted')";
    let told = platform.row(told, &[]).await;
    assert_eq!(told.get::<_, &str>(0), "session_revoked session_revoked player_deleted");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_deleted_once() {
    let platform = Platform::gateway_alone().await;
    let id = platform.register("ada").await;
    let path = format!("/api/players/{id}");
    let delete = async || crate::support::Answer::to(platform.request(Method::DELETE, &path)).await;
    assert_eq!(delete().await.status, 204);
    delete().await.refused(404, "not_found", Some("player_id"));
    let profile = platform.get(&path).await.ok();
    assert_eq!(
        (profile["username"].as_str(), profile["is_active"].as_bool()),
        (Some("deleted-1"), Some(false))
    );
    platform.stop().await;
}
