//! Statistics and the leaderboard, which analytics owns.

use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::analytics::{
    GetLeaderboardRequest, GetMatchStatsRequest, GetMatchStatsResponse, GetPlayerRankRequest,
    GetPlayerStatsRequest, GetPlayerStatsResponse, GetRevenueStatsRequest, GetRevenueStatsResponse,
    LeaderboardEntry,
};
use battlearena_proto::{ErrorKind, Failure, PlayerId, Tier};
use battlearena_storage::Database;
use battlearena_telemetry::grpc::InstrumentedChannel;
use tonic::Status;

use super::{ended_here, from_peer, incomplete, unknown_player};
use crate::domain::page::Page;
use crate::metrics::{Feature, Metrics};
use crate::store::players;

/// The name of the peer in answers.
const PEER: &str = "analytics";

/// The use cases about statistics.
#[derive(Clone)]
pub(crate) struct Statistics {
    pub(crate) database: Database,
    pub(crate) client: AnalyticsServiceClient<InstrumentedChannel>,
    pub(crate) metrics: Metrics,
}

/// A player's place on the leaderboard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rank {
    /// From 1; `None` within the second in which the leaderboard has not heard of the player yet.
    pub(crate) rank: Option<i64>,
    /// Ranking points.
    pub(crate) points: i64,
}

impl Statistics {
    /// Counts players.
    ///
    /// # Errors
    /// Unavailable without analytics.
    pub(crate) async fn of_players(&self) -> Result<GetPlayerStatsResponse, Failure> {
        let answer = self.client.clone().get_player_stats(GetPlayerStatsRequest {}).await;
        Ok(answer.map_err(failure)?.into_inner())
    }

    /// Counts matches.
    ///
    /// # Errors
    /// Unavailable without analytics.
    pub(crate) async fn of_matches(&self) -> Result<GetMatchStatsResponse, Failure> {
        let answer = self.client.clone().get_match_stats(GetMatchStatsRequest {}).await;
        Ok(answer.map_err(failure)?.into_inner())
    }

    /// Adds up purchases.
    ///
    /// # Errors
    /// Unavailable without analytics.
    pub(crate) async fn of_revenue(&self) -> Result<GetRevenueStatsResponse, Failure> {
        let answer = self.client.clone().get_revenue_stats(GetRevenueStatsRequest {}).await;
        Ok(answer.map_err(failure)?.into_inner())
    }

    /// The players with the most points, best first.
    ///
    /// # Errors
    /// Unavailable without analytics.
    pub(crate) async fn leaderboard(&self, page: Page) -> Result<Vec<LeaderboardEntry>, Failure> {
        let answer = self.client.clone().get_leaderboard(GetLeaderboardRequest { limit: page.limit }).await;
        Ok(answer.map_err(failure)?.into_inner().entries)
    }

    /// A player's place on the leaderboard.
    ///
    /// # Errors
    /// Not found without such a player; unavailable without analytics.
    pub(crate) async fn rank(&self, player: PlayerId) -> Result<Rank, Failure> {
        let known = self.points_and_tier(player).await.inspect_err(|failure| {
            ended_here!(failure, "get_player_rank", player.id = player.get());
        });
        let (points, tier) = known?;
        let request = GetPlayerRankRequest { player_id: player.get() };
        let rank = match self.client.clone().get_player_rank(request).await.map_err(failure) {
            Ok(answer) => {
                let LeaderboardEntry { rank, points, .. } =
                    answer.into_inner().entry.ok_or_else(|| incomplete(PEER))?;
                Rank { rank: Some(rank), points }
            }
            // The log is a moment behind: a player may be known here and not there.
            Err(failure) if failure.kind() == ErrorKind::NotFound => Rank { rank: None, points },
            Err(failure) => return Err(failure),
        };
        self.metrics.used(Feature::Leaderboard, tier);
        Ok(rank)
    }

    /// The connection is for others again while analytics is asked.
    async fn points_and_tier(&self, player: PlayerId) -> Result<(i64, Tier), Failure> {
        let connection = self.database.connection().await?;
        let known = players::points_and_tier(connection.session(), player).await?;
        known.ok_or_else(|| unknown_player(player))
    }
}

fn failure(status: Status) -> Failure {
    from_peer(PEER, status)
}
