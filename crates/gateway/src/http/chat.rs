//! Routes that show what was said in rooms.

use actix_web::web::{Data, Json, Path};
use battlearena_identity::Caller;
use battlearena_proto::realtime::Message;
use battlearena_proto::timestamp_from_wire;
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::{Invalid, PeerErrors};
use super::parameters::PageQuery;
use crate::service::chat::Chat;

/// The room of `/history`.
const GENERAL: &str = "general";

/// A page of a room's messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryResponse {
    /// The newest messages before the given one, oldest first.
    messages: Vec<MessageEntry>,
}

/// What one player said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageEntry {
    /// Number of the message in its room, from 1, without gaps.
    #[schema(example = 42)]
    id: i64,
    /// Who said it.
    #[schema(example = "ada")]
    username: String,
    /// What was said.
    #[schema(example = "well played")]
    text: String,
    /// When (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    timestamp: Option<Timestamp>,
}

impl From<Message> for MessageEntry {
    fn from(message: Message) -> Self {
        let Message { offset, player_id: _, username, text, timestamp } = message;
        Self { id: offset, username, text, timestamp: timestamp_from_wire(timestamp) }
    }
}

/// What was said in the room `general`.
///
/// Without what is said by players whom the caller has blocked.
#[utoipa::path(
    get, path = "/history", tag = "chat",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100 [default: 10].", minimum = 1, maximum = 100),
        ("before" = Option<i64>, Query, description = "Only messages with a smaller number.")
    ),
    responses(
        (status = 200, description = "A page of messages.", body = HistoryResponse),
        (status = 422, response = Invalid),
        PeerErrors
    )
)]
pub(super) async fn general(
    caller: Caller,
    chat: Data<Chat>,
    page: PageQuery,
) -> Result<Json<HistoryResponse>, HttpFailure> {
    history(&chat, &caller, GENERAL, page).await
}

/// What was said in a room.
///
/// Without what is said by players whom the caller has blocked.
#[utoipa::path(
    get, path = "/api/chat/{room}/history", tag = "chat",
    params(
        ("room" = String, Path, description = "Which room: 1 to 64 letters, digits, dots, underscores and hyphens.", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$"),
        ("limit" = Option<i64>, Query, description = "1 to 100 [default: 10].", minimum = 1, maximum = 100),
        ("before" = Option<i64>, Query, description = "Only messages with a smaller number.")
    ),
    responses(
        (status = 200, description = "A page of messages.", body = HistoryResponse),
        (status = 422, response = Invalid),
        PeerErrors
    )
)]
pub(super) async fn of_room(
    caller: Caller,
    chat: Data<Chat>,
    room: Path<String>,
    page: PageQuery,
) -> Result<Json<HistoryResponse>, HttpFailure> {
    history(&chat, &caller, &room, page).await
}

async fn history(
    chat: &Chat,
    caller: &Caller,
    room: &str,
    page: PageQuery,
) -> Result<Json<HistoryResponse>, HttpFailure> {
    let viewer = caller.player().ok().map(|player| player.id);
    let messages = chat.history(room, page.0, viewer).await?;
    Ok(Json(HistoryResponse { messages: messages.into_iter().map(Into::into).collect() }))
}
