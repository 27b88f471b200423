//! Between our types and the wire's, field by field: a new field does not compile until it is handled here.

use battlearena_proto::{PlayerId, matches as wire, timestamp_to_wire};

use crate::domain::ParticipantStats;
use crate::service::MatchView;
use crate::store::matches::MatchRow;
use crate::store::participants::ParticipantRow;

impl From<MatchView> for wire::Match {
    fn from(MatchView { row, participants }: MatchView) -> Self {
        let MatchRow {
            id,
            match_type,
            status,
            server_region,
            start_time,
            end_time,
            winner_id,
            duration_seconds,
            error_message,
            end_key: _,
            end_fingerprint: _,
        } = row;
        Self {
            match_id: id.get(),
            match_type: match_type.to_string(),
            status: status.to_string(),
            server_region,
            start_time: Some(timestamp_to_wire(start_time)),
            end_time: end_time.map(timestamp_to_wire),
            winner_id,
            duration_seconds,
            error_message,
            participants: participants.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<ParticipantRow> for wire::Participant {
    fn from(row: ParticipantRow) -> Self {
        let ParticipantRow { match_id: _, player_id, score, kills, deaths, points, joined_at, left_at } = row;
        Self {
            player_id: player_id.get(),
            score,
            kills,
            deaths,
            points,
            joined_at: Some(timestamp_to_wire(joined_at)),
            left_at: left_at.map(timestamp_to_wire),
        }
    }
}

impl From<wire::ParticipantStats> for ParticipantStats {
    fn from(wire::ParticipantStats { player_id, score, kills, deaths }: wire::ParticipantStats) -> Self {
        Self { player_id: PlayerId(player_id), score, kills, deaths }
    }
}
