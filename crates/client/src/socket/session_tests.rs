//! What a session does with what servers say, without a server.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::event::{Channel, Entered, Event, Position, Recovery};
use super::session::{Command, Given, NOT_NOW, Request, Session};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn given(command: Command) -> Given {
    Given { command, traceparent: None }
}

fn join(room: &str) -> Given {
    given(Command::Enter { channel: Channel::room(room), join: true, from: None })
}

fn say(client_id: &str) -> Given {
    given(Command::Ask(Request::Say { room: "r".into(), client_id: client_id.into(), text: "hi".into() }))
}

fn traced(given: Given) -> Given {
    Given { traceparent: Some(TRACEPARENT.to_owned()), ..given }
}

fn next(session: &mut Session) -> Option<Value> {
    session.next_frame(Instant::now()).map(|frame| serde_json::from_str(&frame.text).unwrap())
}

fn receive(session: &mut Session, frame: Value) -> Vec<Event> {
    session.receive(serde_json::from_value(frame).unwrap(), Instant::now());
    session.events.drain(..).collect()
}

fn joined(id: &Value, offset: i64, recovered: Option<bool>) -> Value {
    json!({"type": "joined", "id": id, "room": "r", "channel": "room:r", "epoch": "e", "offset": offset,
           "count": 1, "recovered": recovered})
}

fn message(offset: i64) -> Value {
    json!({"type": "message", "channel": "room:r", "room": "r", "offset": offset, "player_id": 1,
           "username": "ada", "text": "hi", "client_id": "c", "timestamp": "2030-01-01T12:00:00Z"})
}

fn ack(id: &Value, client_id: &str) -> Value {
    json!({"type": "ack", "id": id, "room": "r", "client_id": client_id, "offset": 1,
           "timestamp": "2030-01-01T12:00:00Z", "duplicate": false})
}

fn recovery(events: &[Event]) -> &Recovery {
    let [Event::Entered(Entered { recovery, .. })] = events else { panic!("{events:?}") };
    recovery
}

fn position(offset: i64) -> Position {
    Position { epoch: "e".into(), offset }
}

/// A session in room r, at offset 10.
fn in_a_room() -> Session {
    let mut session = Session::default();
    session.take(join("r"));
    let frame = next(&mut session).unwrap();
    assert_eq!((&frame["type"], frame.get("offset")), (&json!("join"), None));
    assert_eq!(recovery(&receive(&mut session, joined(&frame["id"], 10, None))), &Recovery::Began);
    session
}

#[test]
fn a_channel_goes_on_where_it_stood() {
    let mut session = in_a_room();
    assert_eq!(receive(&mut session, message(11)).len(), 1);
    session.disconnected();
    let again = next(&mut session).unwrap();
    assert_eq!((&again["epoch"], &again["offset"]), (&json!("e"), &json!(11)));
    assert!(receive(&mut session, message(12)).is_empty(), "it is not entered yet");
    let events = receive(&mut session, joined(&again["id"], 13, Some(true)));
    assert_eq!(recovery(&events), &Recovery::Continued);
    assert_eq!(
        session.position(&Channel::room("r")),
        Some(&position(11)),
        "what was missed is still to come"
    );
    for offset in [12, 13, 14] {
        assert_eq!(receive(&mut session, message(offset)).len(), 1);
    }
    assert_eq!(session.position(&Channel::room("r")), Some(&position(14)));
}

#[test]
fn what_cannot_be_recovered_is_told() {
    let mut session = in_a_room();
    session.disconnected();
    let again = next(&mut session).unwrap();
    let events = receive(&mut session, joined(&again["id"], 9000, Some(false)));
    assert_eq!(recovery(&events), &Recovery::Lost { since: position(10) });
    assert_eq!(session.position(&Channel::room("r")), Some(&position(9000)));
}

#[test]
fn a_message_is_sent_until_it_is_acknowledged_under_one_name() {
    let mut session = in_a_room();
    session.take(say("a"));
    session.take(say("b"));
    let (a, b) = (next(&mut session).unwrap(), next(&mut session).unwrap());
    assert_eq!((next(&mut session), session.unanswered()), (None, 2));
    assert_eq!(receive(&mut session, ack(&b["id"], "b")).len(), 1);

    session.disconnected();
    let again = next(&mut session).unwrap();
    assert_eq!((&again["type"], next(&mut session)), (&json!("join"), None), "first the room");
    receive(&mut session, joined(&again["id"], 10, Some(true)));
    assert_eq!(next(&mut session).unwrap(), a);
    assert_eq!(receive(&mut session, ack(&a["id"], "a")).len(), 1);
    assert_eq!((next(&mut session), session.unanswered()), (None, 0));
    assert!(receive(&mut session, ack(&a["id"], "a")).is_empty(), "it is acknowledged once");
}

#[test]
fn not_now_is_no_refusal() {
    let mut session = in_a_room();
    session.take(say("a"));
    let sent = next(&mut session).unwrap();
    let error =
        |code| json!({"type": "error", "id": sent["id"], "client_id": "a", "code": code, "message": "m"});
    assert!(receive(&mut session, error("unavailable")).is_empty());
    assert_eq!((next(&mut session), session.unanswered()), (None, 1));
    let wake = session.wake_at().unwrap();
    assert!(wake <= Instant::now() + NOT_NOW);
    let again: Value = serde_json::from_str(&session.next_frame(wake).unwrap().text).unwrap();
    assert_eq!(again, sent);
    let events = receive(&mut session, error("invalid"));
    assert!(matches!(&events[..], [Event::Refused(refused)] if refused.client_id.as_deref() == Some("a")));
    assert_eq!(session.unanswered(), 0);
}

#[test]
fn a_room_that_was_not_joined_takes_no_messages() {
    let mut session = Session::default();
    session.take(say("a"));
    assert_eq!(next(&mut session), None);
    assert!(matches!(session.events.pop_front(), Some(Event::Refused(_))));
    assert_eq!(session.unanswered(), 0);
}

#[test]
fn who_listens_may_join_without_missing_anything() {
    let mut session = Session::default();
    session.take(given(Command::Enter { channel: Channel::room("r"), join: false, from: Some(position(5)) }));
    let listen = next(&mut session).unwrap();
    assert_eq!((&listen["type"], &listen["offset"]), (&json!("subscribe"), &json!(5)));
    let mut answer = joined(&listen["id"], 6, Some(true));
    answer["type"] = json!("subscribed");
    receive(&mut session, answer);
    assert_eq!(receive(&mut session, message(6)).len(), 1);
    session.take(join("r"));
    let joining = next(&mut session).unwrap();
    assert_eq!((&joining["type"], joining.get("offset")), (&json!("join"), None));
    assert_eq!(receive(&mut session, message(7)).len(), 1, "it goes on meanwhile");
    assert_eq!(recovery(&receive(&mut session, joined(&joining["id"], 7, None))), &Recovery::Continued);
    assert_eq!(session.position(&Channel::room("r")), Some(&position(7)));
}

#[test]
fn who_leaves_hears_nothing_more_and_may_come_back() {
    let mut session = in_a_room();
    session.take(given(Command::Leave(Channel::room("r"))));
    assert!(receive(&mut session, message(11)).is_empty());
    session.take(join("r"));
    let (left, back) = (next(&mut session).unwrap(), next(&mut session).unwrap());
    assert_eq!((&left["type"], &left["channel"]), (&json!("unsubscribe"), &json!("room:r")));
    assert_eq!((&back["type"], back.get("offset")), (&json!("join"), None));
    assert!(receive(&mut session, message(12)).is_empty(), "that was still for the one who left");
    receive(&mut session, joined(&back["id"], 12, None));
    assert_eq!(receive(&mut session, message(13)).len(), 1);
}

#[test]
fn a_refused_channel_is_given_up() {
    let mut session = Session::default();
    session.take(join("bad name"));
    let frame = next(&mut session).unwrap();
    let error =
        json!({"type": "error", "id": frame["id"], "code": "invalid", "message": "m", "field": "room"});
    assert!(matches!(&receive(&mut session, error)[..], [Event::Refused(_)]));
    session.disconnected();
    assert_eq!(next(&mut session), None);
}

#[test]
fn a_command_belongs_to_the_trace_in_which_it_was_given_however_often_it_is_sent() {
    let mut session = Session::default();
    session.take(traced(join("r")));
    session.take(traced(say("a")));
    let frame = next(&mut session).unwrap();
    assert_eq!((&frame["type"], &frame["traceparent"]), (&json!("join"), &json!(TRACEPARENT)));
    session.disconnected();
    let again = next(&mut session).unwrap();
    assert_eq!(again["traceparent"], json!(TRACEPARENT), "it has no answer yet");
    receive(&mut session, joined(&again["id"], 10, None));
    let said = next(&mut session).unwrap();
    session.disconnected();
    let recovery = next(&mut session).unwrap();
    assert_eq!((&recovery["type"], recovery.get("traceparent")), (&json!("join"), None), "nobody's trace");
    receive(&mut session, joined(&recovery["id"], 10, Some(true)));
    assert_eq!((next(&mut session).unwrap(), &said["traceparent"]), (said.clone(), &json!(TRACEPARENT)));
    session.take(traced(given(Command::Leave(Channel::room("r")))));
    assert_eq!(next(&mut session).unwrap()["traceparent"], json!(TRACEPARENT));
}

#[test]
fn what_comes_tells_its_trace() {
    let mut session = in_a_room();
    let mut frame = message(11);
    frame["traceparent"] = json!(TRACEPARENT);
    let events = [receive(&mut session, frame), receive(&mut session, message(12))].concat();
    let traces: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Message(message) => message.traceparent.as_deref(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(traces, [Some(TRACEPARENT), None]);
}
