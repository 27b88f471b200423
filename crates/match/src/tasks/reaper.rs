//! Gives up matches of which nothing is heard, and counts those in progress. One replica at a time does it: the gauge
//! is a fact of the database, and has one owner.

use std::time::{Duration, Instant};

use battlearena_proto::chain;
use battlearena_runtime::CancellationToken;
use battlearena_storage::{Ownership, StorageError};

use crate::service::MatchService;
use crate::store::matches;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// After a longer pause than this between two looks, matches get the time for a heartbeat before silence counts.
const DEAF: Duration = Duration::from_secs(5);

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
        let reaping = async {
            // While nobody looked, nobody may have been able to take heartbeats either.
            let (mut deaf_until, mut looked) = (Instant::now(), None::<Instant>);
            while owned.is_held() {
                if looked.is_none_or(|at| at.elapsed() > DEAF) {
                    deaf_until = Instant::now() + patience.heartbeat_timeout;
                }
                match look(&service, &patience, Instant::now() >= deaf_until).await {
                    Ok(()) => looked = Some(Instant::now()),
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "the reaper could not look");
                        looked = None;
                    }
                }
                tokio::time::sleep(INTERVAL).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = reaping => service.metrics.in_progress_unknown(),
        }
    }
}

async fn look(service: &MatchService, patience: &Patience, was_listening: bool) -> Result<(), StorageError> {
    // A match that is silent for as long as the longest life is lost in any case.
    let heartbeat_timeout = if was_listening { patience.heartbeat_timeout } else { patience.match_ttl };
    service.crash_lost(heartbeat_timeout, patience.match_ttl).await?;
    service.metrics.in_progress(matches::count_in_progress(&service.database).await?);
    Ok(())
}
