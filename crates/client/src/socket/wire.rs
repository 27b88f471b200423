//! One connection: frames out, frames in. Keeps no state but the connection's. Receiving may be cancelled at any await
//! without losing a frame in either direction.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use battlearena_proto::ErrorKind;
use futures::{Sink as _, SinkExt as _, Stream as _};
use http::Uri;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::frames::{Frame, Incoming, Introduction, Outgoing, PROTOCOL, Problem, Welcome};
use super::{SocketSettings, Who};
use crate::credentials::Token;
use crate::error::Error as PlatformError;
use crate::hooks::{Hooks, Sent};

/// Small, because a load generator has thousands of connections.
const BUFFER_BYTES: usize = 4096;
/// A page of history: a hundred messages of two thousand characters, and some room.
const LARGEST_FRAME_BYTES: usize = 4 << 20;
/// How long a goodbye may take, with its answer.
const FAREWELL: Duration = Duration::from_secs(1);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection that said hello and was welcomed.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    /// Whether something waits to be written out.
    unflushed: bool,
    hooks: Hooks,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NotOpen {
    /// Another attempt may succeed.
    NotNow,
    /// The server does not know this client; with a newer token it may.
    Unproven(String),
    /// The server does not want this client, and will not.
    Rejected(String),
}

impl Wire {
    /// Connects, says hello and waits for the welcome. A token that is not taken is renewed once.
    pub(super) async fn open(
        settings: &SocketSettings,
    ) -> Result<(Self, Welcome, Option<Arc<Token>>), NotOpen> {
        match &settings.who {
            Who::Named { player_id, username } => {
                let who = Introduction::Named { player_id: *player_id, username };
                let (wire, welcome) = Self::introduce(settings, who).await?;
                Ok((wire, welcome, None))
            }
            Who::Session(session) => {
                let mut token = session.token().await.map_err(no_token)?;
                let who = Introduction::Token { token: token.text() };
                let mut opened = Self::introduce(settings, who).await;
                if let Err(NotOpen::Unproven(_)) = opened {
                    token = session.after(&token).await.map_err(no_token)?;
                    opened = Self::introduce(settings, Introduction::Token { token: token.text() }).await;
                }
                let (wire, welcome) = opened?;
                Ok((wire, welcome, Some(token)))
            }
        }
    }

    async fn introduce(settings: &SocketSettings, who: Introduction<'_>) -> Result<(Self, Welcome), NotOpen> {
        let hooks = settings.hooks.clone();
        let mut wire = Self { stream: shake_hands(settings).await?, unflushed: false, hooks };
        let hello = Outgoing::Hello { protocol: PROTOCOL, who };
        wire.send(hello.frame(None)).map_err(|_broken| NotOpen::NotNow)?;
        let welcome = wire.welcome().await?;
        Ok((wire, welcome))
    }

    async fn welcome(&mut self) -> Result<Welcome, NotOpen> {
        loop {
            let Some(Ok(message)) = self.receive().await else { return Err(NotOpen::NotNow) };
            let Message::Text(text) = message else { continue };
            match serde_json::from_str(&text) {
                Ok(Incoming::Welcome(welcome)) => return Ok(welcome),
                Ok(Incoming::Error(problem)) if !problem.is_temporary() => {
                    let Problem { code, message, .. } = problem;
                    let reason = format!("{code}: {message}");
                    let unproven = code == ErrorKind::Unauthenticated.as_str();
                    return Err(if unproven { NotOpen::Unproven(reason) } else { NotOpen::Rejected(reason) });
                }
                Ok(Incoming::Error(_) | Incoming::Reconnect { .. }) => return Err(NotOpen::NotNow),
                Ok(_) => {}
                Err(error) => return Err(NotOpen::Rejected(format!("not the protocol: {error}"))),
            }
        }
    }

    /// Takes a frame over; it leaves with the next [`Wire::receive`].
    pub(super) fn send(&mut self, frame: Frame) -> Result<(), Error> {
        let Frame { kind, text } = frame;
        self.unflushed = true;
        // The library takes a frame whether it is ready or not.
        Pin::new(&mut self.stream).start_send(Message::text(text))?;
        self.hooks.tell(Sent::Command { kind });
        Ok(())
    }

    /// Writes out what waits, and returns the next frame; none when the connection has ended.
    pub(super) async fn receive(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|context| {
            if self.unflushed {
                match Pin::new(&mut self.stream).poll_flush(context) {
                    Poll::Ready(Ok(())) => self.unflushed = false,
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                    Poll::Pending => {}
                }
            }
            Pin::new(&mut self.stream).poll_next(context)
        })
        .await
    }

    /// Says goodbye, and reads until the server has said it too: a connection that is dropped with something unread is
    /// reset, and takes the goodbye with it. What the server still had to say is thrown away.
    pub(super) async fn close(mut self) {
        let farewell = async {
            if self.stream.send(Message::Close(None)).await.is_ok() {
                while let Some(Ok(_)) = self.receive().await {}
            }
        };
        // A server that does not answer is left by dropping the connection.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// Asks for the upgrade, which the observer is told of, however it ends.
async fn shake_hands(settings: &SocketSettings) -> Result<Stream, NotOpen> {
    let SocketSettings { url, tls, hooks, .. } = settings;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(LARGEST_FRAME_BYTES))
        .max_frame_size(Some(LARGEST_FRAME_BYTES));
    let uri = url.parse::<Uri>().map_err(|error| NotOpen::Rejected(error.to_string()))?;
    let sent = |status| Sent::Request { method: "GET", route: uri.path(), status };
    let mut watch = hooks.watch(sent(None));
    let connector = match uri.scheme_str() {
        Some("wss") => Connector::Rustls(tls.config()),
        _ => Connector::Plain,
    };
    match connect_async_tls_with_config(&uri, Some(config), true, Some(connector)).await {
        Ok((stream, response)) => {
            watch.became(sent(Some(response.status().as_u16())));
            Ok(stream)
        }
        Err(error) => {
            if let Error::Http(response) = &error {
                watch.became(sent(Some(response.status().as_u16())));
            }
            Err(not_open(&error))
        }
    }
}

/// A session that has ended is no reason to try again; everything else is.
fn no_token(error: PlatformError) -> NotOpen {
    match error {
        PlatformError::Refused(refusal) => NotOpen::Rejected(refusal.to_string()),
        PlatformError::Unanswered { .. } | PlatformError::Unreadable { .. } => NotOpen::NotNow,
    }
}

/// A wrong address and a refused handshake do not get better by themselves; everything else may.
fn not_open(error: &Error) -> NotOpen {
    match error {
        Error::Url(_) | Error::HttpFormat(_) => NotOpen::Rejected(error.to_string()),
        Error::Http(response) if response.status().is_client_error() && response.status() != 429 => {
            NotOpen::Rejected(format!("the server refused the handshake with {}", response.status()))
        }
        _ => NotOpen::NotNow,
    }
}
