//! Who comes in, in required mode, and for how long: tokens at hello, at refresh, and while the socket is open.

use std::time::Duration;

use battlearena_identity::testing::Issuer;
use battlearena_identity::{Player, SessionId};
use battlearena_proto::events::event::Body;
use battlearena_proto::events::{PlayerSanctioned, SessionRevoked};
use battlearena_proto::realtime::ListMessagesRequest;
use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_proto::{EventKind, PlayerId, timestamp_to_wire};
use battlearena_telemetry::grpc::connect;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tonic::Code;

use crate::log::Log;
use crate::support::{Gateway, eventually};

/// A token of a player called ada, which was made so many seconds ago.
fn token_of(issuer: &Issuer, player_id: i64, session: i64, seconds_ago: i64) -> String {
    let player = Player {
        id: PlayerId(player_id),
        session: SessionId(session),
        name: "ada".into(),
        tier: battlearena_proto::Tier::Enterprise,
    };
    let made = Timestamp::now() - SignedDuration::from_secs(seconds_ago);
    issuer.signer().for_player(&player, made).unwrap().text.expose().to_owned()
}

/// A token that lives for five minutes from now.
pub(crate) fn token(issuer: &Issuer, player_id: i64, session: i64) -> String {
    token_of(issuer, player_id, session, 0)
}

fn bare(authorization: &http::HeaderValue) -> String {
    authorization.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

async fn guarded(issuer: &Issuer) -> Gateway {
    Gateway::start_with(|config| config.identity = issuer.settings()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_who_plays_and_the_client_does_not() {
    let issuer = Issuer::start().await;
    let gateway = guarded(&issuer).await;
    let mut ada = gateway.enter(&token(&issuer, 7, 1)).await.unwrap().0;
    let mut liar = gateway.connect().await;
    let hello = json!({"type": "hello", "protocol": 1, "id": "h", "token": token(&issuer, 8, 2),
                       "player_id": 7, "username": "root"});
    let welcome = liar.ask(hello, "welcome").await;
    assert_eq!((&welcome["id"], &welcome["player_id"]), (&json!("h"), &json!(8)));
    assert_eq!(welcome["username"], "ada");
    let expires_at: Timestamp = welcome["expires_at"].as_str().unwrap().parse().unwrap();
    let life = expires_at.duration_since(Timestamp::now());
    assert!(life > SignedDuration::from_secs(60) && life <= SignedDuration::from_secs(300), "{life}");
    ada.join("lobby").await;
    liar.join("lobby").await;
    let used = r#"feature_usage_total{feature="chat",user_tier="enterprise"}"#;
    let before = gateway.scraped(used).await;
    liar.chat("lobby", "c", "it is me, 7").await;
    // The metrics of the process are shared with the other tests, whose players are of this tier too.
    assert!(gateway.scraped(used).await > before);
    assert_eq!(ada.hear("message").await["player_id"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_token_ends_the_connection_and_says_nothing_of_why() {
    let (issuer, stranger) = (Issuer::start().await, Issuer::start().await);
    let gateway = guarded(&issuer).await;
    let good = token(&issuer, 7, 1);
    gateway.enter(&good).await.unwrap();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    // {"alg":"none"} and {"alg":"HS256"}
    let (none, shared) = ("eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9");
    for bad in [
        String::new(),
        "nonsense".to_owned(),
        token(&stranger, 7, 1),
        token_of(&issuer, 7, 1, 301),
        token_of(&issuer, 7, 1, -60),
        format!("{none}.{payload}."),
        format!("{shared}.{payload}.{signature}"),
        format!("{header}.{payload}."),
        good[..good.len() - 1].to_owned(),
        "x".repeat(10_000),
        bare(&issuer.service()),
    ] {
        let (answer, close) = gateway.enter(&bad).await.unwrap_err();
        let told = (&answer["code"], &answer["message"], close);
        let expected = (&json!("unauthenticated"), &json!("a valid access token is needed"), 4001);
        assert_eq!(told, expected, "{bad}");
    }
    // Without one, whatever the client says of itself.
    let mut client = gateway.connect().await;
    client.say(json!({"type": "hello", "protocol": 1, "player_id": 7, "username": "ada"})).await;
    let expected = ("unauthenticated".to_owned(), Some("token".to_owned()));
    assert_eq!((client.refused().await, client.end().await), (expected, 4001));
    // A token that is good, of somebody who does not play.
    for other in [issuer.game_server("gs"), issuer.operator("op")] {
        let mut client = gateway.connect().await;
        client.say(json!({"type": "hello", "protocol": 1, "token": bare(&other)})).await;
        assert_eq!(client.refused().await.0, "forbidden");
        // It may try again, and do nothing else.
        client.say(json!({"type": "ping"})).await;
        assert_eq!((client.refused().await.0.as_str(), client.end().await), ("unauthenticated", 4001));
    }
    // More than a frame may hold is not even read.
    let (answer, close) = gateway.enter(&"x".repeat(1 << 20)).await.unwrap_err();
    assert_eq!((&answer["code"], close), (&json!("payload_too_large"), 1009));
    assert!(gateway.scraped(r#"credential_refusals_total{reason="expired"}"#).await >= 1.0);
    assert!(gateway.scraped(r#"websocket_errors_total{code="unauthenticated"}"#).await >= 13.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_for_who_has_not_shown_a_token() {
    let issuer = Issuer::start().await;
    let gateway = guarded(&issuer).await;
    for command in [
        json!({"type": "refresh", "token": token(&issuer, 7, 1)}),
        json!({"type": "subscribe", "channel": "feed"}),
        json!({"type": "unsubscribe", "channel": "feed"}),
        json!({"type": "join", "room": "a"}),
        json!({"type": "leave", "room": "a"}),
        json!({"type": "message", "room": "a", "client_id": "1", "text": "x"}),
        json!({"type": "history", "room": "a"}),
        json!({"type": "presence", "room": "a"}),
        json!({"type": "block", "player_id": 8}),
        json!({"type": "unblock", "player_id": 8}),
        json!({"type": "blocks"}),
        json!({"type": "ping"}),
    ] {
        let mut client = gateway.connect().await;
        client.say(command.clone()).await;
        assert_eq!(client.refused().await.0, "unauthenticated", "{command}");
        assert_eq!(client.end().await, 4001, "{command}");
    }
}

fn revoked(player_id: i64, session_id: i64) -> Body {
    Body::SessionRevoked(SessionRevoked {
        player_id,
        session_id,
        reason: "logged_out".to_owned(),
        tokens_expire_at: Some(timestamp_to_wire(Timestamp::now() + Duration::from_secs(300))),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_a_revoked_session_is_closed_and_the_token_opens_none_after_a_restart() {
    let issuer = Issuer::start().await;
    let mut log = Log::start_guarded(&issuer).await;
    let gateway = log.gateway().await;
    let (phone, desk) = (token(&issuer, 7, 1), token(&issuer, 7, 2));
    let (mut on_phone, _) = gateway.enter(&phone).await.unwrap();
    let (mut at_desk, _) = gateway.enter(&desk).await.unwrap();
    log.tell(revoked(7, 1)).await;
    assert_eq!(on_phone.end().await, 4009);
    assert_eq!(gateway.enter(&phone).await.unwrap_err().1, 4001);
    // Logged out on one device only.
    at_desk.ask(json!({"type": "ping"}), "pong").await;
    assert!(gateway.scraped(r#"websocket_connections_total{outcome="revoked"}"#).await >= 1.0);
    // The log hears of the token that was shown once more.
    let Some(Body::AccessRefused(told)) = log.event(EventKind::AccessRefused).await.body else { panic!() };
    assert_eq!(
        (told.caller.as_str(), told.door.as_str(), told.reason.as_str()),
        ("anonymous", "hello", "revoked")
    );

    gateway.stop().await;
    let gateway = log.gateway().await;
    gateway.enter(&desk).await.unwrap();
    // It has to read the log before it knows; whoever was faster is found then.
    let entered = gateway.enter(&phone).await;
    let code = match entered {
        Ok((mut client, _)) => client.end().await,
        Err((_, code)) => code,
    };
    assert!([4001, 4009].contains(&code), "{code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_socket_of_a_banned_player_is_closed() {
    let issuer = Issuer::start().await;
    let mut log = Log::start_guarded(&issuer).await;
    let gateway = log.gateway().await;
    let (mut first, _) = gateway.enter(&token(&issuer, 7, 1)).await.unwrap();
    let (mut second, _) = gateway.enter(&token(&issuer, 7, 2)).await.unwrap();
    let (mut other, _) = gateway.enter(&token(&issuer, 8, 3)).await.unwrap();
    let ban = |lifted| {
        let (kind, reason, by) = ("ban".to_owned(), "spam".to_owned(), "op".to_owned());
        Body::PlayerSanctioned(PlayerSanctioned { player_id: 7, kind, reason, until: None, by, lifted })
    };
    log.tell(ban(false)).await;
    assert_eq!((first.end().await, second.end().await), (4009, 4009));
    assert_eq!(gateway.enter(&token(&issuer, 7, 4)).await.unwrap_err().1, 4001);
    other.ask(json!({"type": "ping"}), "pong").await;
    log.tell(ban(true)).await;
    eventually(async || gateway.enter(&token(&issuer, 7, 5)).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_runs_out_closes_the_connection_unless_it_was_renewed() {
    let issuer = Issuer::start().await;
    let gateway = guarded(&issuer).await;
    // Known keys first: the tokens live for seconds.
    gateway.enter(&token(&issuer, 7, 1)).await.unwrap();
    let ends_soon = || token_of(&issuer, 7, 1, 297);
    let (mut careless, _) = gateway.enter(&ends_soon()).await.unwrap();
    let (mut careful, welcome) = gateway.enter(&ends_soon()).await.unwrap();
    let fresh = json!({"type": "refresh", "id": "r", "token": token(&issuer, 7, 1)});
    let refreshed = careful.ask(fresh, "refreshed").await;
    assert_eq!(refreshed["id"], "r");
    assert!(refreshed["expires_at"].as_str() > welcome["expires_at"].as_str(), "{refreshed} {welcome}");
    assert_eq!(careless.end().await, 4010);
    careful.ask(json!({"type": "ping"}), "pong").await;
    assert!(gateway.scraped(r#"websocket_connections_total{outcome="expired"}"#).await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_good_token_of_the_same_player_renews() {
    let issuer = Issuer::start().await;
    let gateway = guarded(&issuer).await;
    let (mut client, _) = gateway.enter(&token(&issuer, 7, 1)).await.unwrap();
    for other in [token(&issuer, 8, 1), bare(&issuer.game_server("gs"))] {
        client.say(json!({"type": "refresh", "token": other})).await;
        assert_eq!(client.refused().await.0, "forbidden");
    }
    client.say(json!({"type": "refresh"})).await;
    assert_eq!(client.refused().await, ("invalid".to_owned(), Some("token".to_owned())));
    // Another session of the player is as good.
    client.ask(json!({"type": "refresh", "token": token(&issuer, 7, 2)}), "refreshed").await;
    client.say(json!({"type": "refresh", "token": token_of(&issuer, 7, 1, 301)})).await;
    assert_eq!((client.refused().await.0.as_str(), client.end().await), ("unauthenticated", 4001));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_open_mode_there_is_no_token_to_renew() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    let welcome = client.hello(7).await;
    assert_eq!((&welcome["player_id"], &welcome["expires_at"]), (&json!(7), &json!(null)));
    client.say(json!({"type": "refresh", "token": "x"})).await;
    assert_eq!(client.refused().await.0, "conflict");
    client.ask(json!({"type": "ping"}), "pong").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grpc_port_is_for_services_and_operators() {
    let issuer = Issuer::start().await;
    let gateway = guarded(&issuer).await;
    gateway.enter(&token(&issuer, 7, 1)).await.unwrap();
    let request = ListMessagesRequest { room: "lobby".into(), limit: 3, ..ListMessagesRequest::default() };
    let player = Some(http::HeaderValue::from_str(&format!("Bearer {}", token(&issuer, 7, 1))).unwrap());
    for (credential, expected) in [
        (None, Code::Unauthenticated),
        (player, Code::PermissionDenied),
        (Some(issuer.game_server("gs")), Code::PermissionDenied),
        (Some(issuer.operator("op")), Code::Ok),
        (Some(issuer.service()), Code::Ok),
    ] {
        let channel = connect(&gateway.grpc).unwrap().with_credential(credential);
        let answer = RealtimeServiceClient::new(channel).list_messages(request.clone()).await;
        assert_eq!(answer.err().map_or(Code::Ok, |status| status.code()), expected);
    }
}
