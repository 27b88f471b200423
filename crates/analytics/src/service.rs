//! The use cases: statistics, totals, ranks; one business span each, but for totals. Answered from the read models and
//! from what is held in memory.

mod live;
mod stats;

use std::sync::Arc;

use battlearena_proto::Failure;
use battlearena_storage::Database;
use battlearena_telemetry::note;
use tracing::field::Empty;
use tracing::instrument;

pub(crate) use live::{Live, not_ahead};
pub(crate) use stats::{MatchStats, PlayerStats, RevenueStats};

use crate::domain::Place;
use crate::store::totals::{self, Total};
use crate::tasks::READ_MODELS;

/// What the use cases need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Analytics {
    pub(crate) database: Database,
    pub(crate) live: Arc<Live>,
}

/// Totals as of one moment.
pub(crate) struct Totals {
    pub(crate) offset: i64,
    pub(crate) head: i64,
    pub(crate) rows: Vec<Total>,
}

impl Analytics {
    /// Everything that was ever counted. Followers of the log ask for it when they begin, which is nobody's trace: it has
    /// no span of its own.
    pub(crate) async fn totals(&self) -> Result<Totals, Failure> {
        let (offset, head, rows) = totals::read(&self.database, READ_MODELS).await?;
        Ok(Totals { offset, head, rows })
    }

    /// The players with the most points.
    #[instrument(name = "get_leaderboard", skip_all, fields(error.type = Empty, otel.status_code = Empty))]
    pub(crate) fn leaderboard(&self, limit: i32) -> Result<Vec<Place>, Failure> {
        let places = match usize::try_from(limit) {
            Ok(limit @ 1..=100) => self.live.read().map(|state| state.board.top(limit)),
            _ => Err(Failure::invalid("limit", format!("must be 1 to 100, not {limit}"))),
        };
        places.inspect_err(note)
    }

    /// One player's place.
    #[instrument(
        name = "get_player_rank",
        skip_all,
        fields(player.id = player_id, error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) fn rank(&self, player_id: i64) -> Result<Place, Failure> {
        let unknown = || {
            Failure::not_found(format!("the log has not told of player {player_id}")).with_field("player_id")
        };
        let place = self.live.read().map(|state| state.board.place(player_id));
        place.and_then(|place| place.ok_or_else(unknown)).inspect_err(note)
    }
}
