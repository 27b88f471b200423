//! Routes that show matches.

use actix_web::web::{Data, Json};
use battlearena_identity::Caller;
use battlearena_proto::matches::{Match, Participant};
use battlearena_proto::{ErrorKind, Failure, timestamp_from_wire};
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::ReadErrors;
use super::parameters::{MatchPath, PageQuery, PlayerPath};
use crate::service::matches::Matches;

/// A match with its participants.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MatchResponse {
    /// Number of the match.
    #[schema(example = 1)]
    match_id: i64,
    /// `solo`, `team` or `tournament`.
    #[schema(example = "solo")]
    match_type: String,
    /// `in_progress`, `completed` or `crashed`.
    #[schema(example = "completed")]
    status: String,
    /// Region of the game server.
    #[schema(example = "eu-west")]
    server_region: String,
    /// When it began (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    start_time: Option<Timestamp>,
    /// When it ended (UTC); null while it is in progress.
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:05:00Z")]
    end_time: Option<Timestamp>,
    /// The winner; null unless completed.
    #[schema(example = 1)]
    winner_id: Option<i64>,
    /// Seconds of play; null while it is in progress.
    #[schema(example = 300)]
    duration_seconds: Option<i32>,
    /// Why it crashed; null otherwise.
    #[schema(example = json!(null))]
    error_message: Option<String>,
    /// Who played, by number.
    participants: Vec<ParticipantEntry>,
}

/// One player in one match.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParticipantEntry {
    /// Who.
    #[schema(example = 1)]
    player_id: i64,
    /// Score in the game's own unit.
    #[schema(example = 1500)]
    score: i64,
    /// Opponents eliminated.
    #[schema(example = 7)]
    kills: i32,
    /// Times eliminated.
    #[schema(example = 2)]
    deaths: i32,
    /// Ranking points that the match earned the player.
    #[schema(example = 120)]
    points: i64,
    /// When the player joined (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:00:00Z")]
    joined_at: Option<Timestamp>,
    /// When the player left (UTC); null while the match is in progress.
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-01T12:05:00Z")]
    left_at: Option<Timestamp>,
}

impl From<Match> for MatchResponse {
    fn from(the_match: Match) -> Self {
        let Match {
            match_id,
            match_type,
            status,
            server_region,
            start_time,
            end_time,
            winner_id,
            duration_seconds,
            error_message,
            participants,
        } = the_match;
        Self {
            match_id,
            match_type,
            status,
            server_region,
            start_time: timestamp_from_wire(start_time),
            end_time: timestamp_from_wire(end_time),
            winner_id,
            duration_seconds,
            error_message: Some(error_message).filter(|message| !message.is_empty()),
            participants: participants.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Participant> for ParticipantEntry {
    fn from(participant: Participant) -> Self {
        let Participant { player_id, score, kills, deaths, points, joined_at, left_at } = participant;
        let (joined_at, left_at) = (timestamp_from_wire(joined_at), timestamp_from_wire(left_at));
        Self { player_id, score, kills, deaths, points, joined_at, left_at }
    }
}

/// A match with its participants.
///
/// A player sees those in which it took part.
#[utoipa::path(
    get, path = "/api/matches/{match_id}", tag = "matches",
    params(("match_id" = i64, Path, description = "Which match.")),
    responses((status = 200, description = "The match.", body = MatchResponse), ReadErrors)
)]
pub(super) async fn get(
    caller: Caller,
    matches: Data<Matches>,
    id: MatchPath,
) -> Result<Json<MatchResponse>, HttpFailure> {
    let found = matches.get(id.0).await?;
    if let Caller::Player(player) = &caller
        && !found.participants.iter().any(|participant| participant.player_id == player.id.get())
    {
        return Err(Failure::new(ErrorKind::Forbidden, "the player did not take part in this match").into());
    }
    Ok(Json(found.into()))
}

/// A page of a player's matches.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MatchesResponse {
    /// Newest first.
    matches: Vec<MatchResponse>,
}

/// A player's matches, newest first.
#[utoipa::path(
    get, path = "/api/players/{player_id}/matches", tag = "matches",
    params(
        ("player_id" = i64, Path, description = "Whose matches."),
        ("limit" = Option<i64>, Query, description = "1 to 100 [default: 10].", minimum = 1, maximum = 100),
        ("before" = Option<i64>, Query, description = "Only matches with a smaller number.")
    ),
    responses((status = 200, description = "A page of matches.", body = MatchesResponse), ReadErrors)
)]
pub(super) async fn of_player(
    caller: Caller,
    matches: Data<Matches>,
    player: PlayerPath,
    page: PageQuery,
) -> Result<Json<MatchesResponse>, HttpFailure> {
    caller.own(player.0)?;
    let matches = matches.of_player(player.0, page.0).await?;
    Ok(Json(MatchesResponse { matches: matches.into_iter().map(Into::into).collect() }))
}
