//! What a client may say: one JSON object, read into a command whose fields hold what the protocol promises.

use battlearena_identity::Secret;
use serde_json::Value;

use super::fields::Fields;
use super::refusal::{ErrorCode, Refusal};

/// The version of the protocol.
pub(crate) const PROTOCOL: i64 = 1;

/// Messages on a page when the client does not say.
const USUAL_PAGE: i64 = 50;

/// A command with its envelope.
#[derive(Debug)]
pub(crate) struct Command {
    /// The client's name for the request, given back in the answer.
    pub(crate) id: Option<String>,
    /// W3C trace context; empty when there is none.
    pub(crate) traceparent: String,
    pub(crate) action: Action,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Action {
    Hello(Introduction),
    Refresh { token: Secret },
    Subscribe { topic: Topic, position: Option<Position> },
    Unsubscribe { topic: Topic },
    Join { room: String, position: Option<Position> },
    Leave { room: String },
    Message { room: String, client_id: String, text: String },
    History { room: String, limit: i64, before: Option<i64> },
    Presence { room: String },
    Block { player_id: i64 },
    Unblock { player_id: i64 },
    Blocks,
    Ping,
}

/// How a client says who it is: one of the two counts.
#[derive(Debug)]
pub(crate) struct Introduction {
    /// An access token, where one is required.
    pub(crate) token: Option<Secret>,
    /// Its word, where that is enough; or what is wrong with it.
    pub(crate) claim: Result<Claim, Refusal>,
}

/// A player that a client says it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) player_id: i64,
    pub(crate) username: String,
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
    let fields = Fields::of(&object);
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
        "refresh" => Action::Refresh { token: fields.required("token", fields.optional_token()?)? },
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
        "block" => Action::Block { player_id: fields.player_id()? },
        "unblock" => Action::Unblock { player_id: fields.player_id()? },
        "blocks" => Action::Blocks,
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
    Ok(Action::Hello(Introduction { token: fields.optional_token()?, claim: claim(fields) }))
}

fn claim(fields: &Fields<'_>) -> Result<Claim, Refusal> {
    let player_id = fields.player_id()?;
    let username = fields.required("username", fields.optional_text("username", 50)?)?;
    if username.chars().any(char::is_control) {
        return Err(Refusal::invalid("username", "must have no control characters"));
    }
    Ok(Claim { player_id, username })
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
        assert_eq!(join.id.as_deref(), Some("1"));
        let Action::Join { room, position } = join.action else { panic!("{:?}", join.action) };
        assert_eq!((room.as_str(), position), ("a.b", Some(Position { epoch: "e".into(), offset: 7 })));
        let history = parse(r#"{"type":"history","room":"a","before":null}"#).unwrap().action;
        assert!(matches!(&history, Action::History { room, limit: 50, before: None } if room == "a"));
        let feed = parse(r#"{"type":"subscribe","channel":"feed"}"#).unwrap().action;
        assert!(matches!(feed, Action::Subscribe { topic: Topic::Feed, position: None }));
        let block = parse(r#"{"type":"block","player_id":7}"#).unwrap().action;
        assert!(matches!(block, Action::Block { player_id: 7 }));
    }

    #[test]
    fn hello_says_who_by_a_token_or_by_word() {
        let hello = |rest: &str| {
            let action = parse(&format!(r#"{{"type":"hello","protocol":1,{rest}}}"#)).unwrap().action;
            let Action::Hello(introduction) = action else { panic!("{action:?}") };
            introduction
        };
        let by_word = hello(r#""player_id":7,"username":"ada""#);
        assert_eq!(by_word.claim, Ok(Claim { player_id: 7, username: "ada".into() }));
        assert!(by_word.token.is_none());
        let by_nothing = hello(r#""token":null"#);
        let wrong = by_nothing.claim.unwrap_err();
        assert_eq!((wrong.code, wrong.field), (ErrorCode::Invalid, Some("player_id")));
        // A token alone is as good, and nothing shows it.
        let by_token = hello(r#""token":"a.b.c""#);
        assert!(!format!("{by_token:?}").contains("a.b.c"), "{by_token:?}");
        assert_eq!(by_token.token.unwrap().expose(), "a.b.c");
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
            (r#"{"type":"hello","protocol":1,"token":7}"#, ErrorCode::Invalid, Some("token")),
            (r#"{"type":"refresh"}"#, ErrorCode::Invalid, Some("token")),
            (r#"{"type":"block","player_id":0}"#, ErrorCode::Invalid, Some("player_id")),
            (r#"{"type":"unblock","player_id":"7"}"#, ErrorCode::Invalid, Some("player_id")),
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
            kind in "hello|refresh|subscribe|unsubscribe|join|leave|message|history|presence|block|ping|x",
            name in "id|room|channel|epoch|offset|text|client_id|limit|before|protocol|player_id|username|token",
            value in r#"null|true|-?[0-9]{1,20}|-?[0-9]\.[0-9]e[0-9]{1,3}|"[a-z:\u{0}-\u{7f}é]{0,80}"|\[\]|\{\}"#,
        ) {
            let _ = parse(&format!(r#"{{"type":"{kind}","{name}":{value}}}"#));
        }
    }
}
