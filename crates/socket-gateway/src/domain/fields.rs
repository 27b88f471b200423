//! The fields of a command, read and held against the rules of the protocol. Each refusal names its field.

use battlearena_identity::Secret;
use serde_json::{Map, Value};

use super::command::{Position, Topic};
use super::refusal::Refusal;

/// Holds the name of a room against the rules.
pub(crate) fn check_room(room: &str) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=64).contains(&room.len()) && room.bytes().all(is_allowed) {
        return Ok(());
    }
    Err("must be 1 to 64 letters, digits, dots, underscores and hyphens")
}

/// The fields of a command.
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(object: &'a Map<String, Value>) -> Self {
        Self(object)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required<T>(&self, name: &'static str, value: Option<T>) -> Result<T, Refusal> {
        value.ok_or_else(|| Refusal::invalid(name, "is missing"))
    }

    pub(super) fn optional_text(
        &self,
        name: &'static str,
        longest: usize,
    ) -> Result<Option<String>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Value::String(text) = value else { return Err(Refusal::invalid(name, "must be a string")) };
        // PostgreSQL's text holds every character but this one.
        if text.is_empty() || text.chars().count() > longest || text.contains('\0') {
            return Err(Refusal::invalid(name, &format!("must have 1 to {longest} characters")));
        }
        Ok(Some(text.clone()))
    }

    pub(super) fn optional_number(
        &self,
        name: &'static str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        let message = || match most {
            i64::MAX => format!("must be an integer from {least}"),
            most => format!("must be an integer from {least} to {most}"),
        };
        number.map(Some).ok_or_else(|| Refusal::invalid(name, &message()))
    }

    pub(super) fn player_id(&self) -> Result<i64, Refusal> {
        self.required("player_id", self.optional_number("player_id", 1, i64::MAX)?)
    }

    /// Of any length and form: whoever verifies it refuses all that is none, and says nothing of why.
    pub(super) fn optional_token(&self) -> Result<Option<Secret>, Refusal> {
        match self.get("token") {
            None => Ok(None),
            Some(Value::String(token)) => Ok(Some(token.clone().into())),
            Some(_) => Err(Refusal::invalid("token", "must be a string")),
        }
    }

    pub(super) fn room(&self) -> Result<String, Refusal> {
        let room = self.required("room", self.optional_text("room", 64)?)?;
        check_room(&room).map_err(|message| Refusal::invalid("room", message))?;
        Ok(room)
    }

    pub(super) fn topic(&self) -> Result<Topic, Refusal> {
        let channel = self.required("channel", self.optional_text("channel", 69)?)?;
        match channel.strip_prefix("room:") {
            Some(room) if check_room(room).is_ok() => Ok(Topic::Room(room.to_owned())),
            None if channel == "feed" => Ok(Topic::Feed),
            _ => Err(Refusal::invalid("channel", "must be \"feed\" or \"room:\" and the name of a room")),
        }
    }

    pub(super) fn position(&self) -> Result<Option<Position>, Refusal> {
        match (self.optional_text("epoch", 64)?, self.optional_number("offset", 0, i64::MAX)?) {
            (Some(epoch), Some(offset)) => Ok(Some(Position { epoch, offset })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(Refusal::invalid("offset", "must come with the epoch")),
            (None, Some(_)) => Err(Refusal::invalid("epoch", "must come with the offset")),
        }
    }
}
