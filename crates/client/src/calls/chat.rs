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
    Call::get("/history").with_query(page)
}

/// Tells what was said in a room, the newest messages before the given one, oldest first: `GET /api/chat/{room}/history`.
pub fn chat_history(room: &str, page: Page) -> Call<ChatMessages> {
    Call::get("/api/chat/{room}/history").with(room).with_query(page)
}
