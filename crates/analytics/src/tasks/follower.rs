//! Keeps what is held in memory: loads the players as of an offset, then follows the log from there. Every replica does
//! it for itself.

use std::sync::Arc;
use std::time::Duration;

use battlearena_runtime::CancellationToken;
use battlearena_storage::events::{Backoff, stored_offset};
use battlearena_storage::{Database, StorageError};

use super::READ_MODELS;
use crate::SCHEMA;
use crate::domain::Board;
use crate::log::{EventLog, ReadError, Reader};
use crate::service::Live;
use crate::store::players;

/// Players in one read.
const PAGE: i64 = 20_000;

/// Runs until told to stop. Nothing ends it but that: what fails is tried again.
pub(crate) async fn run(database: Database, log: Arc<EventLog>, live: Arc<Live>, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let following = async {
            let offset = load(&database, &live).await?;
            follow(&log, &live, offset, &stop).await
        };
        let Err(error) = following.await else { continue };
        tracing::debug!(%error, "the leaderboard does not follow the log");
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(backoff.next_pause()) => {}
        }
    }
}

/// Loads all players as of one moment and returns the offset of that moment.
async fn load(database: &Database, live: &Live) -> Result<i64, StorageError> {
    let mut connection = database.connection().await?;
    let transaction = connection.begin().await?;
    let session = transaction.session();
    session.define("set transaction isolation level repeatable read, read only").await?;
    let offset = stored_offset(session, SCHEMA, READ_MODELS).await?.unwrap_or(0);
    let mut board = Board::new();
    let mut after = 0;
    loop {
        let page = players::page(session, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (player_id, player) in &page {
            board.apply(*player_id, player);
        }
    }
    transaction.commit().await?;
    live.load(board);
    Ok(offset)
}

async fn follow(log: &EventLog, live: &Live, offset: i64, stop: &CancellationToken) -> Result<(), ReadError> {
    let mut reader = Reader::new(log, offset);
    loop {
        let batch = reader.next().await?;
        if !batch.events.is_empty() {
            live.apply(&batch.events);
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            // The tables were rebuilt: load them again.
            () = live.reload_requested() => return Ok(()),
            () = log.wait_beyond(reader.offset(), Duration::from_secs(1)) => {}
        }
    }
}
