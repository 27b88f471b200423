//! Calls about statistics and the leaderboard. What they tell follows a change within a second. Days are UTC.

use battlearena_proto::PlayerId;
use jiff::Timestamp;
use serde::Deserialize;

use super::Cents;
use crate::http::Call;

/// Players, counted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PlayerStats {
    /// Players ever registered.
    pub total_players: i64,
    /// Players seen in the last 24 hours.
    pub active_today: i64,
    /// Players seen in the last 5 minutes.
    pub active_now: i64,
    /// Players registered since midnight.
    pub new_today: i64,
    /// When this was counted (UTC).
    pub timestamp: Option<Timestamp>,
}

/// Counts players: `GET /api/stats/players`.
pub fn player_stats() -> Call<PlayerStats> {
    Call::get("/api/stats/players")
}

/// Matches, counted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MatchStats {
    /// Matches ever started.
    pub total_matches: i64,
    /// Matches that have started and not ended.
    pub in_progress: i64,
    /// Matches completed since midnight.
    pub completed_today: i64,
    /// Matches crashed since midnight.
    pub crashed_today: i64,
    /// Crashed ÷ ended, in percent, 0 to 100.
    pub crash_rate_percent: f64,
    /// Mean play time of completed matches, in seconds.
    pub avg_duration_seconds: f64,
    /// When this was counted (UTC).
    pub timestamp: Option<Timestamp>,
}

/// Counts matches: `GET /api/stats/matches`.
pub fn match_stats() -> Call<MatchStats> {
    Call::get("/api/stats/matches")
}

/// Purchases, added up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RevenueStats {
    /// Completed purchases since midnight.
    pub revenue_today: Cents,
    /// Completed purchases since the first of the month.
    pub revenue_month: Cents,
    /// Completed purchases since midnight, counted.
    pub transactions_today: i64,
    /// Declined purchases since midnight, counted.
    pub failed_today: i64,
    /// When this was counted (UTC).
    pub timestamp: Option<Timestamp>,
}

/// Adds up purchases: `GET /api/stats/revenue`.
pub fn revenue_stats() -> Call<RevenueStats> {
    Call::get("/api/stats/revenue")
}

/// The top of the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Leaderboard {
    /// Best first.
    pub leaderboard: Vec<Place>,
}

/// One place on the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// From 1, without ties.
    pub rank: i64,
    /// Who.
    pub player_id: PlayerId,
    /// Name of the player.
    pub username: String,
    /// 1 to 1000.
    pub level: i32,
    /// Ranking points.
    pub points: i64,
}

/// Lists the 1 to 100 players with the most points: `GET /api/leaderboard`.
pub fn leaderboard(limit: u32) -> Call<Leaderboard> {
    Call::get("/api/leaderboard").with_query(format_args!("limit={limit}"))
}

/// A player's place on the leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rank {
    /// From 1; none within the second in which the leaderboard has not heard of the player yet.
    pub rank: Option<i64>,
    /// Ranking points.
    pub points: i64,
}

/// Tells a player's place: `GET /api/players/{player_id}/rank`.
pub fn player_rank(player_id: PlayerId) -> Call<Rank> {
    Call::get("/api/players/{player_id}/rank").with(player_id)
}
