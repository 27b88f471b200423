//! Reads what was said in a room.

use battlearena_storage::{Database, StorageError};
use tracing::field::Empty;
use tracing::{Span, instrument};

use crate::domain::Said;
use crate::store::{messages, rooms};

/// A page of a room's messages.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Oldest first.
    pub(crate) messages: Vec<Said>,
    /// Empty when nobody ever was in the room.
    pub(crate) epoch: String,
    /// The room's last offset.
    pub(crate) last_offset: i64,
}

/// The newest messages before an offset, but for those of some players.
///
/// # Errors
/// See [`StorageError`].
#[instrument(name = "chat_history", skip_all, fields(error.type = Empty, otel.status_code = Empty))]
pub(crate) async fn history(
    database: &Database,
    room: &str,
    limit: i64,
    before: Option<i64>,
    without: &[i64],
) -> Result<Page, StorageError> {
    read(database, room, limit, before, without).await.inspect_err(|error| {
        Span::current().record("error.type", error.class()).record("otel.status_code", "ERROR");
    })
}

async fn read(
    database: &Database,
    room: &str,
    limit: i64,
    before: Option<i64>,
    without: &[i64],
) -> Result<Page, StorageError> {
    let Some(row) = rooms::find(database, room).await? else { return Ok(Page::default()) };
    let through = before.map_or(row.last_offset, |before| row.last_offset.min(before - 1));
    let messages = messages::newest(database, row.id, through, without, limit).await?;
    Ok(Page { messages, epoch: row.epoch, last_offset: row.last_offset })
}
