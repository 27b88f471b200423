//! Clients that come back: nothing is missing, nothing comes twice, whatever happens in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Client, Gateway, config, message};

/// Joins a room at a position.
async fn come_back(client: &mut Client, room: &str, epoch: &Value, offset: i64) -> Value {
    client.ask(json!({"type": "join", "room": room, "epoch": epoch, "offset": offset}), "joined").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_gets_exactly_what_it_missed() {
    let gateway = Gateway::start().await;
    let (mut ada, mut bob) = (gateway.player(1).await, gateway.player(2).await);
    let epoch = ada.join("lobby").await["epoch"].clone();
    bob.join("lobby").await;
    for number in 1..=5 {
        ada.chat("lobby", &format!("c{number}"), &format!("text {number}")).await;
    }
    assert_eq!(bob.messages_through(2).await.len(), 2);
    bob.vanish();
    let mut bob = gateway.player(2).await;
    let joined = come_back(&mut bob, "lobby", &epoch, 2).await;
    assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(true), &json!(5)));
    let missed = bob.messages_through(5).await;
    assert_eq!(missed.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [3, 4, 5]);
    ada.chat("lobby", "c6", "live").await;
    assert_eq!(message(&bob.hear("message").await), (6, "live".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recovered_is_said_so() {
    let gateway = Gateway::start_with(|config| config.recovery_messages = 3).await;
    let mut ada = gateway.player(1).await;
    let epoch = ada.join("lobby").await["epoch"].clone();
    for number in 1..=5 {
        ada.chat("lobby", &format!("c{number}"), "x").await;
    }
    let mut bob = gateway.player(2).await;
    for (epoch, offset, recovered) in [
        (&epoch, 2, true),
        (&epoch, 5, true),
        (&epoch, 1, false),
        (&epoch, 6, false),
        (&json!("other"), 5, false),
    ] {
        let joined = come_back(&mut bob, "lobby", epoch, offset).await;
        assert_eq!((&joined["recovered"], &joined["offset"]), (&json!(recovered), &json!(5)), "{offset}");
        bob.ask(json!({"type": "leave", "room": "lobby"}), "left").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_survive_a_restart_of_the_service() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.player(1).await;
    let epoch = ada.join("lobby").await["epoch"].clone();
    for number in 1..=4 {
        ada.chat("lobby", &format!("c{number}"), &format!("text {number}")).await;
    }
    let url = gateway.stop().await;
    let gateway = Gateway::start_on(config(&url)).await;
    let mut ada = gateway.player(1).await;
    let joined = come_back(&mut ada, "lobby", &epoch, 2).await;
    assert_eq!(
        (&joined["recovered"], &joined["epoch"], &joined["offset"]),
        (&json!(true), &epoch, &json!(4))
    );
    assert_eq!(ada.messages_through(4).await, [(3, "text 3".to_owned()), (4, "text 4".to_owned())]);
    let again = ada.chat("lobby", "c4", "text 4").await;
    assert_eq!((&again["offset"], &again["duplicate"]), (&json!(4), &json!(true)));
    assert_eq!(ada.chat("lobby", "c5", "text 5").await["offset"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_stores_is_delivered_in_its_place() {
    let gateway = Gateway::start().await;
    let other = Gateway::start_on(config(&gateway.url)).await;
    let (mut ada, mut bob) = (gateway.player(1).await, other.player(2).await);
    ada.join("lobby").await;
    bob.join("lobby").await;
    for round in 0..5 {
        ada.chat("lobby", &format!("a{round}"), "from here").await;
        bob.chat("lobby", &format!("b{round}"), "from there").await;
    }
    // Nobody says anything any more: the last one comes by itself.
    let mut ada = gateway.player(3).await;
    let epoch = ada.join("lobby").await["epoch"].clone();
    ada.ask(json!({"type": "leave", "room": "lobby"}), "left").await;
    come_back(&mut ada, "lobby", &epoch, 0).await;
    let heard = ada.messages_through(10).await;
    let expected: Vec<i64> = (1..=10).collect();
    assert_eq!(heard.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), expected);
}

/// Says the same messages as another client of the same player does; returns their offsets and how many were new.
async fn echo(gateway: &Gateway, count: i64) -> (Vec<i64>, usize) {
    let mut client = gateway.player(1).await;
    client.join("lobby").await;
    let (mut offsets, mut new) = (Vec::new(), 0);
    for number in 0..count {
        let ack = client.chat("lobby", &format!("c{number}"), "x").await;
        offsets.push(ack["offset"].as_i64().unwrap());
        new += usize::from(ack["duplicate"] == false);
    }
    (offsets, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_two_processes_store_at_the_same_time_is_stored_once() {
    const MESSAGES: i64 = 150;
    let gateway = Gateway::start().await;
    let other = Gateway::start_on(config(&gateway.url)).await;
    let (here, there) = tokio::join!(echo(&gateway, MESSAGES), echo(&other, MESSAGES));
    assert_eq!(here.0, there.0, "both have the same first answers");
    assert_eq!(here.0, (1..=MESSAGES).collect::<Vec<_>>(), "without a gap");
    assert_eq!(here.1 + there.1, MESSAGES as usize, "each was new to one of them");
}

/// A reader that loses its connection again and again; returns everything it heard.
async fn unlucky_reader(gateway: Arc<Gateway>, number: i64, until: i64) -> Vec<(i64, String)> {
    let mut heard = Vec::new();
    let mut position: Option<(Value, i64)> = None;
    loop {
        let mut client = gateway.player(1000 + number).await;
        let joined = match &position {
            None => client.join("busy").await,
            Some((epoch, offset)) => {
                let joined = come_back(&mut client, "busy", epoch, *offset).await;
                assert_eq!(joined["recovered"], true, "{joined}");
                joined
            }
        };
        let start = position.map_or(joined["offset"].as_i64().unwrap(), |(_, offset)| offset);
        let mut offset = start;
        // Each reader loses its connection at places of its own.
        while offset < until && offset < start + 40 + number * 7 {
            let (next, text) = message(&client.hear("message").await);
            assert_eq!(next, offset + 1, "reader {number}");
            offset = next;
            heard.push((next, text));
        }
        position = Some((joined["epoch"].clone(), offset));
        client.vanish();
        if offset >= until {
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_reconnect_under_traffic_have_no_gap_and_no_double() {
    const WRITERS: i64 = 4;
    const EACH: i64 = 250;
    let gateway = Arc::new(
        Gateway::start_with(|config| {
            config.commands_per_second = 100_000;
            config.commands_burst = 100_000;
        })
        .await,
    );
    gateway.player(1).await.join("busy").await;
    let readers = Arc::new(AtomicBool::new(false));
    let mut reading = tokio::task::JoinSet::new();
    for number in 0..10 {
        reading.spawn(unlucky_reader(gateway.clone(), number, WRITERS * EACH));
    }
    let mut writing = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (gateway, readers) = (gateway.clone(), readers.clone());
        writing.spawn(async move {
            let mut client = gateway.player(writer + 1).await;
            client.join("busy").await;
            for number in 0..EACH {
                client.chat("busy", &format!("m{number}"), &format!("{writer}/{number}")).await;
                readers.store(true, Ordering::Relaxed);
            }
        });
    }
    let heard = reading.join_all().await;
    writing.join_all().await;
    let longest = heard.iter().max_by_key(|heard| heard.len()).unwrap().clone();
    for heard in &heard {
        assert!(longest.ends_with(heard), "every reader heard the same from where it began");
    }
    for writer in 0..WRITERS {
        let of_writer: Vec<_> =
            longest.iter().filter(|(_, text)| text.starts_with(&format!("{writer}/"))).collect();
        assert!(
            of_writer.is_sorted_by_key(|(_, text)| text[2..].parse::<i64>().unwrap()),
            "in the writer's order"
        );
    }
}
