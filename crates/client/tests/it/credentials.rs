//! Who is calling: what is shown with each call, when it is renewed, and what becomes of a session that has ended.

use battlearena_client::{Credentials, Error, ExposeSecret, Fault, Gateway, Tokens, calls};
use battlearena_proto::{ErrorKind, MatchId, PlayerId};

use crate::misbehaving::{Deed, Misbehaving};

const REFUSED: &str = r#"{"error": {"code": "unauthenticated", "message": "no", "request_id": "r"}}"#;
const CRASHED: &str = r#"{"match_id": 7, "status": "crashed"}"#;
const RENEWED: &str = r#"{"access_token": "second", "refresh_token": "rt_second", "expires_in": 300}"#;

fn tokens(expires_in: u64) -> Tokens {
    Tokens { access_token: "first".into(), refresh_token: "rt_first".into(), expires_in }
}

fn session(gateway: &Gateway, expires_in: u64) -> Gateway {
    gateway.clone().with_credentials(Credentials::session(gateway, tokens(expires_in)))
}

/// What was sent: path, what was shown, body.
fn told(server: &Misbehaving) -> Vec<(String, String, String)> {
    let word = |sent: &crate::misbehaving::Sent| {
        let shown = sent.authorization.clone().unwrap_or_default();
        let body = String::from_utf8(sent.body.to_vec()).unwrap();
        (sent.path.replace("/api/", ""), shown, body)
    };
    server.sent().iter().map(word).collect()
}

fn crash() -> battlearena_client::Call<calls::CrashedMatch> {
    calls::crash_match(MatchId(7), "why")
}

#[tokio::test]
async fn a_token_that_is_good_is_shown_with_every_call() {
    let server = Misbehaving::start(&[Deed::Drop, Deed::Answer(200, None, CRASHED)]).await;
    session(&server.client(), 300).send(crash()).await.unwrap();
    let told = told(&server);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(path, shown, _)| (&**path, &**shown) == ("matches/crash", "Bearer first")));
}

#[tokio::test]
async fn a_token_that_has_run_out_is_renewed_once_for_all() {
    let script = [
        Deed::Answer(503, None, "{}"),
        Deed::Answer(200, None, RENEWED),
        Deed::Answer(200, None, CRASHED),
        Deed::Answer(200, None, CRASHED),
        Deed::Answer(200, None, CRASHED),
    ];
    let server = Misbehaving::start(&script).await;
    let gateway = session(&server.client(), 0);
    let clone = gateway.clone();
    let (one, two, three) = tokio::join!(gateway.send(crash()), clone.send(crash()), gateway.send(crash()));
    assert!([one, two, three].iter().all(Result::is_ok));
    let told = told(&server);
    for (path, shown, body) in &told[..2] {
        assert_eq!((&**path, &**shown), ("players/refresh", ""));
        assert_eq!(body, r#"{"refresh_token":"rt_first"}"#);
    }
    assert!(told[2..].iter().all(|(_, shown, _)| shown == "Bearer second"), "{told:?}");
    assert_eq!(told.len(), 5);
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_renewed_and_the_call_is_sent_again() {
    let script = [
        Deed::Answer(401, None, REFUSED),
        Deed::Answer(200, None, RENEWED),
        Deed::Answer(200, None, CRASHED),
    ];
    let server = Misbehaving::start(&script).await;
    let call = crash();
    let key = call.key().map(str::to_owned);
    let delivery = session(&server.client(), 300).deliver(call).await;
    assert_eq!((delivery.result.unwrap().match_id, delivery.retries, delivery.lost), (MatchId(7), 1, 0));
    let sent = server.sent();
    assert_eq!((&sent[0].key, &sent[1].key, &sent[2].key), (&key, &None, &key), "it is the same change");
    assert_eq!(sent[2].authorization.as_deref(), Some("Bearer second"));
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_tried_again() {
    let script = [Deed::Answer(401, None, REFUSED), Deed::Answer(401, None, REFUSED)];
    let server = Misbehaving::start(&script).await;
    let gateway = session(&server.client(), 300);
    for _ in 0..3 {
        let error = gateway.send(calls::player(PlayerId(1))).await.unwrap_err();
        assert!(matches!(&error, Error::Refused(_)) && !error.may_have_been_applied(), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(server.sent().len(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_leaves() {
    let server = Misbehaving::start(&[Deed::Drop; 50]).await;
    let error = session(&server.client(), 0).send(crash()).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { fault: Fault::Broken, lost: 0 }), "{error}");
    assert!(told(&server).iter().all(|(path, ..)| path == "players/refresh"));
}

#[tokio::test]
async fn a_key_is_shown_to_be_exchanged_and_to_nothing_else() {
    let exchanged = r#"{"access_token": "second", "token_type": "Bearer", "expires_in": 300}"#;
    let script = [
        Deed::Answer(200, None, exchanged),
        Deed::Answer(200, None, CRASHED),
        Deed::Answer(200, None, CRASHED),
    ];
    let server = Misbehaving::start(&script).await;
    let gateway = server.client();
    let gateway = gateway.clone().with_credentials(Credentials::key(&gateway, &"ak_1\n".into()));
    gateway.send(crash()).await.unwrap();
    gateway.send(crash()).await.unwrap();
    let told = told(&server);
    let shown: Vec<_> = told.iter().map(|(path, shown, _)| (path.as_str(), shown.as_str())).collect();
    let used = ("matches/crash", "Bearer second");
    assert_eq!(shown, [("keys/token", "Bearer ak_1"), used, used]);
}

#[tokio::test]
async fn a_log_out_ends_the_session_here_whatever_the_answer() {
    let server = Misbehaving::start(&[Deed::Answer(204, None, "")]).await;
    let credentials = Credentials::session(&server.client(), tokens(300));
    let gateway = server.client().with_credentials(credentials.clone());
    credentials.log_out(false).await.unwrap();
    credentials.log_out(false).await.unwrap();
    gateway.send(calls::player(PlayerId(1))).await.unwrap_err();
    let told = told(&server);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&*told[0].0, &*told[0].2),
        ("players/logout", r#"{"refresh_token":"rt_first","everywhere":false}"#)
    );
    credentials.replace(tokens(300));
    assert!(format!("{credentials:?}").contains("session"));
}

#[tokio::test]
async fn tokens_are_read_from_registration_and_log_in_and_shown_nowhere() {
    let registered = r#"{"player_id": 7, "username": "ada", "access_token": "a-secret", "refresh_token": "a-secret",
                         "token_type": "Bearer", "expires_in": 300}"#;
    let script = [
        Deed::Answer(200, None, registered),
        Deed::Answer(200, None, r#"{"player_id": 8, "username": "bob", "message": "m"}"#),
    ];
    let server = Misbehaving::start(&script).await;
    let (password, device) = ("p4ssword-secret".into(), "d3vice-secret".into());
    let new = calls::NewPlayer {
        password: Some(&password),
        device_id: Some(&device),
        ..calls::NewPlayer::named("ada", "ada@example.com")
    };
    let call = calls::register(&new);
    let shown = format!("{call:?} {new:?}");
    let registered = server.client().send(call).await.unwrap();
    let shown = format!("{shown} {registered:?}");
    assert!(!shown.contains("-secret"), "{shown}");
    let tokens = registered.tokens.unwrap();
    assert_eq!((tokens.access_token.expose_secret(), tokens.expires_in), ("a-secret", 300));
    let body: serde_json::Value = serde_json::from_slice(&server.sent()[0].body).unwrap();
    assert_eq!((&body["password"], &body["device_id"]), (&"p4ssword-secret".into(), &"d3vice-secret".into()));
    let open = calls::register(&calls::NewPlayer::named("bob", "bob@example.com"));
    assert!(!String::from_utf8_lossy(open.body()).contains("device_id"));
    assert!(server.client().send(open).await.unwrap().tokens.is_none());
}
