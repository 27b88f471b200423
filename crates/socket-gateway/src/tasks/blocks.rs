//! Learns whom players have blocked on other replicas: a block holds on every connection of the player within a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use battlearena_runtime::CancellationToken;
use battlearena_storage::StorageError;

use crate::hub::Hub;
use crate::store::blocks;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// How much further back than to the last look: a change may have been committed after its time was taken.
const MARGIN: Duration = Duration::from_secs(10);

/// How often changes are forgotten, and how old they are then. A replica that could not look for longer reads the lists of
/// all who are connected to it.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Runs until told to stop.
pub(crate) async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let (mut looked, mut swept) = (Instant::now(), Instant::now());
    while !stop.is_cancelled() {
        let looks = Instant::now();
        match look(&hub, looked.elapsed()).await {
            Ok(()) => looked = looks,
            Err(error) => tracing::debug!(%error, "blocks are not followed"),
        }
        if swept.elapsed() > REMEMBERED {
            swept = Instant::now();
            // Others sweep too: it may fail.
            let _swept = blocks::sweep(&hub.database, 2 * REMEMBERED).await;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn look(hub: &Hub, since_last: Duration) -> Result<(), StorageError> {
    let connected = if since_last > REMEMBERED {
        hub.players.connected()
    } else {
        let changed = blocks::changed(&hub.database, since_last + MARGIN).await?;
        hub.players.connected_of(changed)
    };
    if connected.is_empty() {
        return Ok(());
    }
    let mut lists: HashMap<i64, Vec<i64>> =
        connected.iter().map(|player_id| (*player_id, Vec::new())).collect();
    for (player_id, blocked_id) in blocks::lists(&hub.database, &connected).await? {
        lists.entry(player_id).or_default().push(blocked_id);
    }
    for (player_id, blocked) in lists {
        hub.players.replace(player_id, blocked);
    }
    Ok(())
}
