//! A socket without any library of ours.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{PATIENCE, eventually};
use crate::stage::Stage;

/// A socket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came of a command.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Its answer, or its error.
    Frame(Value),
    /// The end of the connection, with the code.
    End(u16),
}

impl Socket {
    /// Connects, and says nothing.
    pub(crate) async fn open(stage: &Stage) -> Self {
        let url = format!("ws://{}/ws", stage.address("--socket-gateway-http"));
        Self(connect_async(url).await.unwrap().0)
    }

    /// A socket that is in by this token, once the keys of tokens are known.
    pub(crate) async fn enter(stage: &Stage, token: &str) -> Self {
        eventually("the keys of tokens", async || {
            let mut socket = Self::open(stage).await;
            match socket.hello(token).await {
                Heard::Frame(frame) if frame["type"] == "welcome" => Some(socket),
                Heard::Frame(frame) if frame["code"] == "unavailable" => None,
                other => panic!("{other:?}"),
            }
        })
        .await
    }

    /// Shows a token.
    pub(crate) async fn hello(&mut self, token: &str) -> Heard {
        self.ask(json!({"type": "hello", "protocol": 1, "token": token})).await
    }

    /// Says something, and waits for what comes of it.
    pub(crate) async fn ask(&mut self, mut command: Value) -> Heard {
        let id = format!("{:x}", rand::random::<u64>());
        command["id"] = json!(id);
        // The server may have closed the connection: that is heard next.
        let _sent = self.0.send(Message::text(command.to_string())).await;
        loop {
            match self.hear().await {
                // What cannot be read has no id.
                Heard::Frame(frame) if frame["id"] != json!(id) && frame["type"] != "error" => {}
                heard => return heard,
            }
        }
    }

    /// Waits for the end of the connection, and returns the code.
    pub(crate) async fn end(&mut self) -> u16 {
        loop {
            if let Heard::End(code) = self.hear().await {
                return code;
            }
        }
    }

    /// The next frame, or the end.
    async fn hear(&mut self) -> Heard {
        let hearing = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Heard::Frame(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Heard::End(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Heard::End(1006),
                }
            }
        };
        tokio::time::timeout(PATIENCE, hearing).await.unwrap_or_else(|_| panic!("the socket is silent"))
    }
}
