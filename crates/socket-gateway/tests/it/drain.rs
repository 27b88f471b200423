//! The end of the service: everything accepted is stored and acknowledged, everybody is told to come back.

use battlearena_storage::Statement;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{Client, Gateway, config};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_when_to_come_back() {
    let gateway = Gateway::start().await;
    let mut clients = Vec::new();
    for player in 1..=20 {
        let mut client = gateway.player(player).await;
        client.join("lobby").await;
        clients.push(client);
    }
    gateway.stop.cancel();
    let mut delays = Vec::new();
    for client in &mut clients {
        delays.push(client.hear("reconnect").await["reconnect_after_ms"].as_u64().unwrap());
        assert_eq!(client.end().await, 1001);
    }
    assert!(delays.iter().all(|delay| *delay <= 5000));
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 10, "each at a time of its own: {delays:?}");
    gateway.stop().await;
}

/// What one client knows at the end: the offsets of its acknowledged messages, by their client ids.
async fn talk_until_the_end(mut client: Client, player: i64) -> Vec<(String, i64)> {
    client.join("lobby").await;
    let (mut number, mut acknowledged) = (0, Vec::new());
    loop {
        let client_id = format!("{player}-{number}");
        let message = json!({"type": "message", "room": "lobby", "client_id": client_id, "text": "x"});
        use futures::SinkExt as _;
        use tokio_tungstenite::tungstenite::Message;
        // The end may come between a read and a write.
        let _closed = client.stream.send(Message::text(message.to_string())).await;
        loop {
            match client.next().await {
                Ok(frame) if frame["type"] == "ack" => {
                    acknowledged.push((client_id, frame["offset"].as_i64().unwrap()));
                    break;
                }
                Ok(_) => {}
                Err(code) => {
                    assert_eq!(code, 1001, "player {player}");
                    return acknowledged;
                }
            }
        }
        number += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_nothing_that_was_acknowledged() {
    let gateway = Gateway::start_with(|config| {
        config.commands_per_second = 100_000;
        config.commands_burst = 100_000;
    })
    .await;
    let mut talking = tokio::task::JoinSet::new();
    for player in 1..=10 {
        let client = gateway.player(player).await;
        talking.spawn(talk_until_the_end(client, player));
    }
    let mut listener = gateway.player(99).await;
    listener.join("lobby").await;
    listener.messages_through(100).await;
    let (address, database) = (gateway.http, gateway.database());
    let url = gateway.stop().await;
    assert!(matches!(Client::try_connect(address).await, Err(Error::Io(_))), "nobody listens any more");
    static FIND: Statement = Statement::new(
        "find",
        "SELECT",
        "messages",
        "select message_offset from socket.messages where client_id = $1",
    );
    let acknowledged: Vec<_> = talking.join_all().await.concat();
    assert!(acknowledged.len() >= 100);
    for (client_id, offset) in acknowledged {
        assert_eq!(database.query_one(&FIND, &[&client_id]).await.unwrap().get::<_, i64>(0), offset);
    }
    // The next one goes on where this one was.
    let gateway = Gateway::start_on(config(&url)).await;
    let mut client = gateway.player(1).await;
    let last = client.join("lobby").await["offset"].as_i64().unwrap();
    assert_eq!(client.chat("lobby", "next", "x").await["offset"], last + 1);
    gateway.stop().await;
}
