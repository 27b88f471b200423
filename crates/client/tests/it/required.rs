//! The client against a platform that wants to see who is calling.

use battlearena_client::calls::{self, LogIn, NewPlayer, Purchase};
use battlearena_client::grpc::Outcome;
use battlearena_client::socket::{Event, Events, Refused, Socket, SocketSettings};
use battlearena_client::{Credentials, Error, Gateway, SecretString};
use battlearena_proto::{ErrorKind, MatchType, PlayerId};
use std::time::Duration;

use crate::platform::Platform;

fn device() -> SecretString {
    format!("{:032x}", rand::random::<u128>()).into()
}

/// A player with a session of its own.
async fn player(gateway: &Gateway, name: &str, device: &SecretString) -> (PlayerId, Credentials) {
    let new = NewPlayer { device_id: Some(device), ..NewPlayer::named(name, "p@example.com") };
    let registered = gateway.send(calls::register(&new)).await.unwrap();
    (registered.player_id, Credentials::session(gateway, registered.tokens.unwrap()))
}

fn kind<A>(result: Result<A, Error>) -> ErrorKind {
    result.map(|_| ()).unwrap_err().kind()
}

async fn until(events: &mut Events, mut is: impl FnMut(&Event) -> bool) -> Event {
    let look = async {
        while let Some(event) = events.next().await {
            if is(&event) {
                return event;
            }
        }
        panic!("the socket has ended");
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_acts_for_itself() {
    let (platform, key) = Platform::required().await;
    let gateway = &platform.gateway;
    let (ann, session) = player(gateway, "ann", &device()).await;
    let (bob, _) = player(gateway, "bob", &device()).await;
    let as_ann = gateway.clone().with_credentials(session);
    assert_eq!(as_ann.send(calls::player(ann)).await.unwrap().username, "ann");
    assert_eq!(kind(as_ann.send(calls::player(bob)).await), ErrorKind::Forbidden);
    assert_eq!(kind(gateway.send(calls::player(ann)).await), ErrorKind::Unauthenticated);
    let item =
        Purchase { player_id: bob, item_type: "skin", item_name: "Ice Crown", amount: calls::Cents(2499) };
    assert_eq!(kind(as_ann.send(calls::purchase(&item)).await), ErrorKind::Forbidden);

    let start = || calls::start_match(MatchType::Solo, &[ann, bob], "asia");
    assert_eq!(kind(as_ann.send(start()).await), ErrorKind::Forbidden);
    let as_server = gateway.clone().with_credentials(Credentials::key(gateway, &key));
    as_server.send(start()).await.unwrap();

    let server = &platform.game_server;
    assert_eq!(kind(server.start(MatchType::Solo, &[ann], "asia").await), ErrorKind::Unauthenticated);
    let server = server.clone().with_credentials(Credentials::key(gateway, &key));
    let started = server.start(MatchType::Solo, &[ann, bob], "asia").await.unwrap();
    let duration = Duration::from_secs(9);
    let outcome = Outcome { winner_id: ann, duration, participant_stats: vec![] };
    server.complete(started.match_id, outcome).await.unwrap();
    let wrong = Credentials::key(gateway, &"ak_nobody".into());
    assert_eq!(
        kind(server.with_credentials(wrong).heartbeat(started.match_id).await),
        ErrorKind::Unauthenticated
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_log_out_and_so_does_its_socket() {
    let (platform, _) = Platform::required().await;
    let gateway = &platform.gateway;
    let device = device();
    let (ann, session) = player(gateway, "ann", &device).await;
    let (socket, mut events) = Socket::open(SocketSettings::of(&platform.addresses.sockets, session.clone()));
    socket.join("lobby", None).unwrap();
    socket.say("lobby", "hello").unwrap();
    let said = until(&mut events, |event| matches!(event, Event::Message(_))).await;
    let Event::Message(message) = said else { panic!("{said:?}") };
    assert_eq!((message.player_id, message.username.as_str()), (ann, "ann"));

    let elsewhere = gateway.send(calls::log_in(LogIn::Device(&device))).await.unwrap();
    let elsewhere = Credentials::session(gateway, elsewhere.tokens.unwrap());
    elsewhere.log_out(true).await.unwrap();
    until(&mut events, |event| matches!(event, Event::Ended { .. })).await;
    let as_ann = gateway.clone().with_credentials(session.clone());
    assert_eq!(kind(as_ann.send(calls::player(ann)).await), ErrorKind::Unauthenticated);

    let again = gateway.send(calls::log_in(LogIn::Device(&device))).await.unwrap();
    session.replace(again.tokens.unwrap());
    assert_eq!(as_ann.send(calls::player(ann)).await.unwrap().player_id, ann);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_or_muted_is_not_heard() {
    let (platform, key) = Platform::required().await;
    let gateway = &platform.gateway;
    let (ann, session) = player(gateway, "ann", &device()).await;
    let (bob, other) = player(gateway, "bob", &device()).await;
    let open = |session| Socket::open(SocketSettings::of(&platform.addresses.sockets, session));
    let ((listener, mut heard), (speaker, mut told)) = (open(session), open(other));
    listener.block(bob).unwrap();
    until(&mut heard, |event| *event == Event::Blocked(bob)).await;
    listener.join("lobby", None).unwrap();
    until(&mut heard, |event| matches!(event, Event::Entered(_))).await;
    speaker.join("lobby", None).unwrap();
    speaker.say("lobby", "shut out").unwrap();
    until(&mut told, |event| matches!(event, Event::Acknowledged(_))).await;
    listener.blocks().unwrap();
    until(&mut heard, |event| *event == Event::Blocks(vec![bob])).await;
    listener.unblock(bob).unwrap();
    until(&mut heard, |event| *event == Event::Unblocked(bob)).await;
    speaker.say("lobby", "let in").unwrap();
    until(&mut told, |event| matches!(event, Event::Acknowledged(_))).await;
    let first = until(&mut heard, |event| matches!(event, Event::Message(_))).await;
    assert!(matches!(&first, Event::Message(message) if message.text == "let in"), "{first:?}");
    listener.block(ann).unwrap();
    let refused = until(&mut heard, |event| matches!(event, Event::Refused(_))).await;
    assert!(matches!(&refused, Event::Refused(Refused { channel: None, code, .. }) if code == "invalid"));

    // A game server's key does not moderate.
    let as_server = gateway.clone().with_credentials(Credentials::key(gateway, &key));
    assert_eq!(kind(as_server.send(calls::mute(bob, "noise", None)).await), ErrorKind::Forbidden);
    let operator = platform.operator().await;
    let as_operator = gateway.clone().with_credentials(Credentials::key(gateway, &operator));
    let end = jiff::Timestamp::now() + Duration::from_secs(3600);
    as_operator.send(calls::mute(bob, "noise", Some(end))).await.unwrap();
    let refused = async {
        loop {
            speaker.say("lobby", "louder").unwrap();
            let is = |event: &Event| matches!(event, Event::Refused(_) | Event::Acknowledged(_));
            if let Event::Refused(refused) = until(&mut told, is).await {
                return refused;
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
    assert_eq!((refused.code.as_str(), refused.until.is_some()), ("forbidden", true));
    assert!(as_operator.send(calls::sanctions(bob)).await.unwrap().to_string().contains("noise"));
    as_operator.send(calls::lift_mute(bob)).await.unwrap();
    as_operator.send(calls::ban(ann, "noise", None)).await.unwrap();
    until(&mut heard, |event| matches!(event, Event::Ended { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_looks_after_its_account() {
    let (platform, _) = Platform::required().await;
    let gateway = &platform.gateway;
    let (first, second) = (device(), device());
    let (ann, session) = player(gateway, "ann", &first).await;
    let as_ann = gateway.clone().with_credentials(session);
    let password = SecretString::from("quite a long password");
    as_ann.send(calls::change_password(ann, None, &password)).await.unwrap();
    as_ann.send(calls::link_device(ann, &second, Some(&password))).await.unwrap();
    as_ann.send(calls::unlink_device(ann, &first)).await.unwrap();
    assert_eq!(kind(gateway.send(calls::log_in(LogIn::Device(&first))).await), ErrorKind::Unauthenticated);
    for by in [LogIn::Device(&second), LogIn::Password { username: "ann", password: &password }] {
        let logged_in = gateway.send(calls::log_in(by)).await.unwrap();
        assert_eq!((logged_in.player_id, logged_in.tokens.is_some()), (ann, true));
    }
    // The device that was unlinked had opened the session.
    let tokens = gateway.send(calls::log_in(LogIn::Device(&second))).await.unwrap().tokens.unwrap();
    let as_ann = gateway.clone().with_credentials(Credentials::session(gateway, tokens));
    let change = calls::ProfileChange { region: Some("asia"), ..calls::ProfileChange::default() };
    as_ann.send(calls::change_profile(ann, &change)).await.unwrap();
    assert!(as_ann.send(calls::export(ann)).await.unwrap().to_string().contains("asia"));
    as_ann.send(calls::delete_account(ann)).await.unwrap();
    assert_eq!(kind(gateway.send(calls::log_in(LogIn::Device(&second))).await), ErrorKind::Unauthenticated);
}
