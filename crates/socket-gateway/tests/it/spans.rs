//! What traces say of sockets: one span a command, the statement that many messages share in the trace of each, and a
//! context on what goes out. Everything runs on the thread of the test, whose spans are recorded.

use battlearena_telemetry::recording::{RecordedSpan, Recording};
use serde_json::{Value, json};

use crate::support::{Gateway, eventually};

/// A trace context of its own for each number.
fn context(number: u64) -> String {
    format!("00-{number:032x}-{number:016x}-01")
}

fn say(room: &str, number: u64) -> Value {
    let (client_id, text) = (number.to_string(), format!("message {number}"));
    json!({"type": "message", "room": room, "client_id": client_id, "text": text, "traceparent": context(number)})
}

/// The spans of a name.
fn named<'a>(spans: &'a [RecordedSpan], name: &str) -> Vec<&'a RecordedSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The trace of a message, once its command has ended.
async fn trace(spans: &Recording, number: u64) -> Vec<RecordedSpan> {
    eventually(async || {
        let trace = spans.trace(&context(number));
        (!named(&trace, "send_message").is_empty()).then_some(trace)
    })
    .await
}

#[tokio::test]
async fn a_message_is_followed_from_its_command_to_its_row_and_its_frame() {
    let spans = Recording::start();
    let gateway = Gateway::start().await;
    let mut client = gateway.player(7).await;
    client.join("lobby").await;
    client.say(say("lobby", 1)).await;
    let frame = client.hear("message").await;

    let trace = trace(&spans, 1).await;
    let [sent] = named(&trace, "send_message")[..] else { panic!("{trace:#?}") };
    assert_eq!((sent.parent.as_str(), sent.kind.as_str()), (context(1).as_str(), "server"));
    assert_eq!((sent.attribute("player.id"), sent.attribute("messaging.destination.name")), ("7", "lobby"));
    let [stored] = named(&trace, "store_messages")[..] else { panic!("{trace:#?}") };
    let [statement] = named(&trace, "INSERT messages")[..] else { panic!("{trace:#?}") };
    assert_eq!((&stored.parent, &statement.parent), (&sent.traceparent, &stored.traceparent));
    assert_eq!(trace.len(), 3, "{trace:#?}");
    assert!(trace.iter().all(|span| !span.is_error));
    // Whoever hears it can go on from there.
    assert_eq!(frame["traceparent"], sent.traceparent.as_str());
    // What is read back later happens in no trace any more.
    let history = client.ask(json!({"type": "history", "room": "lobby"}), "history").await;
    assert_eq!(history["messages"][0]["traceparent"], Value::Null);
}

#[tokio::test]
async fn messages_that_share_a_statement_have_it_in_each_of_their_traces() {
    let spans = Recording::start();
    let gateway = Gateway::start().await;
    let mut client = gateway.player(7).await;
    client.join("lobby").await;
    // While the room is locked, the writer waits with the first message, and the others gather.
    let database = gateway.database();
    let mut connection = database.connection().await.unwrap();
    let lock = connection.begin().await.unwrap();
    lock.session().define("select from socket.rooms for update").await.unwrap();
    for number in 1..=3 {
        client.say(say("lobby", number)).await;
    }
    client.ask(json!({"type": "ping"}), "pong").await;
    lock.rollback().await.unwrap();
    client.messages_through(3).await;

    for number in 1..=3 {
        let trace = trace(&spans, number).await;
        let [sent] = named(&trace, "send_message")[..] else { panic!("{trace:#?}") };
        let [stored] = named(&trace, "store_messages")[..] else { panic!("{trace:#?}") };
        assert_eq!((&sent.parent, &stored.parent), (&context(number), &sent.traceparent));
    }
    let all = spans.spans();
    assert!(named(&all, "INSERT messages").len() < 3, "{all:#?}");
    // The last one came with another, in whose trace the statement is.
    let last = spans.trace(&context(3));
    let [link] = &named(&last, "store_messages")[0].links[..] else { panic!("{last:#?}") };
    let batch = all.iter().find(|span| span.traceparent == *link).unwrap();
    assert_eq!(batch.name, "store_messages");
    let statement = all.iter().find(|span| span.parent == batch.traceparent).unwrap();
    assert_eq!(statement.name, "INSERT messages");
}

#[tokio::test]
async fn a_refused_command_has_its_reason_and_is_no_error_of_ours() {
    let spans = Recording::start();
    let gateway = Gateway::start().await;
    let mut client = gateway.player(7).await;
    client.say(say("lobby", 1)).await;
    assert_eq!(client.refused().await.0, "conflict");
    let trace = trace(&spans, 1).await;
    let [sent] = &trace[..] else { panic!("{trace:#?}") };
    assert_eq!((sent.attribute("error.type"), sent.is_error), ("conflict", false));

    // A message that the database does not take is our fault, and the spans of the message say so.
    client.join("lobby").await;
    let database = gateway.database();
    let connection = database.connection().await.unwrap();
    connection
        .session()
        .define("alter table socket.messages add constraint nothing check (false)")
        .await
        .unwrap();
    client.say(say("lobby", 2)).await;
    assert_eq!(client.refused().await.0, "internal");
    let trace = self::trace(&spans, 2).await;
    for name in ["send_message", "store_messages"] {
        let failed = named(&trace, name);
        assert!(!failed.is_empty() && failed.iter().all(|span| span.is_error), "{name} in {trace:#?}");
    }
    assert_eq!(named(&trace, "send_message")[0].attribute("error.type"), "internal");
    assert_eq!(named(&trace, "store_messages")[0].attribute("error.type"), "constraint");
}
