//! A running socket-gateway on a database of its own, and clients of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use battlearena_identity::Settings;
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_socket_gateway::{App, Config, migrator};
use battlearena_storage::events::RelaySettings;
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// An address at which nobody listens: the discard port.
pub(crate) const NOBODY: &str = "http://127.0.0.1:9";

/// The longest wait for what must happen in the end.
const IN_THE_END: Duration = Duration::from_secs(60);

/// A running service. Ends when it is dropped.
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: String,
    pub(crate) tasks: Tasks,
    pub(crate) stop: CancellationToken,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Settings on free ports, without an event log.
pub(crate) fn config(url: &str) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        http: any,
        admin_addr: None,
        grpc: any,
        open_bind_any: false,
        allowed_origins: Vec::new(),
        most_connections: 100_000,
        connects_per_minute: 300,
        connects_burst: 100,
        tls: battlearena_tls::Settings::default(),
        identity: Settings::open(),
        commands_per_second: 50,
        commands_burst: 200,
        recovery_messages: 2000,
        queue_bytes: 1_048_576,
        heartbeat_seconds: 25,
        timeout_seconds: 60,
        seen_seconds: 240,
        message_retention_days: 30,
        database: DatabaseSettings::for_url(url),
        relay: RelaySettings { event_log_url: NOBODY.to_owned(), outbox_retention_days: 7 },
    }
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let url = TestDatabase::create(&[migrator().unwrap()]).await.url;
        let mut config = config(&url);
        change(&mut config);
        Self::start_on(config).await
    }

    pub(crate) async fn start_on(config: Config) -> Self {
        battlearena_telemetry::start_for_tests();
        let url = config.database.database_url.clone();
        let app = App::build(config).await.unwrap();
        let (http, grpc) = (app.http_addr(), format!("http://{}", app.grpc_addr()));
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn("socket-gateway", async move { app.run(stopped).await.unwrap() });
        let gateway = Self { url, http, grpc, tasks, stop };
        eventually(async || gateway.get("/readyz").await.status().is_success().then_some(())).await;
        gateway
    }

    /// Stops the service and waits for its end; a service on the same database can begin.
    pub(crate) async fn stop(self) -> String {
        self.stop.cancel();
        self.tasks.stop(Duration::from_secs(30)).await.unwrap();
        self.url.clone()
    }

    pub(crate) fn database(&self) -> Database {
        Database::new(&DatabaseSettings::for_url(&self.url), "test").unwrap()
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.http).await
    }

    /// A client that has said hello.
    pub(crate) async fn player(&self, player_id: i64) -> Client {
        let mut client = self.connect().await;
        client.hello(player_id).await;
        client
    }

    /// A client that has shown a token, once the keys of tokens are known; or why it is not let in.
    pub(crate) async fn enter(&self, token: &str) -> Result<(Client, Value), (Value, u16)> {
        eventually(async || {
            let mut client = self.connect().await;
            match client.show(token).await {
                Ok(welcome) => Some(Ok((client, welcome))),
                Err((_, 0)) => None,
                Err(refused) => Some(Err(refused)),
            }
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("http://{}{path}", self.http)).await.unwrap()
    }

    /// The value of a series in the scrape.
    pub(crate) async fn scraped(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    pub(crate) async fn try_connect(address: SocketAddr) -> Result<Self, Error> {
        Self::over(TcpStream::connect(address).await?, address).await
    }

    pub(crate) async fn over(stream: TcpStream, address: SocketAddr) -> Result<Self, Error> {
        let (stream, _) = client_async(format!("ws://{address}/ws"), stream).await?;
        Ok(Self { stream })
    }

    pub(crate) async fn hello(&mut self, player_id: i64) -> Value {
        let username = format!("player {player_id}");
        self.say(json!({"type": "hello", "protocol": 1, "player_id": player_id, "username": username})).await;
        self.hear("welcome").await
    }

    /// Says hello with a token: what it hears, and the code with which the connection ends if it does.
    pub(crate) async fn show(&mut self, token: &str) -> Result<Value, (Value, u16)> {
        self.say(json!({"type": "hello", "protocol": 1, "token": token})).await;
        let answer = self.next().await.map_err(|code| (Value::Null, code))?;
        match answer["code"].as_str() {
            None => Ok(answer),
            // The keys of tokens are not learned yet.
            Some("unavailable") => Err((answer, 0)),
            Some(_) => Err((answer, self.end().await)),
        }
    }

    pub(crate) async fn say(&mut self, command: Value) {
        self.stream.send(Message::text(command.to_string())).await.unwrap();
    }

    /// Says something and returns the answer of that type; other frames before it are thrown away.
    pub(crate) async fn ask(&mut self, command: Value, answer: &str) -> Value {
        self.say(command).await;
        self.hear(answer).await
    }

    /// Joins a room, and returns the answer.
    pub(crate) async fn join(&mut self, room: &str) -> Value {
        self.ask(json!({"type": "join", "room": room}), "joined").await
    }

    /// Says a text in a room, and returns the acknowledgement.
    pub(crate) async fn chat(&mut self, room: &str, client_id: &str, text: &str) -> Value {
        let message = json!({"type": "message", "room": room, "client_id": client_id, "text": text});
        self.ask(message, "ack").await
    }

    /// The next frame of a type; others are thrown away.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|code| panic!("closed with {code} before {kind}"));
            if frame["type"] == kind {
                return frame;
            }
            assert_ne!(frame["type"], "error", "{frame}");
        }
    }

    /// The next frame, or the code with which the connection was closed (1006 without one).
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        // Pings are no frames that anybody waits for.
        let until = tokio::time::Instant::now() + IN_THE_END;
        loop {
            let next = tokio::time::timeout_at(until, self.stream.next()).await.expect("a frame, in the end");
            match next {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    // The library has queued the answer to it.
                    let _gone = self.stream.flush().await;
                    return Err(frame.map_or(1005, |frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The error that comes next, but for who comes and goes.
    pub(crate) async fn refused(&mut self) -> (String, Option<String>) {
        let error = loop {
            let frame = self.next().await.unwrap();
            if frame["type"] != "presence_changed" {
                break frame;
            }
        };
        assert_eq!(error["type"], "error", "{error}");
        (error["code"].as_str().unwrap().to_owned(), error["field"].as_str().map(str::to_owned))
    }

    /// Reads to the end, and returns its code.
    pub(crate) async fn end(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// The messages up to an offset: their offsets and texts.
    pub(crate) async fn messages_through(&mut self, offset: i64) -> Vec<(i64, String)> {
        let mut messages = Vec::new();
        while messages.last().is_none_or(|(last, _)| *last < offset) {
            messages.push(message(&self.hear("message").await));
        }
        messages
    }

    /// Ends the connection without a word, as a lost network does.
    pub(crate) fn vanish(self) {
        drop(self);
    }
}

/// Offset and text of a message.
pub(crate) fn message(frame: &Value) -> (i64, String) {
    (frame["offset"].as_i64().unwrap(), frame["text"].as_str().unwrap().to_owned())
}

/// Asks until there is an answer; gives up in the end.
pub(crate) async fn eventually<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let until = Instant::now() + IN_THE_END;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "it did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
