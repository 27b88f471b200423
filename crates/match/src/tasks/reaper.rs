//! Gives up matches of which nothing is heard, and counts those in progress. One replica at a time does it: the gauge
//! is a fact of the database, and has one owner.

use std::time::Duration;

use battlearena_runtime::CancellationToken;
use battlearena_storage::{Ownership, StorageError};

use crate::service::MatchService;
use crate::store::matches;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long matches may be silent.
pub(crate) struct Patience {
    /// After their first heartbeat.
    pub(crate) heartbeat_timeout: Duration,
    /// Without ever a heartbeat.
    pub(crate) match_ttl: Duration,
}

/// Runs until told to stop.
pub(crate) async fn run(service: MatchService, patience: Patience, stop: CancellationToken) {
    let ownership = Ownership::new(service.database.clone(), "match reaper");
    while let Some(owned) = ownership.acquire(&stop).await {
        while owned.is_held() && !stop.is_cancelled() {
            if let Err(error) = look(&service, &patience).await {
                tracing::debug!(%error, "the reaper could not look");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
        service.metrics.in_progress_unknown();
        if stop.is_cancelled() {
            return;
        }
    }
}

async fn look(service: &MatchService, patience: &Patience) -> Result<(), StorageError> {
    service.crash_lost(patience.heartbeat_timeout, patience.match_ttl).await?;
    service.metrics.in_progress(matches::count_in_progress(&service.database).await?);
    Ok(())
}
