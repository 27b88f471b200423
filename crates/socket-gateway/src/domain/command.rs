//! What a client may say: one JSON object, read into a command whose fields hold what the protocol promises.

use serde_json::{Map, Value};

use super::answer::{ErrorCode, Refusal};

/// The version of the protocol.
pub(crate) const PROTOCOL: i64 = 1;

/// Messages on a page when the client does not say.
const USUAL_PAGE: i64 = 50;

/// A command with its envelope.
#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    /// The client's name for the request, given back in the answer.
    pub(crate) id: Option<String>,
    /// W3C trace context; empty when there is none.
    pub(crate) traceparent: String,
    pub(crate) action: Action,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Hello { player_id: i64, username: String },
    Subscribe { topic: Topic, position: Option<Position> },
    Unsubscribe { topic: Topic },
    Join { room: String, position: Option<Position> },
    Leave { room: String },
    Message { room: String, client_id: String, text: String },
    History { room: String, limit: i64, before: Option<i64> },
    Presence { room: String },
    Ping,
}

/// A channel by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topic {
    Feed,
    Room(String),
}

/// How far a client has seen a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) offset: i64,
}

/// Reads a command.
///
/// # Errors
/// What to answer, with the request's id where it could be read.
pub(crate) fn parse(text: &str) -> Result<Command, Refusal> {
    let malformed = |message: &str| Refusal::new(ErrorCode::Malformed, message);
    let value: Value =
        serde_json::from_str(text).map_err(|error| malformed(&format!("not JSON: {error}")))?;
    let Value::Object(object) = value else { return Err(malformed("a frame must be a JSON object")) };
    let Some(Value::String(kind)) = object.get("type") else {
        return Err(malformed("a frame must have a type, which is a string"));
    };
    let fields = Fields(&object);
    let id = fields.optional_text("id", 64)?;
    let action = action(kind, &fields).map_err(|refusal| Refusal { id: id.clone(), ..refusal })?;
    // A trace context that is not one is no reason to refuse a command.
    let traceparent = object.get("traceparent").and_then(Value::as_str).unwrap_or_default();
    let traceparent = if traceparent.len() <= 55 { traceparent.to_owned() } else { String::new() };
    Ok(Command { id, traceparent, action })
}

fn action(kind: &str, fields: &Fields<'_>) -> Result<Action, Refusal> {
    Ok(match kind {
        "hello" => hello(fields)?,
        "subscribe" => Action::Subscribe { topic: fields.topic()?, position: fields.position()? },
        "unsubscribe" => Action::Unsubscribe { topic: fields.topic()? },
        "join" => Action::Join { room: fields.room()?, position: fields.position()? },
        "leave" => Action::Leave { room: fields.room()? },
        "message" => message(fields)?,
        "history" => Action::History {
            room: fields.room()?,
            limit: fields.optional_number("limit", 1, 100)?.unwrap_or(USUAL_PAGE),
            before: fields.optional_number("before", 1, i64::MAX)?,
        },
        "presence" => Action::Presence { room: fields.room()? },
        "ping" => Action::Ping,
        other => {
            let other: String = other.chars().take(50).collect();
            return Err(Refusal::new(ErrorCode::UnknownCommand, &format!("there is no command \"{other}\"")));
        }
    })
}

fn hello(fields: &Fields<'_>) -> Result<Action, Refusal> {
    let protocol = fields.required("protocol", fields.optional_number("protocol", i64::MIN, i64::MAX)?)?;
    if protocol != PROTOCOL {
        let message = format!("this server speaks protocol {PROTOCOL}, not {protocol}");
        return Err(Refusal::new(ErrorCode::UnsupportedProtocol, &message).with_field("protocol"));
    }
    let player_id = fields.required("player_id", fields.optional_number("player_id", 1, i64::MAX)?)?;
    let username = fields.required("username", fields.optional_text("username", 50)?)?;
    if username.chars().any(char::is_control) {
        return Err(Refusal::invalid("username", "must have no control characters"));
    }
    Ok(Action::Hello { player_id, username })
}

fn message(fields: &Fields<'_>) -> Result<Action, Refusal> {
    let room = fields.room()?;
    let client_id = fields.required("client_id", fields.optional_text("client_id", 64)?)?;
    if !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::invalid("client_id", "must be visible ASCII characters"));
    }
    let said = fields.required("text", fields.optional_text("text", 2000)?);
    let said = said.map_err(|refusal| refusal.with_client_id(&client_id))?;
    if said.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        let refusal = Refusal::invalid("text", "must have no control characters but newline and tab");
        return Err(refusal.with_client_id(&client_id));
    }
    Ok(Action::Message { room, client_id, text: said })
}

/// Holds the name of a room against the rules.
pub(crate) fn check_room(room: &str) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=64).contains(&room.len()) && room.bytes().all(is_allowed) {
        return Ok(());
    }
    Err("must be 1 to 64 letters, digits, dots, underscores and hyphens")
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn required<T>(&self, name: &'static str, value: Option<T>) -> Result<T, Refusal> {
        value.ok_or_else(|| Refusal::invalid(name, "is missing"))
    }

    fn optional_text(&self, name: &'static str, longest: usize) -> Result<Option<String>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Value::String(text) = value else { return Err(Refusal::invalid(name, "must be a string")) };
        // PostgreSQL's text holds every character but this one.
        if text.is_empty() || text.chars().count() > longest || text.contains('\0') {
            return Err(Refusal::invalid(name, &format!("must have 1 to {longest} characters")));
        }
        Ok(Some(text.clone()))
    }

    fn optional_number(&self, name: &'static str, least: i64, most: i64) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        let message = || match most {
            i64::MAX => format!("must be an integer from {least}"),
            most => format!("must be an integer from {least} to {most}"),
        };
        number.map(Some).ok_or_else(|| Refusal::invalid(name, &message()))
    }

    fn room(&self) -> Result<String, Refusal> {
        let room = self.required("room", self.optional_text("room", 64)?)?;
        check_room(&room).map_err(|message| Refusal::invalid("room", message))?;
        Ok(room)
    }

    fn topic(&self) -> Result<Topic, Refusal> {
        let channel = self.required("channel", self.optional_text("channel", 69)?)?;
        match channel.strip_prefix("room:") {
            Some(room) if check_room(room).is_ok() => Ok(Topic::Room(room.to_owned())),
            None if channel == "feed" => Ok(Topic::Feed),
            _ => Err(Refusal::invalid("channel", "must be \"feed\" or \"room:\" and the name of a room")),
        }
    }

    fn position(&self) -> Result<Option<Position>, Refusal> {
        match (self.optional_text("epoch", 64)?, self.optional_number("offset", 0, i64::MAX)?) {
            (Some(epoch), Some(offset)) => Ok(Some(Position { epoch, offset })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(Refusal::invalid("offset", "must come with the epoch")),
            (None, Some(_)) => Err(Refusal::invalid("epoch", "must come with the offset")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> (ErrorCode, Option<&'static str>) {
        let refusal = parse(text).unwrap_err();
        (refusal.code, refusal.field)
    }

    #[test]
    fn commands_are_read() {
        let join = parse(r#"{"type":"join","id":"1","room":"a.b","epoch":"e","offset":7,"new":{}}"#).unwrap();
        let position = Some(Position { epoch: "e".into(), offset: 7 });
        assert_eq!(
            (join.id.as_deref(), join.action),
            (Some("1"), Action::Join { room: "a.b".into(), position })
        );
        let history = parse(r#"{"type":"history","room":"a","before":null}"#).unwrap().action;
        assert_eq!(history, Action::History { room: "a".into(), limit: 50, before: None });
        let feed = parse(r#"{"type":"subscribe","channel":"feed"}"#).unwrap().action;
        assert_eq!(feed, Action::Subscribe { topic: Topic::Feed, position: None });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, code, field) in [
            ("{", ErrorCode::Malformed, None),
            ("[]", ErrorCode::Malformed, None),
            (r#"{"type":7}"#, ErrorCode::Malformed, None),
            (r#"{"type":"dance"}"#, ErrorCode::UnknownCommand, None),
            (r#"{"type":"ping","id":7}"#, ErrorCode::Invalid, Some("id")),
            (r#"{"type":"join"}"#, ErrorCode::Invalid, Some("room")),
            (r#"{"type":"join","room":"a b"}"#, ErrorCode::Invalid, Some("room")),
            (r#"{"type":"join","room":"a","epoch":"e"}"#, ErrorCode::Invalid, Some("offset")),
            (r#"{"type":"join","room":"a","offset":1}"#, ErrorCode::Invalid, Some("epoch")),
            (r#"{"type":"subscribe","channel":"room:"}"#, ErrorCode::Invalid, Some("channel")),
            (r#"{"type":"subscribe","channel":"news"}"#, ErrorCode::Invalid, Some("channel")),
            (r#"{"type":"history","room":"a","limit":101}"#, ErrorCode::Invalid, Some("limit")),
            (r#"{"type":"history","room":"a","before":0.5}"#, ErrorCode::Invalid, Some("before")),
            (
                r#"{"type":"message","room":"a","client_id":"a b","text":"x"}"#,
                ErrorCode::Invalid,
                Some("client_id"),
            ),
            (r#"{"type":"message","room":"a","client_id":"a","text":""}"#, ErrorCode::Invalid, Some("text")),
            (
                r#"{"type":"message","room":"a","client_id":"a","text":"\u0007"}"#,
                ErrorCode::Invalid,
                Some("text"),
            ),
            (r#"{"type":"hello","protocol":2}"#, ErrorCode::UnsupportedProtocol, Some("protocol")),
            (r#"{"type":"hello","protocol":1,"player_id":0}"#, ErrorCode::Invalid, Some("player_id")),
        ] {
            assert_eq!(refused(text), (code, field), "{text}");
        }
        let refusal = parse(r#"{"type":"join","id":"9"}"#).unwrap_err();
        assert_eq!(refusal.id.as_deref(), Some("9"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn no_object_makes_it_panic(
            kind in "hello|subscribe|unsubscribe|join|leave|message|history|presence|ping|x",
            name in "id|room|channel|epoch|offset|text|client_id|limit|before|protocol|player_id|username",
            value in r#"null|true|-?[0-9]{1,20}|-?[0-9]\.[0-9]e[0-9]{1,3}|"[a-z:\u{0}-\u{7f}é]{0,80}"|\[\]|\{\}"#,
        ) {
            let _ = parse(&format!(r#"{{"type":"{kind}","{name}":{value}}}"#));
        }
    }
}
