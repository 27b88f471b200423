//! What the hooks add to everything that is sent, and what they tell of it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use battlearena_client::grpc::GameServer;
use battlearena_client::socket::{Event, Events, FeedEvent, Message, Socket, SocketSettings};
use battlearena_client::{Hooks, Observer, Retry, Sent, calls};
use battlearena_proto::{ErrorKind, MatchId, PlayerId};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message as Frame;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::Server;

use crate::misbehaving::{Deed, Misbehaving};
use crate::platform::eventually;

/// Writes down what it is told, in words.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn sent(&self, sent: Sent<'_>) {
        let words = match sent {
            Sent::Request { method, route, status } => format!("{method} {route} {}", status.unwrap_or(0)),
            Sent::Rpc { method, code } => format!("{method} {code:?}"),
            Sent::Command { kind } => kind.to_owned(),
        };
        self.0.lock().unwrap().push(words);
    }
}

impl Seen {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Another trace each time that it is asked.
fn next_traceparent() -> Option<String> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Some(format!("00-{:032x}-b7ad6b7169203331-01", NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn hooks() -> (Hooks, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    (Hooks::default().with_trace_context(next_traceparent).with_observer(seen.clone()), seen)
}

#[tokio::test]
async fn every_attempt_is_told_and_carries_the_trace_of_its_call() {
    let crashed = r#"{"match_id": 7, "status": "crashed"}"#;
    let script = [
        Deed::Drop,
        Deed::Hang,
        Deed::Answer(503, None, "{}"),
        Deed::Answer(200, None, crashed),
        Deed::Answer(404, None, r#"{"error": {"code": "not_found", "message": "m", "request_id": "r"}}"#),
    ];
    let server = Misbehaving::start(&script).await;
    let (hooks, seen) = hooks();
    let client = server.client_under(hooks);
    let crash = client.deliver(calls::crash_match(MatchId(7), "why")).await;
    assert_eq!((crash.result.unwrap().match_id, crash.status), (MatchId(7), Some(200)));
    let unknown = client.deliver(calls::player(PlayerId(9))).await;
    assert_eq!((unknown.result.unwrap_err().kind(), unknown.status), (ErrorKind::NotFound, Some(404)));
    assert_eq!(
        seen.all(),
        [
            "POST /api/matches/crash 0",
            "POST /api/matches/crash 0",
            "POST /api/matches/crash 503",
            "POST /api/matches/crash 200",
            "GET /api/players/{player_id} 404",
        ]
    );
    let sent = server.sent();
    let traces: Vec<_> = sent.iter().map(|attempt| attempt.traceparent.clone().unwrap()).collect();
    assert!(traces[..4].iter().all(|trace| *trace == traces[0]), "{traces:?}");
    assert!(traces[4] != traces[0] && sent[4].path == "/api/players/9", "{sent:?}");
}

#[tokio::test]
async fn an_attempt_that_is_given_up_is_told() {
    let server = Misbehaving::start(&[]).await;
    let (hooks, seen) = hooks();
    let client = server.client_under(hooks);
    tokio::select! {
        _ = client.send(calls::player_stats()) => {}
        () = async { eventually(async || server.sent().pop()).await; } => {}
    }
    assert_eq!(seen.all(), ["GET /api/stats/players 0"]);
}

/// A match service that says "not now", and from then on that there is no such match.
#[derive(Clone, Default)]
struct NoMatches {
    traces: Arc<Mutex<Vec<String>>>,
}

impl NamedService for NoMatches {
    const NAME: &'static str = "battlearena.match.v1.MatchService";
}

impl Service<http::Request<Body>> for NoMatches {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut traces = self.traces.lock().unwrap();
        traces.push(request.headers()["traceparent"].to_str().unwrap().to_owned());
        let answer =
            if traces.len() == 1 { Status::unavailable("later") } else { Status::not_found("never") };
        ready(Ok(answer.into_http()))
    }
}

#[tokio::test]
async fn grpc_carries_the_trace_and_is_told() {
    let (listener, service) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), NoMatches::default());
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (mut servers, traces) = (JoinSet::new(), service.traces.clone());
    servers.spawn(async move {
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    let (hooks, seen) = hooks();
    let server = GameServer::new(&address.parse().unwrap(), Retry::default()).with_hooks(hooks.clone());
    assert_eq!(server.crash(MatchId(7), "why").await.unwrap_err().kind(), ErrorKind::NotFound);
    let traces = traces.lock().unwrap().clone();
    assert!(traces.len() == 2 && traces[0] == traces[1], "{traces:?}");

    let retry = Retry { attempt: Duration::from_secs(1), give_up: Duration::ZERO };
    let nobody = GameServer::new(&"http://127.0.0.1:9".parse().unwrap(), retry).with_hooks(hooks);
    nobody.heartbeat(MatchId(7)).await.unwrap_err();
    let service = "battlearena.match.v1.MatchService";
    assert_eq!(
        seen.all(),
        [
            format!("{service}/CrashMatch Some(Unavailable)"),
            format!("{service}/CrashMatch Some(NotFound)"),
            format!("{service}/Heartbeat None"),
        ]
    );
}

/// A socket-gateway that knows one room and says what is `told` there once it is entered; returns the commands.
async fn one_room(listener: TcpListener, told: Vec<Value>) -> Vec<Value> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let mut commands = Vec::new();
    while let Some(Ok(Frame::Text(text))) = socket.next().await {
        let command: Value = serde_json::from_str(&text).unwrap();
        let answers = match command["type"].as_str().unwrap() {
            "hello" => vec![json!({"type": "welcome", "session": "s", "heartbeat_seconds": 25,
                                   "limits": {"commands_per_second": 50, "commands_burst": 200}})],
            "join" => [
                vec![json!({"type": "joined", "id": command["id"], "epoch": "e", "offset": 0})],
                told.clone(),
            ]
            .concat(),
            _ => vec![],
        };
        commands.push(command);
        for answer in answers {
            socket.send(Frame::text(answer.to_string())).await.unwrap();
        }
    }
    commands
}

async fn next_message(events: &mut Events) -> Message {
    loop {
        match events.next().await.unwrap() {
            Event::Message(message) => return message,
            Event::Feed(FeedEvent { .. }) => panic!("nobody listens to the feed"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_socket_carries_the_trace_both_ways_and_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let told = json!({"type": "message", "room": "r", "offset": 1, "player_id": 2, "username": "bob", "text": "hi",
                      "client_id": "c", "timestamp": "2030-01-01T12:00:00Z", "traceparent": theirs});
    let mut servers = JoinSet::new();
    servers.spawn(one_room(listener, vec![told]));
    let (hooks, seen) = hooks();
    let settings = SocketSettings { hooks, ..SocketSettings::new(url, PlayerId(1), "ann") };
    let (socket, mut events) = Socket::open(settings);
    socket.join("r", None).unwrap();
    socket.say("r", "hello").unwrap();
    assert_eq!(next_message(&mut events).await.traceparent.as_deref(), Some(theirs));
    // Whoever reads on sends what waits.
    let last = async || seen.all().pop().filter(|words| words == "message");
    tokio::select! {
        other = events.next() => panic!("{other:?}"),
        _ = eventually(last) => {}
    }
    socket.close();
    while events.next().await.is_some() {}
    assert_eq!(seen.all(), ["GET /ws 101", "hello", "join", "message"]);
    let commands = servers.join_next().await.unwrap().unwrap();
    let traces: Vec<_> = commands.iter().map(|command| command.get("traceparent")).collect();
    let [None, Some(join), Some(message)] = traces[..] else { panic!("{traces:?}") };
    assert_ne!(join, message);
}

#[tokio::test]
async fn a_refused_handshake_is_told() {
    let server = Misbehaving::start(&[Deed::Answer(404, None, "")]).await;
    let (hooks, seen) = hooks();
    let settings = SocketSettings { hooks, ..SocketSettings::new(server.socket_url(), PlayerId(1), "ann") };
    let (_socket, mut events) = Socket::open(settings);
    assert!(matches!(events.next().await, Some(Event::Ended { .. })));
    assert_eq!(seen.all(), ["GET /ws 404"]);
}
