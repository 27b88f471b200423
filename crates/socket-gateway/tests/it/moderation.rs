//! Who must not speak, whom somebody does not want to hear, and who is forgotten.

use std::collections::BTreeSet;
use std::time::Duration;

use battlearena_proto::events::event::Body;
use battlearena_proto::events::{PlayerDeleted, PlayerRegistered, PlayerRenamed, PlayerSanctioned};
use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_proto::realtime::{ListMessagesRequest, ListPlayerMessagesRequest};
use battlearena_proto::timestamp_to_wire;
use battlearena_storage::Statement;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{Client, Gateway, config, eventually};

fn mute(player_id: i64, until: Option<Timestamp>, lifted: bool) -> Body {
    let (kind, reason, by) = ("mute".to_owned(), "spam".to_owned(), "op".to_owned());
    let until = until.map(timestamp_to_wire);
    Body::PlayerSanctioned(PlayerSanctioned { player_id, kind, reason, until, by, lifted })
}

/// What becomes of a message: its acknowledgement, or the error.
async fn try_say(client: &mut Client, client_id: &str) -> Value {
    client.say(json!({"type": "message", "room": "lobby", "client_id": client_id, "text": "x"})).await;
    loop {
        let answer = client.next().await.unwrap();
        if answer["type"] == "ack" || answer["type"] == "error" {
            return answer;
        }
    }
}

/// Says something until what becomes of it is of that type.
async fn say_until(client: &mut Client, answer: &str, name: &str) -> Value {
    for number in 0.. {
        let said = try_say(client, &format!("{name}{number}")).await;
        if said["type"] == answer {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the numbers do not end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_player_says_nothing_until_the_end_over_restarts_too() {
    let mut log = Log::start().await;
    let gateway = log.gateway().await;
    let (mut ada, mut bob) = (gateway.player(7).await, gateway.player(8).await);
    ada.join("lobby").await;
    bob.join("lobby").await;
    ada.chat("lobby", "before", "x").await;
    let until: Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
    log.tell(mute(7, Some(until), false)).await;
    let refused = say_until(&mut ada, "error", "a").await;
    assert_eq!((&refused["code"], &refused["until"]), (&json!("forbidden"), &json!("2999-01-01T00:00:00Z")));
    assert!(refused["client_id"].as_str().unwrap().starts_with('a'));
    // What was stored before is acknowledged as before; others are not concerned; listening is no speaking.
    assert_eq!(try_say(&mut ada, "before").await["duplicate"], true);
    assert_eq!(try_say(&mut bob, "b").await["type"], "ack");
    assert_eq!(ada.hear("message").await["player_id"], 8);
    gateway.stop().await;

    let gateway = log.gateway().await;
    let mut ada = gateway.player(7).await;
    ada.join("lobby").await;
    assert_eq!(try_say(&mut ada, "after").await["code"], "forbidden");
    log.tell(mute(7, None, true)).await;
    say_until(&mut ada, "ack", "lifted").await;
    // For good, and then for a moment.
    log.tell(mute(7, None, false)).await;
    assert_eq!(say_until(&mut ada, "error", "c").await["until"], json!(null));
    log.tell(mute(7, Some(Timestamp::now() + Duration::from_secs(1)), false)).await;
    say_until(&mut ada, "ack", "d").await;
}

/// The players whose messages a page of history has.
async fn authors(client: &mut Client) -> Vec<i64> {
    let page = client.ask(json!({"type": "history", "room": "lobby"}), "history").await;
    page["messages"].as_array().unwrap().iter().map(|said| said["player_id"].as_i64().unwrap()).collect()
}

async fn block(client: &mut Client, command: &str, player_id: i64) {
    let answer = if command == "block" { "blocked" } else { "unblocked" };
    let told = client.ask(json!({"type": command, "player_id": player_id, "id": "b"}), answer).await;
    assert_eq!((&told["player_id"], &told["id"]), (&json!(player_id), &json!("b")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_is_not_heard_live_in_recovery_or_in_history() {
    let gateway = Gateway::start().await;
    let [mut ada, mut bob, mut eve] =
        [gateway.player(1).await, gateway.player(2).await, gateway.player(3).await];
    let mut adas_phone = gateway.player(1).await;
    let epoch = ada.join("lobby").await["epoch"].clone();
    for client in [&mut adas_phone, &mut bob, &mut eve] {
        client.join("lobby").await;
    }
    block(&mut ada, "block", 2).await;
    block(&mut ada, "block", 2).await;
    bob.chat("lobby", "1", "from bob").await;
    assert_eq!(eve.hear("message").await["player_id"], 2);
    eve.chat("lobby", "2", "from eve").await;
    // On each of her connections, and on hers alone.
    for client in [&mut ada, &mut adas_phone] {
        assert_eq!(client.hear("message").await["player_id"], 3);
    }
    assert_eq!(authors(&mut ada).await, [3]);
    assert_eq!(authors(&mut eve).await, [2, 3]);
    let listed = ada.ask(json!({"type": "blocks"}), "blocks").await;
    assert_eq!(listed["player_ids"], json!([2]));
    // It lasts over a restart, where what was missed is read from the database.
    let url = gateway.stop().await;
    let gateway = Gateway::start_on(config(&url)).await;
    let (mut ada, mut bob) = (gateway.player(1).await, gateway.player(2).await);
    bob.join("lobby").await;
    bob.chat("lobby", "3", "again").await;
    let back = json!({"type": "join", "room": "lobby", "epoch": epoch, "offset": 0});
    let joined = ada.ask(back.clone(), "joined").await;
    assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(true), &json!(3)));
    assert_eq!(ada.hear("message").await["offset"], 2);
    ada.say(json!({"type": "message", "room": "lobby", "client_id": "4", "text": "nobody between"})).await;
    assert_eq!(ada.hear("message").await["offset"], 4);
    // And until it ends.
    block(&mut ada, "unblock", 2).await;
    bob.chat("lobby", "5", "me again").await;
    assert_eq!(ada.hear("message").await["player_id"], 2);
    ada.ask(json!({"type": "leave", "room": "lobby"}), "left").await;
    ada.ask(back, "joined").await;
    assert_eq!(ada.messages_through(5).await.len(), 5);
    let listed = ada.ask(json!({"type": "blocks"}), "blocks").await;
    assert_eq!(listed["player_ids"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_holds_on_other_replicas_and_in_history_for_a_viewer() {
    let here = Gateway::start().await;
    let there = Gateway::start_on(config(&here.url)).await;
    let mut ada_here = here.player(1).await;
    let [mut ada, mut bob] = [there.player(1).await, there.player(2).await];
    ada.join("lobby").await;
    bob.join("lobby").await;
    bob.chat("lobby", "1", "before").await;
    assert_eq!(ada.hear("message").await["offset"], 1);
    block(&mut ada_here, "block", 2).await;
    // Her own message comes, and none of his before it.
    let mut number = 1;
    let told = loop {
        number += 2;
        bob.chat("lobby", &number.to_string(), "unheard").await;
        ada.say(json!({"type": "message", "room": "lobby", "client_id": number.to_string(), "text": "mine"}))
            .await;
        let told = ada.hear("message").await;
        if told["player_id"] == 1 {
            break told;
        }
        assert!(number < 1000, "the block does not get there");
        ada.hear("ack").await;
        // Below what a connection may say in a second.
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    assert_eq!(told["text"], "mine");

    let channel = tonic::transport::Endpoint::new(there.grpc.clone()).unwrap().connect().await.unwrap();
    let mut service = RealtimeServiceClient::new(channel);
    let mut page = async |viewer_id| {
        let request = ListMessagesRequest { room: "lobby".into(), limit: 100, before_offset: 0, viewer_id };
        let page = service.list_messages(request).await.unwrap().into_inner().messages;
        page.iter().map(|message| message.player_id).collect::<BTreeSet<_>>()
    };
    assert_eq!([page(0).await, page(1).await, page(3).await].map(|page| page.len()), [2, 1, 2]);
    assert_eq!(page(1).await, BTreeSet::from([1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_takes_what_it_said_with_it() {
    let gateway = Gateway::start().await;
    let [mut ada, mut bob] = [gateway.player(1).await, gateway.player(2).await];
    for room in ["lobby", "den"] {
        ada.join(room).await;
        bob.join(room).await;
        bob.chat(room, "b", "from bob").await;
    }
    for number in 0..120 {
        let room = if number % 2 == 0 { "lobby" } else { "den" };
        ada.chat(room, &number.to_string(), &number.to_string()).await;
    }
    block(&mut ada, "block", 2).await;
    let channel = tonic::transport::Endpoint::new(gateway.grpc.clone()).unwrap().connect().await.unwrap();
    let mut service = RealtimeServiceClient::new(channel);
    let request = ListPlayerMessagesRequest { player_id: 1, limit: 10_000 };
    let parts = service.list_player_messages(request).await.unwrap().into_inner();
    let parts: Vec<_> = futures::TryStreamExt::try_collect(parts).await.unwrap();
    let sizes: Vec<_> = parts.iter().map(|part| (part.messages.len(), part.blocked_ids.len())).collect();
    assert_eq!(sizes, [(100, 1), (20, 0)]);
    let said = parts.iter().flat_map(|part| &part.messages);
    let texts: Vec<_> =
        said.map(|said| (said.room.as_str(), said.message.as_ref().unwrap().text.clone())).collect();
    assert_eq!((&texts[0], &texts[119]), (&("den", "119".to_owned()), &("lobby", "0".to_owned())));
    for wrong in [(0, 10), (1, 0), (1, 10_001)] {
        let request = ListPlayerMessagesRequest { player_id: wrong.0, limit: wrong.1 };
        let status = service.list_player_messages(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_is_renamed_speaks_under_the_new_name() {
    let mut log = Log::start().await;
    let gateway = log.gateway().await;
    let mut ada = gateway.player(7).await;
    ada.join("lobby").await;
    ada.chat("lobby", "before", "x").await;
    // A subscription that begins after the rename has nothing to tell of it.
    eventually(async || {
        let mut client = gateway.player(9).await;
        client.say(json!({"type": "subscribe", "channel": "feed"})).await;
        (client.next().await.unwrap()["type"] == "subscribed").then_some(())
    })
    .await;
    let renamed = PlayerRenamed { player_id: 7, username: "lovelace".into(), name_version: 1 };
    log.tell(Body::PlayerRenamed(renamed)).await;
    let names = eventually(async || {
        let here = gateway.player(9).await.ask(json!({"type": "join", "room": "lobby"}), "joined").await;
        assert_eq!(here["type"], "joined");
        let mut bob = gateway.player(8).await;
        bob.join("lobby").await;
        let here = bob.ask(json!({"type": "presence", "room": "lobby"}), "presence").await;
        here["players"].to_string().contains("lovelace").then_some(here)
    })
    .await;
    assert!(!names.to_string().contains("player 7"), "{names}");
    ada.chat("lobby", "after", "x").await;
    let page = ada.ask(json!({"type": "history", "room": "lobby"}), "history").await;
    let names = [0, 1].map(|place: usize| page["messages"][place]["username"].clone());
    assert_eq!(names, [json!("player 7"), json!("lovelace")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_blocks_itself_or_more_than_can_be() {
    let gateway = Gateway::start().await;
    static MANY: Statement = Statement::new(
        "block_many",
        "INSERT",
        "blocks",
        "insert into socket.blocks (player_id, blocked_id) select 1, n from generate_series(2, 1001) n",
    );
    gateway.database().execute(&MANY, &[]).await.unwrap();
    let mut ada = gateway.player(1).await;
    for (player_id, code) in [(1, "invalid"), (2000, "conflict")] {
        ada.say(json!({"type": "block", "player_id": player_id})).await;
        assert_eq!(ada.refused().await.0, code);
    }
    // Who is blocked already is no more.
    block(&mut ada, "block", 1001).await;
    block(&mut ada, "unblock", 1001).await;
    block(&mut ada, "block", 2000).await;
}

/// The names on the messages of a room, as the database has them.
async fn names(gateway: &Gateway) -> Vec<String> {
    static NAMES: Statement = Statement::new(
        "names",
        "SELECT",
        "messages",
        "select distinct username from socket.messages order by username",
    );
    gateway.database().query(&NAMES, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_deleted_leaves_no_name() {
    let mut log = Log::start().await;
    let gateway = log.gateway().await;
    let (mut ada, mut bob) = (gateway.player(7).await, gateway.player(8).await);
    let epoch = ada.join("lobby").await["epoch"].clone();
    bob.join("lobby").await;
    ada.chat("lobby", "a", "x").await;
    bob.chat("lobby", "b", "x").await;
    block(&mut ada, "block", 8).await;
    block(&mut bob, "block", 7).await;
    let feed = eventually(async || {
        let mut client = gateway.player(9).await;
        client.say(json!({"type": "subscribe", "channel": "feed"})).await;
        let answer = client.next().await.unwrap();
        (answer["type"] == "subscribed").then_some(answer)
    })
    .await;
    let registered =
        PlayerRegistered { player_id: 7, username: "ada".into(), level: 1, ..Default::default() };
    log.tell(Body::PlayerRegistered(registered)).await;
    log.tell(Body::PlayerDeleted(PlayerDeleted { player_id: 7 })).await;
    eventually(async || (names(&gateway).await == ["deleted-7", "player 8"]).then_some(())).await;
    // What is on its way does not bring the name back.
    assert_eq!(say_until(&mut ada, "error", "late").await["code"], "forbidden");
    assert_eq!(names(&gateway).await, ["deleted-7", "player 8"]);
    let listed = bob.ask(json!({"type": "blocks"}), "blocks").await;
    assert_eq!(listed["player_ids"], json!([]));
    // Nor does what was kept for those who come back: what has the name in it is not to be had any more.
    let from = |channel: &Value, epoch: &Value, offset: &Value| json!({"type": "subscribe", "channel": channel, "epoch": epoch, "offset": offset});
    eventually(async || {
        let mut eve = gateway.player(9).await;
        let room = eve.ask(from(&json!("room:lobby"), &epoch, &json!(0)), "subscribed").await;
        let feed = eve.ask(from(&json!("feed"), &feed["epoch"], &feed["offset"]), "subscribed").await;
        (room["recovered"] == false && feed["recovered"] == false).then_some(())
    })
    .await;
    let mut eve = gateway.player(9).await;
    let page = eve.ask(json!({"type": "history", "room": "lobby"}), "history").await;
    assert_eq!(page["messages"][0]["username"], "deleted-7");
}
