//! Rooms: messages, acknowledgements, history and presence.

use battlearena_proto::realtime::ListMessagesRequest;
use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_storage::Statement;
use serde_json::json;

use crate::support::{Gateway, message};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_the_room_hears_a_message_once() {
    let gateway = Gateway::start().await;
    let (mut ada, mut bob, mut eve) =
        (gateway.player(1).await, gateway.player(2).await, gateway.player(3).await);
    let joined = ada.join("lobby").await;
    assert_eq!(
        (&joined["offset"], &joined["count"], &joined["recovered"]),
        (&json!(0), &json!(1), &json!(null))
    );
    bob.join("lobby").await;
    eve.ask(json!({"type": "subscribe", "channel": "room:lobby"}), "subscribed").await;
    let said =
        json!({"type": "message", "room": "lobby", "client_id": "a", "text": "grüß\n\"dich\"", "id": "9"});
    ada.say(said).await;
    let heard = ada.hear("message").await;
    let ack = ada.hear("ack").await;
    assert_eq!((&ack["offset"], &ack["duplicate"], &ack["id"]), (&json!(1), &json!(false), &json!("9")));
    assert_eq!(ack["timestamp"], heard["timestamp"]);
    for client in [&mut bob, &mut eve] {
        assert_eq!(client.hear("message").await, heard);
    }
    assert_eq!(heard["text"], "grüß\n\"dich\"");
    assert_eq!((&heard["username"], &heard["channel"]), (&json!("player 1"), &json!("room:lobby")));
    // Who left hears nothing more.
    bob.ask(json!({"type": "leave", "room": "lobby"}), "left").await;
    ada.chat("lobby", "b", "still here").await;
    bob.ask(json!({"type": "join", "room": "lobby"}), "joined").await;
    ada.chat("lobby", "c", "again").await;
    assert_eq!(message(&bob.hear("message").await), (3, "again".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_is_stored_once() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.player(1).await;
    ada.join("lobby").await;
    let first = ada.chat("lobby", "same", "one").await;
    // Twice in one go, and once more from another connection, after others.
    for _ in 0..2 {
        ada.say(json!({"type": "message", "room": "lobby", "client_id": "new", "text": "two"})).await;
    }
    let acks = [ada.hear("ack").await, ada.hear("ack").await];
    assert_eq!([&acks[0]["offset"], &acks[1]["offset"]], [&json!(2), &json!(2)]);
    assert_eq!([&acks[0]["duplicate"], &acks[1]["duplicate"]], [&json!(false), &json!(true)]);
    ada.vanish();
    let mut ada = gateway.player(1).await;
    ada.join("lobby").await;
    let again = ada.chat("lobby", "same", "one").await;
    assert_eq!((&again["offset"], &again["timestamp"]), (&first["offset"], &first["timestamp"]));
    assert_eq!(again["duplicate"], true);
    // Another player's name for a message is another message.
    let mut bob = gateway.player(2).await;
    bob.join("lobby").await;
    assert_eq!(bob.chat("lobby", "same", "three").await["offset"], 3);
    static COUNT: Statement =
        Statement::new("count", "SELECT", "messages", "select count(*) from socket.messages");
    assert_eq!(gateway.database().query_one(&COUNT, &[]).await.unwrap().get::<_, i64>(0), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_in_pages_and_over_grpc() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.player(1).await;
    let empty = ada.ask(json!({"type": "history", "room": "lobby"}), "history").await;
    assert_eq!((&empty["messages"], &empty["epoch"], &empty["offset"]), (&json!([]), &json!(""), &json!(0)));
    let joined = ada.join("lobby").await;
    for number in 1..=5 {
        ada.chat("lobby", &format!("c{number}"), &format!("text {number}")).await;
    }
    let page = ada.ask(json!({"type": "history", "room": "lobby", "limit": 2}), "history").await;
    let offsets = |page: &serde_json::Value| {
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(|message| message["offset"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((offsets(&page), &page["epoch"], &page["offset"]), (vec![4, 5], &joined["epoch"], &json!(5)));
    let page = ada.ask(json!({"type": "history", "room": "lobby", "limit": 2, "before": 4}), "history").await;
    assert_eq!(offsets(&page), [2, 3]);

    let channel = battlearena_telemetry::grpc::connect(&gateway.grpc).unwrap();
    let mut service = RealtimeServiceClient::new(channel);
    let request = ListMessagesRequest { room: "lobby".into(), limit: 3, before_offset: 3, viewer_id: 0 };
    let answer = service.list_messages(request.clone()).await.unwrap().into_inner();
    let texts: Vec<_> =
        answer.messages.iter().map(|message| (message.offset, message.text.as_str())).collect();
    assert_eq!(texts, [(1, "text 1"), (2, "text 2")]);
    for wrong in [
        ListMessagesRequest { room: "a b".into(), ..request.clone() },
        ListMessagesRequest { limit: 0, ..request.clone() },
        ListMessagesRequest { viewer_id: -1, ..request.clone() },
        ListMessagesRequest { before_offset: -1, ..request },
    ] {
        assert_eq!(service.list_messages(wrong).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_tells_who_is_here_and_who_comes_and_goes() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.player(1).await;
    ada.join("lobby").await;
    let itself = ada.hear("presence_changed").await;
    assert_eq!(itself["joined"], json!([{"player_id": 1, "username": "player 1"}]));
    let mut bob = gateway.player(2).await;
    let mut bobs_phone = gateway.player(2).await;
    assert_eq!(bob.join("lobby").await["count"], 2);
    let joined = ada.hear("presence_changed").await;
    assert_eq!((&joined["count"], &joined["left"]), (&json!(2), &json!([])));
    assert_eq!(joined["joined"], json!([{"player_id": 2, "username": "player 2"}]));
    assert_eq!(bobs_phone.join("lobby").await["count"], 2);
    // One of two connections ends: bob is still here, and nobody is told. Then the other one does.
    bob.vanish();
    let here = ada.ask(json!({"type": "presence", "room": "lobby"}), "presence").await;
    assert_eq!(here["players"].as_array().unwrap().len(), 2);
    bobs_phone.vanish();
    let left = ada.hear("presence_changed").await;
    assert_eq!((&left["count"], &left["joined"]), (&json!(1), &json!([])));
    assert_eq!(left["left"], json!([{"player_id": 2, "username": "player 2"}]));
}
