//! Calls about chat: what was said in a room, for those who have no socket.

use jiff::Timestamp;
use serde::Deserialize;

use super::Page;
use crate::http::Call;

/// A page of what was said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChatMessages {
    /// Oldest first.
    pub messages: Vec<ChatMessage>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChatMessage {
    /// Its offset in the room, from 1 without gaps.
    pub id: i64,
    /// Who said it.
    pub username: String,
    /// What was said.
    pub text: String,
    /// When it was stored (UTC).
    pub timestamp: Timestamp,
}

/// Tells what was said in the room `general`, the newest messages before the given one, oldest first: `GET /history`.
pub fn general_history(page: Page) -> Call<ChatMessages> {
    Call::get(format!("/history?{page}"))
}

/// Tells what was said in a room, the newest messages before the given one, oldest first: `GET /api/chat/{room}/history`.
pub fn chat_history(room: &str, page: Page) -> Call<ChatMessages> {
    Call::get(format!("/api/chat/{}/history?{page}", Segment(room)))
}

/// Text as one segment of a path: everything but RFC 3986's unreserved characters is percent-encoded.
struct Segment<'a>(&'a str);

impl std::fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                write!(f, "{}", byte as char)
            }
            other => write!(f, "%{other:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_stays_within_its_segment() {
        assert_eq!(Segment("lobby-1_a.b~").to_string(), "lobby-1_a.b~");
        assert_eq!(Segment("a/b?c é").to_string(), "a%2Fb%3Fc%20%C3%A9");
    }
}
