//! Refresh, log-out and revocation.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Member, PASSWORD, Platform, scraped, until};

const REFRESH: &str = "/api/players/refresh";
const LOGOUT: &str = "/api/players/logout";
const LOGIN: &str = "/api/players/login";

async fn refresh(platform: &Platform, token: &str) -> crate::support::Answer {
    platform.post(REFRESH, json!({"refresh_token": token})).await
}

/// The next tokens of a member.
async fn renewed(platform: &Platform, member: &Member) -> Member {
    self::member(member, &refresh(platform, &member.refresh).await.ok())
}

/// A member with the tokens of an answer.
fn member(before: &Member, answer: &Value) -> Member {
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    Member { id: before.id, access: text("access_token"), refresh: text("refresh_token") }
}

async fn log_in(platform: &Platform) -> Member {
    Member::of(&platform.post(LOGIN, json!({"username": "ada", "password": PASSWORD})).await.ok())
}

async fn is_in(platform: &Platform, member: &Member) -> bool {
    match platform.get_as(&member.access, &member.path()).await.status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_used_once_and_its_reuse_ends_the_session() {
    let platform = Platform::closed_with(|config| config.refresh_grace_seconds = 0).await;
    let first = platform.join("ada").await;
    let other = log_in(&platform).await;
    let second = renewed(&platform, &first).await;
    let third = renewed(&platform, &second).await;
    assert!(is_in(&platform, &third).await);
    let before = scraped(&platform.scrape().await, "refresh_token_reuse_total");
    // A thief comes with the first one: whoever has a token of this session is out.
    refresh(&platform, &first.refresh).await.refused(401, "unauthenticated", None);
    assert!(scraped(&platform.scrape().await, "refresh_token_reuse_total") >= before + 1.0);
    refresh(&platform, &third.refresh).await.refused(401, "unauthenticated", None);
    assert!(!is_in(&platform, &third).await && !is_in(&platform, &first).await);
    // The other session of the player is another matter.
    assert!(is_in(&platform, &other).await);
    renewed(&platform, &other).await;
    let told = platform
        .row("select payload::text from gateway.outbox where kind = 'session_revoked'", &[])
        .await
        .get::<_, String>(0);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (told["player_id"].as_i64(), told["reason"].as_str()),
        (Some(first.id), Some("refresh_reused"))
    );
    assert!(told["session_id"].is_i64() && told["tokens_expire_at"].is_string(), "{told}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_the_refreshes_at_once_get_tokens_within_the_grace() {
    let platform = Platform::closed_with(|config| config.refresh_grace_seconds = 300).await;
    let ada = platform.join("ada").await;
    let answers = join_all((0..8).map(|_| refresh(&platform, &ada.refresh))).await;
    let (good, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), refused.len()), (2, 6));
    for answer in refused {
        answer.refused(401, "unauthenticated", None);
    }
    let [one, two] = &good.iter().map(|answer| member(&ada, &answer.body)).collect::<Vec<_>>()[..] else {
        panic!("two")
    };
    assert_ne!(one.refresh, two.refresh);
    assert!(is_in(&platform, one).await && is_in(&platform, two).await);
    // The client goes on with one of them. Whoever goes on with the other has a copy of what was its parent.
    let next = renewed(&platform, two).await;
    assert!(is_in(&platform, &renewed(&platform, &next).await).await);
    let revoked = "select count(*), count(revoked_at), min(revoked_reason) from gateway.sessions";
    let row = platform.row(revoked, &[]).await;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 0));
    refresh(&platform, &one.refresh).await.refused(401, "unauthenticated", None);
    let row = platform.row(revoked, &[]).await;
    assert_eq!((row.get::<_, i64>(1), row.get::<_, Option<&str>>(2)), (1, Some("refresh_reused")));
    assert!(!is_in(&platform, &next).await);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn siblings_at_once_do_not_both_go_on() {
    let platform = Platform::closed_with(|config| config.refresh_grace_seconds = 300).await;
    let ada = platform.join("ada").await;
    let (one, two) = (renewed(&platform, &ada).await, renewed(&platform, &ada).await);
    let (one, two) = tokio::join!(refresh(&platform, &one.refresh), refresh(&platform, &two.refresh));
    assert_eq!((one.status.min(two.status), one.status.max(two.status)), (200, 401));
    assert!(!is_in(&platform, &ada).await);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_ends_with_the_use_of_the_next_token() {
    let platform = Platform::closed_with(|config| config.refresh_grace_seconds = 300).await;
    let ada = platform.join("ada").await;
    let next = renewed(&platform, &renewed(&platform, &ada).await).await;
    assert!(is_in(&platform, &next).await);
    refresh(&platform, &ada.refresh).await.refused(401, "unauthenticated", None);
    assert!(!is_in(&platform, &next).await);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_token_at_log_out_is_a_reuse() {
    let platform = Platform::closed_with(|config| config.refresh_grace_seconds = 0).await;
    let ada = platform.join("ada").await;
    let other = log_in(&platform).await;
    let owner = renewed(&platform, &ada).await;
    let before = scraped(&platform.scrape().await, "refresh_token_reuse_total");
    let body = json!({"refresh_token": ada.refresh, "everywhere": true});
    assert_eq!(platform.post(LOGOUT, body).await.status, 204);
    assert!(scraped(&platform.scrape().await, "refresh_token_reuse_total") >= before + 1.0);
    assert!(!is_in(&platform, &owner).await && is_in(&platform, &other).await);
    let revoked = platform
        .row("select count(*), min(revoked_reason) from gateway.sessions where revoked_at is not null", &[])
        .await;
    assert_eq!((revoked.get::<_, i64>(0), revoked.get::<_, &str>(1)), (1, "refresh_reused"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_one_of_two_at_once_ends_the_session() {
    let platform = Platform::closed_with(|config| config.refresh_grace_seconds = 0).await;
    let ada = platform.join("ada").await;
    let answers = join_all((0..8).map(|_| refresh(&platform, &ada.refresh))).await;
    assert!(answers.iter().filter(|answer| answer.status == 200).count() <= 1, "{answers:?}");
    assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)), "{answers:?}");
    assert!(!is_in(&platform, &ada).await);
    let revoked = platform.row("select revoked_reason from gateway.sessions", &[]).await;
    assert_eq!(revoked.get::<_, &str>(0), "refresh_reused");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_refresh_token_is_refused() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    // Another character in the middle: the last one does not hold six bits.
    let (before, rest) = ada.refresh.split_at(20);
    let unknown = format!("{before}{}{}", if rest.starts_with('A') { 'B' } else { 'A' }, &rest[1..]);
    for token in ["", "rt_", "rt_short", &unknown, &ada.access, &"x".repeat(50_000)] {
        refresh(&platform, token).await.refused(401, "unauthenticated", None);
        platform.post(LOGOUT, json!({"refresh_token": token})).await.refused(401, "unauthenticated", None);
    }
    platform.post(REFRESH, json!({"refresh_token": 7})).await.invalid("refresh_token");
    // An access token it is not, either.
    platform.get_as(&ada.refresh, &ada.path()).await.refused(401, "unauthenticated", None);
    assert!(is_in(&platform, &ada).await);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_over_is_not_renewed() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    platform.row("update gateway.sessions set expires_at = now() - interval '1 s' returning 1", &[]).await;
    refresh(&platform, &ada.refresh).await.refused(401, "unauthenticated", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_one_session_or_all() {
    let platform = Platform::closed().await;
    let (one, two) = (platform.join("ada").await, log_in(&platform).await);
    let zoe = platform.join("zoe").await;
    let before = scraped(&platform.scrape().await, "player_logouts_total");
    assert_eq!(platform.post(LOGOUT, json!({"refresh_token": one.refresh})).await.status, 204);
    assert!(!is_in(&platform, &one).await && is_in(&platform, &two).await);
    refresh(&platform, &one.refresh).await.refused(401, "unauthenticated", None);
    // Once more is no mistake, and no proof for the others.
    let again = json!({"refresh_token": one.refresh, "everywhere": true});
    assert_eq!(platform.post(LOGOUT, again).await.status, 204);
    assert!(is_in(&platform, &two).await);

    let (three, all) = (log_in(&platform).await, json!({"refresh_token": two.refresh, "everywhere": true}));
    assert_eq!(platform.post(LOGOUT, all).await.status, 204);
    assert!(!is_in(&platform, &two).await && !is_in(&platform, &three).await && is_in(&platform, &zoe).await);
    assert!(scraped(&platform.scrape().await, "player_logouts_total") >= before + 3.0);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_log_nobody_out_and_forget_no_log_out() {
    let keys = tempfile::tempdir().unwrap();
    let folder = Some(keys.path().to_owned());
    let platform = Platform::closed_with(|config| config.signer.signing_keys = folder.clone()).await;
    let (stays, leaves) = (platform.join("ada").await, log_in(&platform).await);
    assert_eq!(platform.post(LOGOUT, json!({"refresh_token": leaves.refresh})).await.status, 204);
    let again = platform.beside(|config| config.signer.signing_keys = folder).await;
    platform.stop().await;
    // The table tells of it, as soon as it has been read.
    until(async || !is_in(&again, &leaves).await).await;
    assert!(is_in(&again, &stays).await);
    refresh(&again, &leaves.refresh).await.refused(401, "unauthenticated", None);
    renewed(&again, &stays).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_hears_of_a_log_out() {
    let keys = tempfile::tempdir().unwrap();
    let folder = Some(keys.path().to_owned());
    let platform = Platform::start_required_with(|config| config.signer.signing_keys = folder).await;
    let (stays, leaves) = (platform.join("ada").await, log_in(&platform).await);
    let other = platform.beside(|_| {}).await;
    assert!(is_in(&other, &stays).await && is_in(&other, &leaves).await);
    assert_eq!(platform.post(LOGOUT, json!({"refresh_token": leaves.refresh})).await.status, 204);
    until(async || !is_in(&other, &leaves).await).await;
    assert!(is_in(&other, &stays).await);
    other.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_counted_and_swept() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    renewed(&platform, &ada).await;
    log_in(&platform).await;
    // Over for long, and one with a token that was used long ago: that one stays, so that its reuse is noticed.
    platform
        .row(
            "with over as (
               insert into gateway.sessions (player_id, expires_at) values (1, now() - interval '2 days') returning id
             ), revoked as (
               insert into gateway.sessions (player_id, expires_at, revoked_at, revoked_reason)
               values (1, now() + interval '1 day', now(), 'logged_out') returning id
             ), token as (
               insert into gateway.refresh_tokens (hash, session_id) select '\\x01', id from over
             )
             insert into gateway.refresh_tokens (hash, session_id, used_at)
             select '\\x02', id, now() - interval '8 days' from revoked returning 1",
            &[],
        )
        .await;
    let again = platform.beside(|_| {}).await;
    platform.stop().await;
    let left = "select count(*), (select count(*) from gateway.refresh_tokens) from gateway.sessions";
    until(async || {
        let row = again.row(left, &[]).await;
        (row.get::<_, i64>(0), row.get::<_, i64>(1)) == (3, 4)
    })
    .await;
    // Gauges of this process are shared with the other tests; the statement behind it is not.
    assert!(again.scrape().await.contains("# TYPE sessions_active gauge"));
    again.stop().await;
}
