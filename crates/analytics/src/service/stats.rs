//! Statistics of players, matches and revenue. Days are UTC.

use battlearena_proto::Failure;
use battlearena_telemetry::note;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use tracing::field::Empty;
use tracing::instrument;

use super::Analytics;
use crate::store::totals;

/// How many players there are.
pub(crate) struct PlayerStats {
    pub(crate) total: i64,
    pub(crate) active_today: u64,
    pub(crate) active_now: u64,
    pub(crate) new_today: i64,
    pub(crate) at: Timestamp,
}

/// How matches go.
pub(crate) struct MatchStats {
    pub(crate) total: i64,
    pub(crate) in_progress: i64,
    pub(crate) completed_today: i64,
    pub(crate) crashed_today: i64,
    pub(crate) crash_rate_percent: f64,
    pub(crate) average_seconds: f64,
    pub(crate) at: Timestamp,
}

/// What came in.
pub(crate) struct RevenueStats {
    pub(crate) cents_today: i64,
    pub(crate) cents_month: i64,
    pub(crate) completed_today: i64,
    pub(crate) failed_today: i64,
    pub(crate) at: Timestamp,
}

impl Analytics {
    /// Counts players.
    #[instrument(name = "get_player_stats", skip_all, fields(error.type = Empty, otel.status_code = Empty))]
    pub(crate) async fn player_stats(&self) -> Result<PlayerStats, Failure> {
        self.count_players().await.inspect_err(note)
    }

    async fn count_players(&self) -> Result<PlayerStats, Failure> {
        let at = Timestamp::now();
        let (total, new_today) = totals::players(&self.database, day_of(at)).await?;
        let live = self.live.read()?;
        let active_now =
            battlearena_proto::Tier::ALL.iter().map(|tier| live.board.active_now(*tier, at)).sum();
        Ok(PlayerStats { total, active_today: live.board.active_today(at), active_now, new_today, at })
    }

    /// Counts matches.
    #[instrument(name = "get_match_stats", skip_all, fields(error.type = Empty, otel.status_code = Empty))]
    pub(crate) async fn match_stats(&self) -> Result<MatchStats, Failure> {
        self.count_matches().await.inspect_err(note)
    }

    async fn count_matches(&self) -> Result<MatchStats, Failure> {
        let at = Timestamp::now();
        let numbers = totals::matches(&self.database, day_of(at)).await?;
        let ended = numbers.completed + numbers.crashed;
        Ok(MatchStats {
            total: numbers.started,
            in_progress: numbers.started - ended,
            completed_today: numbers.completed_on_day,
            crashed_today: numbers.crashed_on_day,
            crash_rate_percent: 100.0 * ratio(numbers.crashed, ended),
            average_seconds: ratio(numbers.seconds_completed, numbers.completed),
            at,
        })
    }

    /// Adds up purchases.
    #[instrument(name = "get_revenue_stats", skip_all, fields(error.type = Empty, otel.status_code = Empty))]
    pub(crate) async fn revenue_stats(&self) -> Result<RevenueStats, Failure> {
        self.add_up_revenue().await.inspect_err(note)
    }

    async fn add_up_revenue(&self) -> Result<RevenueStats, Failure> {
        let at = Timestamp::now();
        let today = day_of(at);
        let numbers = totals::revenue(&self.database, today.first_of_month(), today).await?;
        Ok(RevenueStats {
            cents_today: numbers.cents_on_day,
            cents_month: numbers.cents_since,
            completed_today: numbers.completed_on_day,
            failed_today: numbers.failed_on_day,
            at,
        })
    }
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// A part of a whole; 0 of nothing.
fn ratio(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
