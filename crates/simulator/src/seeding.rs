//! The players that traffic needs: registers those that are missing. In open mode everybody may play everybody: ids are
//! integers from 1 without gaps, so that the number of players is also the range of their ids. Otherwise only those play
//! who have accounts of ours.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use battlearena_proto::PlayerId;
use futures::{StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::operations::Players;
use crate::plan::Population;

/// Registrations under way at once.
const CONCURRENCY: usize = 32;
/// How long new players may take to show in the statistics, which follow the log.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Registers players until there are `wanted`, and returns who plays. Stops early, with fewer, when told to.
///
/// # Errors
/// The gateway does not say how many players there are.
pub(crate) async fn ensure_players(
    players: &Players,
    wanted: i64,
    stop: &CancellationToken,
) -> anyhow::Result<Population> {
    let existing = match stop.run_until_cancelled(players.total_players()).await {
        Some(answer) => {
            answer.map_err(|why| anyhow!("asking the gateway for the number of players: {why}"))?
        }
        None => return Ok(Population::UpTo(0)),
    };
    if players.cast().key().is_some() {
        let mut ids: Vec<_> = register(players, 0..wanted, stop).await;
        // By place, so that the same seed means the same players.
        ids.sort_unstable();
        let ids: Arc<[PlayerId]> = ids.into_iter().map(|(_, player_id)| player_id).collect();
        let highest = ids.iter().copied().max().map_or(0, PlayerId::get);
        wait_until_known(players, highest, stop).await;
        return Ok(Population::These(ids));
    }
    let new = register(players, existing..wanted, stop).await;
    let highest = new.into_iter().map(|(_, player_id)| player_id.get()).max().unwrap_or(0).max(existing);
    wait_until_known(players, highest, stop).await;
    Ok(Population::UpTo(highest))
}

/// What has been sent is waited for even when told to stop: it belongs into the books.
async fn register(
    players: &Players,
    places: std::ops::Range<i64>,
    stop: &CancellationToken,
) -> Vec<(i64, PlayerId)> {
    stream::iter(places)
        .take_until(stop.cancelled())
        .map(async |place| Some((place, players.simulate_registration(place).await?)))
        .buffer_unordered(CONCURRENCY)
        .filter_map(std::future::ready)
        .collect()
        .await
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
