//! The players that traffic needs: registers those that are missing. Ids are integers from 1 without gaps, so
//! the number of players is also the range of their ids.

use std::time::Duration;

use anyhow::anyhow;
use battlearena_proto::PlayerId;
use futures::{StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::operations::Players;

/// Registrations under way at once.
const CONCURRENCY: usize = 32;
/// How long new players may take to show in the statistics, which follow the log.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Registers players until there are `wanted`; returns the highest id. Stops early, with fewer, when told to.
///
/// # Errors
/// The gateway does not say how many players there are.
pub(crate) async fn ensure_players(
    players: &Players,
    wanted: i64,
    stop: &CancellationToken,
) -> anyhow::Result<i64> {
    let existing = match stop.run_until_cancelled(players.total_players()).await {
        Some(answer) => {
            answer.map_err(|why| anyhow!("asking the gateway for the number of players: {why}"))?
        }
        None => return Ok(0),
    };
    if existing >= wanted {
        return Ok(existing);
    }
    // What has been sent is waited for even when told to stop: it belongs into the books.
    let highest = stream::iter(existing..wanted)
        .take_until(stop.cancelled())
        .map(|_| players.simulate_registration())
        .buffer_unordered(CONCURRENCY)
        .fold(existing, async |highest, id| highest.max(id.map_or(0, PlayerId::get)))
        .await;
    wait_until_known(players, highest, stop).await;
    Ok(highest)
}

/// Ranks and statistics come from read models: traffic begins once they know everybody, or after a bound.
async fn wait_until_known(players: &Players, highest: i64, stop: &CancellationToken) {
    let give_up_at = Instant::now() + LONGEST_DELAY;
    let known = async {
        while players.total_players().await.is_ok_and(|known| known < highest) && Instant::now() < give_up_at
        {
            tokio::time::sleep(POLL).await;
        }
    };
    stop.run_until_cancelled(known).await;
}
