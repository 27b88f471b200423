//! What the client makes of answers that are late, lost or wrong.

use battlearena_client::{Error, Fault, calls};
use battlearena_proto::{ErrorKind, MatchId, PlayerId};

use crate::misbehaving::{Deed, Misbehaving};

const CRASHED: &str = r#"{"match_id": 7, "status": "crashed", "message": "noted"}"#;
const BUSY: &str = r#"{"error": {"code": "throttled", "message": "slow down", "request_id": "r"}}"#;

#[tokio::test]
async fn a_change_is_sent_until_it_is_answered_and_always_the_same() {
    let script = [
        Deed::Drop,
        Deed::Answer(503, None, "{}"),
        Deed::Hang,
        Deed::Answer(500, None, "{}"),
        Deed::Answer(429, Some(1), BUSY),
        Deed::Answer(200, None, CRASHED),
    ];
    let server = Misbehaving::start(&script).await;
    let delivery = server.client().deliver(calls::crash_match(MatchId(7), "why")).await;
    assert_eq!(delivery.result.unwrap().match_id, MatchId(7));
    // Too many requests means that nothing was done.
    assert_eq!((delivery.retries, delivery.lost), (5, 4));
    let sent = server.sent();
    assert_eq!(sent.len(), 6);
    assert!(sent.iter().all(|attempt| attempt == &sent[0] && attempt.key.is_some()), "{sent:?}");
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let refusal = r#"{"error": {"code": "conflict", "message": "it is over", "request_id": "r"}}"#;
    let server = Misbehaving::start(&[Deed::Answer(409, None, refusal)]).await;
    let error = server.client().send(calls::crash_match(MatchId(7), "why")).await.unwrap_err();
    assert_eq!((error.kind(), server.sent().len()), (ErrorKind::Conflict, 1));
}

#[tokio::test]
async fn what_is_sent_once_is_sent_once() {
    let server = Misbehaving::start(&[Deed::Drop, Deed::Answer(204, None, "")]).await;
    let error = server.client().send(calls::heartbeat(MatchId(7))).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { fault: Fault::Broken, lost: 1 }), "{error}");
    server.client().send(calls::heartbeat(MatchId(7))).await.unwrap();
    assert_eq!(server.sent().len(), 2);
}

#[tokio::test]
async fn patience_ends_and_says_what_may_have_happened() {
    let server = Misbehaving::start(&[]).await;
    let delivery = server.client().deliver(calls::log_in(calls::LogIn::Number(PlayerId(1)))).await;
    let error = delivery.result.unwrap_err();
    assert!(matches!(error, Error::Unanswered { fault: Fault::TimedOut, .. }), "{error}");
    assert!(error.may_have_been_applied());
    assert_eq!(delivery.lost as usize, server.sent().len());
    assert_eq!(delivery.lost, delivery.retries + 1);
    assert!(
        server.sent().iter().all(|attempt| attempt.key.is_none() && attempt.traceparent.is_none()),
        "a log-in has no key"
    );
}

#[tokio::test]
async fn what_never_left_was_never_done() {
    let server = Misbehaving::start(&[]).await;
    let client = server.client();
    drop(server);
    // The runtime closes the listener when it next runs the task that was stopped.
    tokio::task::yield_now().await;
    let error = client.send(calls::crash_match(MatchId(7), "why")).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { fault: Fault::NotConnected, lost: 0 }), "{error}");
}

#[tokio::test]
async fn words_that_nobody_knows_are_not_taken_for_an_answer() {
    for (status, body) in [(200, "{}"), (200, "<html>"), (404, "<html>"), (302, "")] {
        let server = Misbehaving::start(&[Deed::Answer(status, None, body)]).await;
        let error = server.client().send(calls::crash_match(MatchId(7), "why")).await.unwrap_err();
        assert!(matches!(error, Error::Unreadable { status: told, .. } if told == status), "{error}");
        assert_eq!(server.sent().len(), 1);
    }
}
