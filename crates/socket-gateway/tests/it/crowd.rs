//! Many clients at once, and one that reads nothing.

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpSocket;
use tokio::sync::Barrier;

use crate::support::{Client, Gateway, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_join_one_room_in_the_same_instant() {
    let gateway = Arc::new(Gateway::start().await);
    let barrier = Arc::new(Barrier::new(200));
    let mut joining = tokio::task::JoinSet::new();
    for player in 1..=200 {
        let (gateway, barrier) = (gateway.clone(), barrier.clone());
        joining.spawn(async move {
            let mut client = gateway.player(player).await;
            barrier.wait().await;
            let joined = client.join("arena").await;
            (client, joined["epoch"].clone())
        });
    }
    let mut clients = joining.join_all().await;
    let epoch = clients[0].1.clone();
    assert!(clients.iter().all(|(_, other)| *other == epoch), "it is one room");
    let (first, _) = &mut clients[0];
    assert_eq!(first.ask(json!({"type": "presence", "room": "arena"}), "presence").await["count"], 200);
    first.chat("arena", "hi", "all here?").await;
    for (client, _) in &mut clients[1..] {
        assert_eq!(client.hear("message").await["offset"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_cut_and_slows_nobody() {
    const MESSAGES: usize = 400;
    let gateway = Gateway::start_with(|config| {
        config.commands_per_second = 100_000;
        config.commands_burst = 100_000;
        config.queue_bytes = 65_536;
    })
    .await;
    let before = gateway.scraped("websocket_slow_consumers_total").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(gateway.http).await.unwrap();
    let mut slow = Client::over(stream, gateway.http).await.unwrap();
    slow.hello(99).await;
    slow.join("loud").await;
    let (mut ada, mut bob) = (gateway.player(1).await, gateway.player(2).await);
    ada.join("loud").await;
    bob.join("loud").await;
    let text = "x".repeat(2000);
    let say = async {
        for number in 0..MESSAGES {
            ada.chat("loud", &format!("m{number}"), &text).await;
        }
    };
    let (heard, ()) = tokio::join!(bob.messages_through(MESSAGES as i64), say);
    assert_eq!(heard.len(), MESSAGES, "the others have everything");
    assert!(gateway.scraped("websocket_slow_consumers_total").await > before);
    assert!(gateway.scraped("websocket_send_queue_dropped_total").await > 0.0);
    let ended = r#"websocket_connections_total{outcome="slow_consumer"}"#;
    eventually(async || (gateway.scraped(ended).await >= 1.0).then_some(())).await;
    let mut offset = 0;
    let code = loop {
        match slow.next().await {
            Ok(frame) if frame["type"] == "message" => {
                assert_eq!(frame["offset"], offset + 1, "what it was sent has no gap");
                offset += 1;
            }
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    // It hears why, unless it took so long that the connection was ended.
    assert!(code == 4008 || code == 1006, "{code}");
    assert!(offset < MESSAGES as i64);
}
