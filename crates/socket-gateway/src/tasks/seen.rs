//! Tells the platform who is connected, now and then and in one batch: that is how sockets count for active players.

use std::sync::Arc;
use std::time::Duration;

use battlearena_runtime::CancellationToken;
use battlearena_storage::Wake;

use crate::hub::Hub;
use crate::store::outbox;

/// Players in one event.
const BATCH: usize = 1000;

/// Runs until told to stop.
pub(crate) async fn run(hub: Arc<Hub>, wake: Wake, every: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every) => {}
        }
        let seen = hub.players.take_seen();
        for (number, batch) in seen.chunks(BATCH).enumerate() {
            if let Err(error) = outbox::players_seen(&hub.database, batch).await {
                tracing::debug!(%error, "who is connected is told later");
                hub.players.give_back_seen(seen[number * BATCH..].to_vec());
                break;
            }
        }
        wake.wake();
    }
}
