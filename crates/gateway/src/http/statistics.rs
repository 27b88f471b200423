//! Routes of statistics and the leaderboard.

use actix_web::web::{Data, Json};
use battlearena_identity::Caller;
use battlearena_proto::analytics::{
    GetMatchStatsResponse, GetPlayerStatsResponse, GetRevenueStatsResponse, LeaderboardEntry,
};
use battlearena_proto::timestamp_from_wire;
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::{PeerErrors, ReadErrors};
use super::parameters::{PageQuery, PlayerPath};
use crate::domain::money::Cents;
use crate::service::statistics::{Rank, Statistics};

/// Players, counted. Days are UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlayerStats {
    /// Players ever registered.
    #[schema(example = 1000)]
    total_players: i64,
    /// Players seen in the last 24 hours.
    #[schema(example = 420)]
    active_today: i64,
    /// Players seen in the last 5 minutes.
    #[schema(example = 17)]
    active_now: i64,
    /// Players registered since midnight.
    #[schema(example = 8)]
    new_today: i64,
    /// When this was counted (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    timestamp: Option<Timestamp>,
}

/// Players, counted.
#[utoipa::path(
    get, path = "/api/stats/players", tag = "statistics",
    responses((status = 200, description = "The counts.", body = PlayerStats), PeerErrors)
)]
pub(super) async fn players(
    _: Caller,
    statistics: Data<Statistics>,
) -> Result<Json<PlayerStats>, HttpFailure> {
    let GetPlayerStatsResponse { total_players, active_today, active_now, new_today, timestamp } =
        statistics.of_players().await?;
    let timestamp = timestamp_from_wire(timestamp);
    Ok(Json(PlayerStats { total_players, active_today, active_now, new_today, timestamp }))
}

/// Matches, counted. Days are UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MatchStats {
    /// Matches ever started.
    #[schema(example = 512)]
    total_matches: i64,
    /// Matches that have started and not ended.
    #[schema(example = 12)]
    in_progress: i64,
    /// Matches completed since midnight.
    #[schema(example = 88)]
    completed_today: i64,
    /// Matches crashed since midnight.
    #[schema(example = 2)]
    crashed_today: i64,
    /// Crashed ÷ ended, in percent, 0 to 100.
    #[schema(example = 2.2)]
    crash_rate_percent: f64,
    /// Mean play time of completed matches, in seconds.
    #[schema(example = 312.5)]
    avg_duration_seconds: f64,
    /// When this was counted (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    timestamp: Option<Timestamp>,
}

/// Matches, counted.
#[utoipa::path(
    get, path = "/api/stats/matches", tag = "statistics",
    responses((status = 200, description = "The counts.", body = MatchStats), PeerErrors)
)]
pub(super) async fn matches(
    _: Caller,
    statistics: Data<Statistics>,
) -> Result<Json<MatchStats>, HttpFailure> {
    let GetMatchStatsResponse {
        total_matches,
        in_progress,
        completed_today,
        crashed_today,
        crash_rate_percent,
        avg_duration_seconds,
        timestamp,
    } = statistics.of_matches().await?;
    Ok(Json(MatchStats {
        total_matches,
        in_progress,
        completed_today,
        crashed_today,
        crash_rate_percent,
        avg_duration_seconds,
        timestamp: timestamp_from_wire(timestamp),
    }))
}

/// Purchases, added up in US dollars. Days and months are UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevenueStats {
    /// Completed purchases since midnight, in dollars.
    #[schema(example = 1299.5)]
    revenue_today: f64,
    /// Completed purchases since the first of the month, in dollars.
    #[schema(example = 40210.75)]
    revenue_month: f64,
    /// Completed purchases since midnight.
    #[schema(example = 104)]
    transactions_today: i64,
    /// Declined purchases since midnight.
    #[schema(example = 1)]
    failed_today: i64,
    /// When this was counted (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    timestamp: Option<Timestamp>,
}

/// Purchases, added up.
#[utoipa::path(
    get, path = "/api/stats/revenue", tag = "statistics",
    responses((status = 200, description = "The sums.", body = RevenueStats), PeerErrors)
)]
pub(super) async fn revenue(
    _: Caller,
    statistics: Data<Statistics>,
) -> Result<Json<RevenueStats>, HttpFailure> {
    let GetRevenueStatsResponse {
        revenue_today_minor,
        revenue_month_minor,
        transactions_today,
        failed_today,
        timestamp,
    } = statistics.of_revenue().await?;
    Ok(Json(RevenueStats {
        revenue_today: Cents(revenue_today_minor).dollars(),
        revenue_month: Cents(revenue_month_minor).dollars(),
        transactions_today,
        failed_today,
        timestamp: timestamp_from_wire(timestamp),
    }))
}

/// The top of the leaderboard.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeaderboardResponse {
    /// Best first.
    leaderboard: Vec<Place>,
}

/// One place on the leaderboard.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Place {
    /// From 1, without ties.
    #[schema(example = 1)]
    rank: i64,
    /// Who.
    #[schema(example = 1)]
    player_id: i64,
    /// Name of the player.
    #[schema(example = "DragonSlayer")]
    username: String,
    /// 1 to 1000.
    #[schema(example = 1)]
    level: i32,
    /// Ranking points.
    #[schema(example = 120)]
    points: i64,
}

impl From<LeaderboardEntry> for Place {
    fn from(entry: LeaderboardEntry) -> Self {
        let LeaderboardEntry { rank, player_id, username, level, points } = entry;
        Self { rank, player_id, username, level, points }
    }
}

/// The players with the most points.
#[utoipa::path(
    get, path = "/api/leaderboard", tag = "statistics",
    params(("limit" = Option<i64>, Query, description = "1 to 100 [default: 10].", minimum = 1, maximum = 100)),
    responses((status = 200, description = "Best first.", body = LeaderboardResponse),
              (status = 422, response = super::document::Invalid), PeerErrors)
)]
pub(super) async fn leaderboard(
    _: Caller,
    statistics: Data<Statistics>,
    page: PageQuery,
) -> Result<Json<LeaderboardResponse>, HttpFailure> {
    let entries = statistics.leaderboard(page.0).await?;
    Ok(Json(LeaderboardResponse { leaderboard: entries.into_iter().map(Into::into).collect() }))
}

/// A player's place on the leaderboard.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RankResponse {
    /// From 1; null within the second in which the leaderboard has not heard of the player yet.
    #[schema(example = 1)]
    rank: Option<i64>,
    /// Ranking points.
    #[schema(example = 120)]
    points: i64,
}

/// A player's place on the leaderboard.
#[utoipa::path(
    get, path = "/api/players/{player_id}/rank", tag = "statistics",
    params(("player_id" = i64, Path, description = "Whose place.")),
    responses((status = 200, description = "The place.", body = RankResponse), ReadErrors)
)]
pub(super) async fn rank(
    caller: Caller,
    statistics: Data<Statistics>,
    player: PlayerPath,
) -> Result<Json<RankResponse>, HttpFailure> {
    caller.own(player.0)?;
    let Rank { rank, points } = statistics.rank(player.0).await?;
    Ok(Json(RankResponse { rank, points }))
}
