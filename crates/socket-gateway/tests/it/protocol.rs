//! What clients may and may not say.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{Client, Gateway};
use futures::SinkExt as _;

fn refused(code: &str, field: &str) -> (String, Option<String>) {
    (code.to_owned(), Some(field.to_owned()).filter(|field| !field.is_empty()))
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_comes_first() {
    let gateway = Gateway::start().await;
    let good = json!({"type": "hello", "protocol": 1, "player_id": 7, "username": "ada", "id": "x"});
    let mut client = gateway.connect().await;
    let welcome = client.ask(good.clone(), "welcome").await;
    assert_eq!((&welcome["protocol"], &welcome["id"]), (&json!(1), &json!("x")));
    assert_eq!(welcome["limits"]["frame_bytes"], 16_384);
    client.say(good).await;
    assert_eq!(client.refused().await, refused("conflict", ""));

    for (first, code, field, close) in [
        (json!({"type": "ping"}), "unauthenticated", "", 4001),
        (
            json!({"type": "hello", "protocol": 1, "player_id": 0, "username": "a"}),
            "unauthenticated",
            "player_id",
            4001,
        ),
        (json!({"type": "hello", "protocol": 1, "player_id": 1}), "unauthenticated", "username", 4001),
        (json!({"type": "hello", "protocol": 2}), "unsupported_protocol", "protocol", 4002),
        (json!({"type": "dance"}), "unknown_command", "", 4004),
    ] {
        let mut client = gateway.connect().await;
        client.say(first.clone()).await;
        assert_eq!(client.refused().await, refused(code, field), "{first}");
        assert_eq!(client.end().await, close, "{first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_says_hello_is_sent_away() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    assert_eq!(client.refused().await, refused("unauthenticated", ""));
    assert_eq!(client.end().await, 4001);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_a_command_leave_the_connection_open() {
    let gateway = Gateway::start().await;
    let mut client = gateway.player(1).await;
    client.join("a").await;
    for (command, code, field) in [
        (json!({"type": "join", "room": "no such name!"}), "invalid", "room"),
        (json!({"type": "join", "room": "a"}), "conflict", ""),
        (json!({"type": "leave", "room": "b"}), "conflict", ""),
        (json!({"type": "subscribe", "channel": "room:a"}), "conflict", ""),
        (json!({"type": "unsubscribe", "channel": "feed"}), "conflict", ""),
        (json!({"type": "subscribe", "channel": "feed"}), "unavailable", ""),
        (json!({"type": "message", "room": "b", "client_id": "1", "text": "x"}), "conflict", ""),
        (json!({"type": "message", "room": "a", "client_id": "1"}), "invalid", "text"),
        (json!({"type": "presence", "room": "b"}), "conflict", ""),
        (json!({"type": "history", "room": "a", "limit": 0}), "invalid", "limit"),
    ] {
        let mut keyed = command.clone();
        keyed["id"] = json!("q");
        client.say(keyed).await;
        let error = client.hear_error().await;
        assert_eq!(
            (error["code"].as_str(), error["field"].as_str().unwrap_or("")),
            (Some(code), field),
            "{command}"
        );
        assert_eq!(error["id"], "q");
        if command["client_id"].is_string() {
            assert_eq!(error["client_id"], command["client_id"]);
        }
    }
    let pong = client.ask(json!({"type": "ping", "id": "p"}), "pong").await;
    assert_eq!(pong["id"], "p");
    for number in 1..64 {
        client.join(&format!("room-{number}")).await;
    }
    client.say(json!({"type": "join", "room": "one-too-many"})).await;
    assert_eq!(client.hear_error().await["code"], "conflict");
}

/// Sends something that ends the connection, and returns the error's code and the close code.
async fn violate(gateway: &Gateway, messages: Vec<Message>) -> (String, u16) {
    let mut client = gateway.player(1).await;
    for message in messages {
        client.stream.send(message).await.unwrap();
    }
    let (code, _) = client.refused().await;
    (code, client.end().await)
}

fn part(opcode: Data, bytes: &[u8], is_final: bool) -> Message {
    Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(opcode), is_final))
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_get_an_error_and_then_their_close_code() {
    let gateway = Gateway::start().await;
    let large = "x".repeat(16_385);
    for (messages, code, close) in [
        (vec![Message::binary(vec![1, 2])], "unsupported_data", 1003),
        (vec![part(Data::Text, &[0xFF, 0xFE], true)], "invalid_utf8", 1007),
        (vec![Message::text(large)], "payload_too_large", 1009),
        (
            vec![part(Data::Text, &[b' '; 9000], false), part(Data::Continue, &[b' '; 9000], true)],
            "payload_too_large",
            1009,
        ),
        (vec![part(Data::Continue, b"x", true)], "protocol_error", 1002),
        (vec![part(Data::Text, b"{", false), part(Data::Text, b"}", true)], "protocol_error", 1002),
        (vec![Message::text("{")], "malformed", 4000),
        (vec![Message::text("[]")], "malformed", 4000),
        (vec![Message::text("{}")], "malformed", 4000),
        (vec![Message::text(r#"{"type":"dance"}"#)], "unknown_command", 4004),
    ] {
        assert_eq!(violate(&gateway, messages).await, (code.to_owned(), close));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragmented_command_is_a_command() {
    let gateway = Gateway::start().await;
    let mut client = gateway.player(1).await;
    for (number, byte) in br#"{"type":"ping"}"#.iter().enumerate() {
        let opcode = if number == 0 { Data::Text } else { Data::Continue };
        client.stream.send(part(opcode, &[*byte], number == 14)).await.unwrap();
    }
    client.hear("pong").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmasked_frame_ends_the_connection() {
    let gateway = Gateway::start().await;
    let mut client = gateway.player(1).await;
    client.stream.get_mut().write_all(&[0x81, 2, b'{', b'}']).await.unwrap();
    assert_eq!(client.refused().await, refused("protocol_error", ""));
    assert_eq!(client.end().await, 1002);
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_the_connection() {
    let gateway = Gateway::start_with(|config| {
        config.commands_per_second = 1;
        config.commands_burst = 20;
    })
    .await;
    let mut client = gateway.player(1).await;
    for _ in 0..100 {
        if client.stream.send(Message::text(r#"{"type":"ping"}"#)).await.is_err() {
            break;
        }
    }
    let (mut pongs, mut errors) = (0, Vec::new());
    let code = loop {
        match client.next().await {
            Ok(frame) if frame["type"] == "pong" => pongs += 1,
            Ok(frame) => errors.push(frame["code"].clone()),
            Err(code) => break code,
        }
    };
    assert_eq!((errors, code), (vec![json!("throttled")], 4029));
    assert!((19..=25).contains(&pongs), "{pongs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_are_pinged_and_dead_ones_are_closed() {
    let gateway = Gateway::start_with(|config| {
        config.heartbeat_seconds = 1;
        config.timeout_seconds = 2;
    })
    .await;
    // This one reads, and so answers pings.
    let mut alive = gateway.player(1).await;
    // This one does not.
    let mut dead = gateway.player(2).await;
    let watch = async {
        while gateway.scraped(r#"websocket_connections_total{outcome="timed_out"}"#).await < 1.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = watch => {}
        next = alive.next() => panic!("{next:?}"),
    }
    // Read past the library, which would answer the pings now.
    let mut sent = Vec::new();
    dead.stream.get_mut().read_to_end(&mut sent).await.unwrap();
    let close_code = [0x0F, 0xA7];
    let close = [&[0x88, 21], &close_code[..], b"silent for too long"].concat();
    assert!(sent.ends_with(&close), "{sent:?}");
    alive.ask(json!({"type": "ping"}), "pong").await;
}

impl Client {
    /// The next error.
    async fn hear_error(&mut self) -> Value {
        loop {
            let frame = self.next().await.unwrap();
            if frame["type"] == "error" {
                return frame;
            }
        }
    }
}
