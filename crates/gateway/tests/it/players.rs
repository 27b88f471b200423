//! Registration, log-in and profile.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::Platform;

const REGISTER: &str = "/api/players/register";
const LOGIN: &str = "/api/players/login";

fn player(username: &str) -> Value {
    json!({"username": username, "email": "a@b.example"})
}

fn with(field: &str, value: Value) -> Value {
    let mut body =
        json!({"username": "Zoë", "email": "zoe@b.example", "level": 2, "tier": "premium", "region": "asia"});
    body[field] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_registers_logs_in_and_is_seen() {
    let platform = Platform::gateway_alone().await;
    let before = Timestamp::now();
    let registered = platform.post(REGISTER, player("Dragon Slayer")).await.ok();
    assert_eq!(
        registered,
        json!({"player_id": 1, "username": "Dragon Slayer", "message": "Player registered successfully"})
    );

    let mut profile = platform.get("/api/players/1").await.ok();
    let created: Timestamp = profile["created_at"].as_str().unwrap().parse().unwrap();
    assert!(before <= created && created <= Timestamp::now());
    profile.as_object_mut().unwrap().remove("created_at");
    let expected = json!({"player_id": 1, "username": "Dragon Slayer", "email": "a@b.example", "level": 1,
        "total_points": 0, "account_balance": 0.0, "last_login": null, "is_active": true});
    assert_eq!(profile, expected);

    let login = platform.post(LOGIN, json!({"player_id": 1})).await.ok();
    let last_login: Timestamp = login["last_login"].as_str().unwrap().parse().unwrap();
    assert!(login["last_login"].as_str().unwrap().ends_with('Z'));
    assert!(created <= last_login && last_login <= Timestamp::now());
    assert_eq!(login["username"], "Dragon Slayer");
    assert_eq!((login["player_id"].as_i64(), login["level"].as_i64()), (Some(1), Some(1)));
    assert_eq!(login.as_object().unwrap().len(), 4);
    assert_eq!(platform.get("/api/players/1").await.ok()["last_login"], login["last_login"]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_tells_its_event_in_the_same_transaction() {
    let platform = Platform::gateway_alone().await;
    platform.post(REGISTER, with("region", "asia".into())).await.ok();
    platform.post(LOGIN, json!({"player_id": 1})).await.ok();
    let row = platform
        .row(
            "select string_agg(kind || ' ' || payload::text, '; ' order by seq), count(distinct xid),
                    bool_and(created_at in (select created_at from gateway.players union
                                            select last_login from gateway.players))
             from gateway.outbox",
            &[],
        )
        .await;
    let events: String = row.get(0);
    assert_eq!(
        events,
        "player_registered {\"player_id\" : 1, \"username\" : \"Zoë\", \"level\" : 2, \"tier\" : \"premium\", \
         \"region\" : \"asia\"}; player_logged_in {\"player_id\" : 1}"
    );
    assert_eq!((row.get::<_, i64>(1), row.get::<_, bool>(2)), (2, true));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_script_are_kept_as_they_are() {
    let platform = Platform::gateway_alone().await;
    let longest = "龍".repeat(50);
    for (place, name) in ["Зоя", "نور", "💥 💥", "é", "e\u{301}", &longest].into_iter().enumerate()
    {
        let id = platform.register(name).await;
        assert_eq!(id, place as i64 + 1);
        assert_eq!(platform.get(&format!("/api/players/{id}")).await.ok()["username"], name);
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_registrations_name_the_field() {
    let platform = Platform::gateway_alone().await;
    let table = [
        ("username", json!("")),
        ("username", json!("   ")),
        ("username", json!(" Zoë")),
        ("username", json!("Zo\u{0}ë")),
        ("username", json!("x".repeat(51))),
        ("username", json!(7)),
        ("username", json!(null)),
        ("email", json!("zoe")),
        ("email", json!("zoe@")),
        ("email", json!("a@b@c")),
        ("email", json!(format!("{}@b.example", "x".repeat(250)))),
        ("email", json!(["a@b.example"])),
        ("level", json!(0)),
        ("level", json!(-1)),
        ("level", json!(1001)),
        ("level", json!(1.5)),
        ("level", json!("1")),
        ("level", json!(99_999_999_999_i64)),
        ("tier", json!("gold")),
        ("tier", json!(1)),
        ("region", json!("x".repeat(21))),
        ("region", json!(1)),
    ];
    for (field, value) in table {
        platform.post(REGISTER, with(field, value)).await.invalid(field);
    }
    for missing in ["username", "email"] {
        let mut body = with("level", json!(1));
        body.as_object_mut().unwrap().remove(missing);
        platform.post(REGISTER, body).await.invalid(missing);
    }
    let answer = platform.post(REGISTER, with("tier", json!("gold"))).await;
    let message = answer.invalid("tier");
    assert!(message.contains("premium"), "{message}");
    assert_eq!(platform.row("select count(*) from gateway.players", &[]).await.get::<_, i64>(0), 0);
    assert_eq!(platform.row("select count(*) from gateway.outbox", &[]).await.get::<_, i64>(0), 0);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_have_no_gaps_when_registrations_are_refused_in_between() {
    let platform = Platform::gateway_alone().await;
    for (id, name) in [(1, "one"), (2, "two"), (3, "three"), (4, "four")] {
        assert_eq!(platform.register(name).await, id);
        for key in [None, Some(format!("again-{id}"))] {
            let answer = match &key {
                None => platform.post(REGISTER, player(name)).await,
                Some(key) => platform.post_keyed(REGISTER, key, player(name)).await,
            };
            assert_eq!(answer.refused(409, "conflict", Some("username")), "the username is taken");
        }
        platform.post(REGISTER, player("")).await.invalid("username");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_registrations_of_one_name_at_once_one_is_refused() {
    let platform = Platform::gateway_alone().await;
    for round in 0..10 {
        let name = format!("name {round}");
        let answers = futures::future::join_all((0..8).map(|_| platform.post(REGISTER, player(&name)))).await;
        let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((good.len(), bad.len()), (1, 7));
        bad.iter().for_each(|answer| drop(answer.refused(409, "conflict", Some("username"))));
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_ins_are_refused_with_the_reason() {
    let platform = Platform::gateway_alone().await;
    let id = platform.register("sleeper").await;
    platform
        .row(
            "with u as (update gateway.players set is_active = false returning 1) select count(*) from u",
            &[],
        )
        .await;
    platform.post(LOGIN, json!({"player_id": id})).await.refused(403, "forbidden", None);
    for unknown in [id + 1, 0, -1, i64::MAX] {
        platform.post(LOGIN, json!({"player_id": unknown})).await.refused(
            404,
            "not_found",
            Some("player_id"),
        );
    }
    for bad in [json!("1"), json!(1.5), json!(null), json!(true)] {
        platform.post(LOGIN, json!({"player_id": bad})).await.invalid("player_id");
    }
    platform.post(LOGIN, json!({})).await.invalid("player_id");
    platform.post_text(LOGIN, "{\"player_id\": ").await.refused(400, "malformed", None);
    let row = platform.row("select last_login is null from gateway.players", &[]).await;
    assert!(row.get::<_, bool>(0));
    let events =
        platform.row("select count(*) from gateway.outbox where kind = 'player_logged_in'", &[]).await;
    assert_eq!(events.get::<_, i64>(0), 0);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_often_is_not_indexed_and_has_room_on_its_page() {
    let platform = Platform::gateway_alone().await;
    // PostgreSQL updates a row in place (HOT) only then.
    let sql = "select c.reloptions::text,
                      (select count(*) from pg_index i
                       join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
                       where i.indrelid = c.oid and a.attname in ('last_login', 'total_points'))
               from pg_class c where c.oid = 'gateway.players'::regclass";
    let row = platform.row(sql, &[]).await;
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), ("{fillfactor=85}", 0));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_of_nobody_are_not_found() {
    let platform = Platform::gateway_alone().await;
    for id in ["1", "0", "-1", "9223372036854775807"] {
        platform.get(&format!("/api/players/{id}")).await.refused(404, "not_found", Some("player_id"));
    }
    for id in ["one", "1.5", "9223372036854775808", "%20"] {
        platform.get(&format!("/api/players/{id}")).await.invalid("player_id");
    }
    platform.stop().await;
}
