//! Keeps what is held in memory: loads the players as of an offset, then follows the log from there. Every replica does
//! it for itself.

use std::sync::Arc;
use std::time::Duration;

use battlearena_proto::chain;
use battlearena_runtime::CancellationToken;
use battlearena_storage::events::{Backoff, stored_offset};
use battlearena_storage::{Database, StorageError};
use jiff::Timestamp;

use super::READ_MODELS;
use crate::SCHEMA;
use crate::domain::Board;
use crate::log::{EventLog, ReadError, Reader};
use crate::service::{Live, not_ahead};
use crate::store::players;

/// Players in one read.
const PAGE: i64 = 20_000;

/// Runs until told to stop. Nothing ends it but that: what fails is tried again.
pub(crate) async fn run(database: Database, log: Arc<EventLog>, live: Arc<Live>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = run_forever(&database, &log, &live) => {}
    }
}

async fn run_forever(database: &Database, log: &Arc<EventLog>, live: &Live) {
    let mut backoff = Backoff::default();
    loop {
        let following = async {
            let offset = load(database, live).await?;
            backoff.reset();
            follow(log, live, offset).await
        };
        if let Err(error) = following.await {
            tracing::warn!(error = chain(&error), "the leaderboard does not follow the log");
            tokio::time::sleep(backoff.next_pause()).await;
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
    let (mut board, now) = (Board::new(), Timestamp::now());
    let mut after = 0;
    loop {
        let page = players::page(session, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (player_id, player) in page {
            board.apply(player_id, &not_ahead(player, now));
        }
    }
    transaction.commit().await?;
    live.load(board);
    Ok(offset)
}

/// Returns when the tables shall be loaded again.
async fn follow(log: &Arc<EventLog>, live: &Live, offset: i64) -> Result<(), ReadError> {
    let mut reader = Reader::new(log.clone(), offset);
    loop {
        let batch = reader.next().await?;
        if !batch.events.is_empty() {
            live.apply(&batch.events);
            log.forget_deleted(&batch.events);
            continue;
        }
        tokio::select! {
            // The tables were rebuilt: load them again.
            () = live.reload_requested() => return Ok(()),
            () = log.wait_beyond(reader.offset(), Duration::from_secs(1)) => {}
        }
    }
}
