//! A platform that is asked for things in traces of the test's own, and what must become of those.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::span_tree::{self, Node};
use crate::stage::Stage;
use crate::witness::{Protocol, Witness};

/// How long the last spans of a trace may take: outbox, log, read models, export.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A trace that a test began, by the ids that it sent.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    trace: String,
    /// The span of ours that nobody exports.
    root: String,
}

impl Begun {
    pub(super) fn new() -> Self {
        let (trace, root) = (rand::random::<u128>(), rand::random::<u64>());
        Self { trace: format!("{trace:032x}"), root: format!("{root:016x}") }
    }

    pub(super) fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.root)
    }
}

/// A platform, its witness, and every trace that was begun, with the tree that it must have become.
pub(super) struct Play {
    pub(super) stage: Stage,
    pub(super) witness: Witness,
    pub(super) begun: Vec<(Begun, Option<String>)>,
}

impl Play {
    pub(super) async fn start(protocol: Protocol, configure: impl FnOnce(&mut Command)) -> Self {
        let witness = Witness::start(protocol);
        let stage = Stage::start(|command| {
            command.args(["--auth", "open"]);
            witness.observe(command);
            configure(command);
        });
        let stage = stage.await;
        Self { stage, witness, begun: Vec::new() }
    }

    /// Makes a request in a trace of its own.
    pub(super) async fn ask(&mut self, method: &str, path: &str, body: Value) -> (Begun, u16) {
        let begun = Begun::new();
        self.begun.push((begun.clone(), None));
        let request = self.stage.http.request(method.parse().unwrap(), self.stage.url("gateway", path));
        let request = request.header("traceparent", begun.traceparent());
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["x-trace-id"], begun.trace.as_str());
        (begun, response.status().as_u16())
    }

    pub(super) fn text(&self, begun: &Begun) -> String {
        span_tree::text(&self.witness.spans(), &begun.trace, &begun.root)
    }

    /// Waits until a trace is what it must be.
    pub(super) async fn becomes(&mut self, begun: &Begun, expected: &Node) {
        let (expected, began) = (expected.text(), Instant::now());
        while self.text(begun) != expected {
            let found = self.text(begun);
            assert!(began.elapsed() < PATIENCE, "this trace\n{found}\nshould be\n{expected}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.begun.push((begun.clone(), Some(expected)));
    }

    /// Makes a request that succeeds, and waits until its trace is what it must be.
    pub(super) async fn play(&mut self, method: &str, path: &str, body: Value, expected: Node) {
        let (begun, status) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{path}");
        self.becomes(&begun, &expected).await;
    }

    /// Ends the platform, which flushes what is left: nothing was added to any trace, and nobody else made a span.
    pub(super) async fn end(self) {
        let Self { stage, witness, begun } = self;
        assert!(stage.stop().await.status.success());
        let spans = witness.spans();
        for (begun, expected) in &begun {
            if let Some(expected) = expected {
                assert_eq!(&span_tree::text(&spans, &begun.trace, &begun.root), expected, "it has changed");
            }
        }
        let ours: BTreeSet<&str> = begun.iter().map(|(begun, _)| begun.root.as_str()).collect();
        assert_eq!(span_tree::complaints(&spans, &ours), Vec::<String>::new());
        let traces: BTreeSet<&str> = begun.iter().map(|(begun, _)| begun.trace.as_str()).collect();
        for span in spans {
            assert!(traces.contains(span.trace.as_str()), "nobody asked for this: {span:?}");
            for (name, value) in [
                ("service.version", env!("CARGO_PKG_VERSION")),
                ("deployment.environment.name", "development"),
            ] {
                assert_eq!(span.resource[name], value, "{span:?}");
            }
        }
    }
}

/// A socket without any library of ours.
pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens a socket in a trace of its own, and says hello.
    pub(super) async fn connect(play: &mut Play) -> (Self, Begun) {
        let begun = Begun::new();
        play.begun.push((begun.clone(), None));
        let url = format!("ws://{}/ws", play.stage.address("--socket-gateway-http"));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("traceparent", begun.traceparent().parse().unwrap());
        let mut socket = Self(connect_async(request).await.unwrap().0);
        let hello = json!({"type": "hello", "protocol": 1, "player_id": 1, "username": "ada"});
        socket.say(play, hello).await;
        socket.hear("welcome").await;
        (socket, begun)
    }

    /// Sends a command in a trace of its own.
    pub(super) async fn say(&mut self, play: &mut Play, mut command: Value) -> Begun {
        let begun = Begun::new();
        play.begun.push((begun.clone(), None));
        command["traceparent"] = begun.traceparent().into();
        self.0.send(Message::text(command.to_string())).await.unwrap();
        begun
    }

    /// The next frame of a type.
    pub(super) async fn hear(&mut self, frame_type: &str) -> Value {
        let hearing = async {
            loop {
                let message = self.0.next().await.unwrap().unwrap();
                let Ok(text) = message.into_text() else { continue };
                let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                if frame["type"] == frame_type {
                    return frame;
                }
            }
        };
        tokio::time::timeout(PATIENCE, hearing).await.unwrap_or_else(|_| panic!("no {frame_type}"))
    }
}

/// The frame's context is that of a span in the trace.
pub(super) fn assert_leads_to(play: &Play, frame: &Value, name: &str, begun: &Begun) {
    let traceparent = frame["traceparent"].as_str().unwrap_or_else(|| panic!("no traceparent in {frame}"));
    let spans = play.witness.spans();
    let span = spans.iter().find(|span| span.trace == begun.trace && span.name == name).unwrap();
    assert_eq!(traceparent, format!("00-{}-{}-01", begun.trace, span.span));
}
