//! Devices of a player: linked and unlinked, by their secret or by their number, and never behind the owner's back.

use battlearena_storage::{Database, DatabaseSettings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Member, PASSWORD, Platform};

const LOGIN: &str = "/api/players/login";
const PHONE: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-phone";
const TABLET: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-tablet";
const NEWER: &str = "staple in the stable";

async fn devices(platform: &Platform, member: &Member, method: Method, body: Value) -> Answer {
    platform.send(method, &format!("{}/devices", member.path()), &member.access, Some(&body)).await
}

/// Links a device, and returns its number.
async fn link(platform: &Platform, member: &Member, body: Value) -> i64 {
    devices(platform, member, Method::POST, body).await.ok()["id"].as_i64().unwrap()
}

async fn unlink(platform: &Platform, member: &Member, body: Value) -> Answer {
    devices(platform, member, Method::DELETE, body).await
}

async fn log_in(platform: &Platform, body: Value) -> Member {
    Member::of(&platform.post(LOGIN, body).await.ok())
}

async fn change_password(platform: &Platform, member: &Member, current: Option<&str>, new: &str) -> Answer {
    let body = json!({"current_password": current, "new_password": new});
    platform.post_as(&member.access, &format!("{}/password", member.path()), body).await
}

/// A player who has a phone and nothing else.
async fn with_phone(platform: &Platform) -> Member {
    let body = json!({"username": "ada", "email": "ada@players.test", "device_id": PHONE});
    Member::of(&platform.post("/api/players/register", body).await.ok())
}

async fn is_in(platform: &Platform, member: &Member) -> bool {
    platform.get_as(&member.access, &member.path()).await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_come_and_go_but_not_the_last_way_in() {
    let platform = Platform::closed().await;
    let ada = with_phone(&platform).await;
    let last = unlink(&platform, &ada, json!({"device_id": PHONE})).await;
    last.refused(409, "conflict", Some("device_id"));

    let tablet = link(&platform, &ada, json!({"device_id": TABLET})).await;
    assert_eq!(link(&platform, &ada, json!({"device_id": TABLET})).await, tablet);
    let on_tablet = log_in(&platform, json!({"device_id": TABLET})).await;
    assert_eq!(on_tablet.id, ada.id);
    // The tablet takes the phone out, and the phone's session with it.
    assert_eq!(unlink(&platform, &on_tablet, json!({"device_id": PHONE})).await.status, 204);
    assert!(!is_in(&platform, &ada).await && is_in(&platform, &on_tablet).await);
    platform.post(LOGIN, json!({"device_id": PHONE})).await.refused(401, "unauthenticated", None);
    unlink(&platform, &on_tablet, json!({"id": tablet})).await.refused(409, "conflict", Some("id"));

    // With a password, the last device may go too.
    assert_eq!(change_password(&platform, &on_tablet, None, PASSWORD).await.status, 204);
    assert_eq!(unlink(&platform, &on_tablet, json!({"device_id": TABLET})).await.status, 204);
    let back = log_in(&platform, json!({"username": "ada", "password": PASSWORD})).await;
    assert_eq!(unlink(&platform, &back, json!({"device_id": TABLET})).await.status, 204);

    let zoe = platform.join("zoe").await;
    let proven = json!({"device_id": PHONE, "current_password": PASSWORD});
    link(&platform, &zoe, proven.clone()).await;
    devices(&platform, &back, Method::POST, proven).await.refused(409, "conflict", Some("device_id"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_secret_is_lost_goes_by_its_number() {
    let platform = Platform::closed().await;
    let (ada, zoe) = (with_phone(&platform).await, platform.join("zoe").await);
    link(&platform, &ada, json!({"device_id": TABLET})).await;
    let lost = log_in(&platform, json!({"device_id": TABLET})).await;
    let numbers = "select string_agg(id::text, ' ' order by id) from gateway.devices where player_id = $1";
    let numbers = platform.row(numbers, &[&ada.id]).await.get::<_, String>(0);
    let (phone, tablet) = numbers.split_once(' ').unwrap();
    let number = |text: &str| json!({"id": text.parse::<i64>().unwrap()});

    // One of the two, and of one's own.
    unlink(&platform, &ada, json!({})).await.invalid("device_id");
    unlink(&platform, &ada, json!({"device_id": TABLET, "id": 1})).await.invalid("id");
    assert_eq!(unlink(&platform, &zoe, number(tablet)).await.status, 204);
    assert!(is_in(&platform, &lost).await);

    assert_eq!(unlink(&platform, &ada, number(tablet)).await.status, 204);
    assert!(!is_in(&platform, &lost).await && is_in(&platform, &ada).await);
    platform.post(LOGIN, json!({"device_id": TABLET})).await.refused(401, "unauthenticated", None);
    unlink(&platform, &ada, number(phone)).await.refused(409, "conflict", Some("id"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_password_gives_it_to_link_a_device() {
    let platform = Platform::closed().await;
    let ada = platform.join("ada").await;
    let asked = async |password: Option<&str>| {
        let body = json!({"device_id": PHONE, "current_password": password});
        devices(&platform, &ada, Method::POST, body).await
    };
    asked(None).await.invalid("current_password");
    asked(Some("wrong horse battery")).await.refused(403, "forbidden", Some("current_password"));
    platform.post(LOGIN, json!({"device_id": PHONE})).await.refused(401, "unauthenticated", None);
    asked(Some(PASSWORD)).await.ok();
    assert_eq!(log_in(&platform, json!({"device_id": PHONE})).await.id, ada.id);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_unlinks_all_devices_but_its_own() {
    let platform = Platform::closed().await;
    let ada = with_phone(&platform).await;
    link(&platform, &ada, json!({"device_id": TABLET})).await;
    // A first one takes nothing from anybody.
    assert_eq!(change_password(&platform, &ada, None, PASSWORD).await.status, 204);
    log_in(&platform, json!({"device_id": TABLET})).await;
    assert_eq!(change_password(&platform, &ada, Some(PASSWORD), NEWER).await.status, 204);
    platform.post(LOGIN, json!({"device_id": TABLET})).await.refused(401, "unauthenticated", None);
    log_in(&platform, json!({"device_id": PHONE})).await;
    let told = "select count(*) from gateway.outbox
                where kind = 'credential_changed' and payload ->> 'change' = 'device_unlinked'";
    assert_eq!(platform.row(told, &[]).await.get::<_, i64>(0), 1);
    // By a session that no device opened, all.
    let by_password = log_in(&platform, json!({"username": "ada", "password": NEWER})).await;
    assert_eq!(change_password(&platform, &by_password, Some(NEWER), PASSWORD).await.status, 204);
    platform.post(LOGIN, json!({"device_id": PHONE})).await.refused(401, "unauthenticated", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_cannot_take_out_the_last_two_devices() {
    let platform = Platform::closed().await;
    let ada = with_phone(&platform).await;
    link(&platform, &ada, json!({"device_id": TABLET})).await;
    // Of a session that neither of them opened, so that it stays for the second.
    platform.row("update gateway.sessions set device_hash = null returning 1", &[]).await;
    let both = tokio::join!(
        unlink(&platform, &ada, json!({"device_id": PHONE})),
        unlink(&platform, &ada, json!({"device_id": TABLET}))
    );
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    assert_eq!(platform.row("select count(*) from gateway.devices", &[]).await.get::<_, i64>(0), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_waits_for_whoever_takes_its_means_away() {
    let platform = Platform::closed().await;
    let ada = with_phone(&platform).await;
    link(&platform, &ada, json!({"device_id": TABLET})).await;
    assert_eq!(change_password(&platform, &ada, None, PASSWORD).await.status, 204);
    let database = Database::new(&DatabaseSettings::for_url(platform.database_url()), "test").unwrap();
    let by_tablet = json!({"device_id": TABLET});
    let by_password = json!({"username": "ada", "password": PASSWORD});
    for (taking, body) in [
        (
            "delete from gateway.devices where id = (select max(id) from gateway.devices) returning 1",
            by_tablet,
        ),
        ("update gateway.credentials set password_hash = password_hash || '=' returning 1", by_password),
    ] {
        let mut connection = database.connection().await.unwrap();
        let transaction = connection.begin().await.unwrap();
        transaction.session().query_text(taking, &[]).await.unwrap();
        let (answer, ()) = tokio::join!(platform.post(LOGIN, body), async {
            platform.until_somebody_waits_for_a_lock().await;
            transaction.commit().await.unwrap();
        });
        answer.refused(401, "unauthenticated", None);
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_came_first_is_revoked_with_its_means() {
    let platform = Platform::closed().await;
    let ada = with_phone(&platform).await;
    let tablet = link(&platform, &ada, json!({"device_id": TABLET})).await;
    assert_eq!(change_password(&platform, &ada, None, PASSWORD).await.status, 204);
    let database = Database::new(&DatabaseSettings::for_url(platform.database_url()), "test").unwrap();
    let hold = "select id from gateway.players for update";
    let by_tablet = json!({"device_id": TABLET});
    let by_password = json!({"username": "ada", "password": PASSWORD});
    for (body, is_password) in [(by_tablet, false), (by_password, true)] {
        let mut connection = database.connection().await.unwrap();
        let transaction = connection.begin().await.unwrap();
        transaction.session().query_text(hold, &[]).await.unwrap();
        // The log-in has its means locked and waits for the account, the other one for the log-in.
        let (entered, taken, ()) = tokio::join!(
            platform.post(LOGIN, body),
            async {
                platform.until_so_many_wait_for_a_lock(1).await;
                match is_password {
                    true => change_password(&platform, &ada, Some(PASSWORD), NEWER).await,
                    false => unlink(&platform, &ada, json!({"id": tablet})).await,
                }
            },
            async {
                platform.until_so_many_wait_for_a_lock(2).await;
                transaction.commit().await.unwrap();
            }
        );
        assert_eq!((entered.status, taken.status), (200, 204), "{} {}", entered.body, taken.body);
        assert!(!is_in(&platform, &Member::of(&entered.body)).await && is_in(&platform, &ada).await);
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_keep_the_owner_from_changing_the_password() {
    let platform = Platform::closed_with(|config| {
        config.identity.trusted_proxies = 1;
        config.login_limits.logins_per_account = 1;
    })
    .await;
    let ada = platform.join("ada").await;
    let from = async |address: &str, path: &str, bearer: &str, body: &Value| {
        let request = platform.request(Method::POST, path).header("x-forwarded-for", address);
        Answer::to(request.bearer_auth(bearer).json(body)).await
    };
    let guess = json!({"username": "ada", "password": "a guess at it"});
    from("203.0.113.9", LOGIN, "", &guess).await;
    from("203.0.113.9", LOGIN, "", &guess).await.refused(429, "throttled", None);
    let path = format!("{}/password", ada.path());
    let change = json!({"current_password": PASSWORD, "new_password": NEWER});
    assert_eq!(from("203.0.113.9", &path, &ada.access, &change).await.status, 204);
    // Its own bucket has an end too, and is the session's.
    from("198.51.100.7", &path, &ada.access, &change).await.refused(429, "throttled", None);
    let device = json!({"device_id": PHONE, "current_password": NEWER});
    let linking = from("198.51.100.7", &format!("{}/devices", ada.path()), &ada.access, &device).await;
    linking.refused(429, "throttled", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_password_counts_as_a_try() {
    let platform = Platform::closed_with(|config| config.login_limits.logins_per_account = 1).await;
    let ada = with_phone(&platform).await;
    assert_eq!(change_password(&platform, &ada, None, PASSWORD).await.status, 204);
    change_password(&platform, &ada, Some(PASSWORD), NEWER).await.refused(429, "throttled", None);
    platform.stop().await;
}
