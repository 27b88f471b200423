//! Sessions over the wire: what ends one, how soon every service knows, and that a restart forgets nothing.

use std::time::{Duration, Instant};

use futures::future::join;
use serde_json::{Value, json};

use crate::door::forge::claims_of;
use crate::door::member::Member;
use crate::door::socket::{Heard, Socket};
use crate::door::{counted, eventually};
use crate::stage::Stage;

/// How long a revocation may take at most: far more than the second that it takes when the machine has nothing else to
/// do, and far less than the life of a token, at whose end a socket is closed in any case.
const SOON: Duration = Duration::from_secs(30);

/// The grace for a refresh token that was used, in seconds.
const GRACE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_once_for_all_services_and_for_good() {
    let mut stage = Stage::start(|command| {
        command.env("ARENA_GATEWAY_REFRESH_GRACE_SECONDS", GRACE.as_secs().to_string());
    })
    .await;
    two_refreshes_at_once_both_get_tokens(&stage).await;
    a_stolen_refresh_token_ends_the_session(&stage).await;
    let revoked = one_device_logs_out_and_the_other_stays(&stage).await;
    what_was_revoked_stays_revoked(&mut stage, revoked).await;
    assert!(stage.stop().await.status.success());
}

async fn two_refreshes_at_once_both_get_tokens(stage: &Stage) {
    let ada = Member::join(stage, "ada", Value::Null).await;
    let (one, other) = join(ada.renewed(stage), ada.renewed(stage)).await;
    assert_ne!((&one.refresh, &one.access), (&other.refresh, &other.access));
    let session = |member: &Member| claims_of(&member.access)["sid"].clone();
    assert_eq!((session(&one), session(&other)), (session(&ada), session(&ada)));
    assert!(one.is_in(stage).await && other.is_in(stage).await);
    // The client goes on with one of them, and the other is a copy from then on.
    let next = one.renewed(stage).await;
    assert!(next.is_in(stage).await);
    let reused = async || counted(stage, "gateway", "refresh_token_reuse_total", ("", "")).await;
    assert_eq!(reused().await, 0.0);
    assert_eq!(other.refresh(stage).await.status, 401);
    assert_eq!(reused().await, 1.0);
    assert!(!next.is_in(stage).await);
}

async fn a_stolen_refresh_token_ends_the_session(stage: &Stage) {
    let eve = Member::join(stage, "eve", Value::Null).await;
    let elsewhere = eve.again(stage).await;
    let mut socket = Socket::enter(stage, &eve.access).await;
    let before = counted(stage, "gateway", "refresh_token_reuse_total", ("", "")).await;
    let mut owner = eve.renewed(stage).await;
    let used = Instant::now();
    // While the owner goes on, the thief waits; after the grace the token that was used gives itself away.
    while used.elapsed() <= GRACE {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    owner = owner.renewed(stage).await;
    assert!(owner.is_in(stage).await);
    let stolen = eve.refresh(stage).await;
    assert_eq!((stolen.status, &stolen.json()["error"]["code"]), (401, &json!("unauthenticated")));
    assert_eq!(counted(stage, "gateway", "refresh_token_reuse_total", ("", "")).await, before + 1.0);
    // The whole family is out, the owner's newest tokens too.
    assert_eq!(ended_within(&mut socket, used).await.0, 4009);
    assert_eq!(owner.refresh(stage).await.status, 401);
    assert!(!owner.is_in(stage).await && !eve.is_in(stage).await);
    assert!(elsewhere.is_in(stage).await && elsewhere.renewed(stage).await.is_in(stage).await);
}

/// A session that was revoked, and one that was not.
struct Left {
    gone: Member,
    stays: Member,
}

async fn one_device_logs_out_and_the_other_stays(stage: &Stage) -> Left {
    let gone = Member::join(stage, "zoe", Value::Null).await;
    let stays = gone.again(stage).await;
    let (mut left, mut open) =
        (Socket::enter(stage, &gone.access).await, Socket::enter(stage, &stays.access).await);
    let before = counted(stage, "gateway", "player_logouts_total", ("", "")).await;
    let began = Instant::now();
    gone.log_out(stage).await;
    let (code, took) = ended_within(&mut left, began).await;
    eprintln!("a socket was closed {took:?} after its session ended");
    assert_eq!(code, 4009);
    assert_eq!(counted(stage, "gateway", "player_logouts_total", ("", "")).await, before + 1.0);
    assert!(!gone.is_in(stage).await && stays.is_in(stage).await);
    assert_eq!(gone.refresh(stage).await.status, 401);
    let pong = open.ask(json!({"type": "ping"})).await;
    assert!(matches!(&pong, Heard::Frame(frame) if frame["type"] == "pong"), "{pong:?}");
    Left { gone, stays: stays.renewed(stage).await }
}

async fn what_was_revoked_stays_revoked(stage: &mut Stage, left: Left) {
    let Left { gone, stays } = left;
    for service in ["gateway", "socket-gateway", "analytics"] {
        stage.restart(service);
        // It knows of what was before its start as soon as it has read it.
        eventually("the gateway's memory", async || (!gone.is_in(stage).await).then_some(())).await;
        eventually("the socket-gateway's memory", async || {
            let mut socket = Socket::open(stage).await;
            match socket.hello(&gone.access).await {
                Heard::Frame(frame) if frame["type"] == "welcome" => {
                    (socket.end().await == 4009).then_some(())
                }
                Heard::Frame(frame) => (frame["code"] == "unauthenticated").then_some(()),
                Heard::End(_) => None,
            }
        })
        .await;
        assert_eq!(gone.refresh(stage).await.status, 401, "{service}");
        assert!(stays.is_in(stage).await, "{service}");
    }
    // A session that ends while a service is away is known to it when it is back.
    let socket = Socket::enter(stage, &stays.access).await;
    drop(socket);
    let stays = stays.renewed(stage).await;
    stays.log_out(stage).await;
    stage.restart("socket-gateway");
    eventually("the socket-gateway's memory", async || {
        let heard = Socket::open(stage).await.hello(&stays.access).await;
        matches!(heard, Heard::Frame(frame) if frame["code"] == "unauthenticated").then_some(())
    })
    .await;
    // Its tokens would be good for minutes.
    let end = claims_of(&stays.access)["exp"].as_u64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now + 60 < end, "they have run out meanwhile, which proves nothing");
}

/// The code with which a socket is closed, and how long after `began`.
async fn ended_within(socket: &mut Socket, began: Instant) -> (u16, Duration) {
    let code = tokio::time::timeout(SOON, socket.end()).await;
    (code.unwrap_or_else(|_| panic!("the socket stays open")), began.elapsed())
}
