//! Routes of matches. What they mean is decided by the match service.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use battlearena_proto::matches::{Match, Participant, ParticipantStats};
use battlearena_proto::{MatchId, MatchType, PlayerId, timestamp_from_wire};
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::caller::Caller;
use super::document::{ChangeErrors, ReadErrors};
use super::parameters::{Key, MatchPath, PageQuery, PlayerPath};
use crate::service::matches::{Matches, NewMatch, Outcome};

/// A match to begin.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StartRequest {
    /// `solo`, `team` or `tournament`.
    #[schema(value_type = String, example = "solo")]
    match_type: MatchType,
    /// Who plays: 1 to 100 players, each once.
    #[schema(example = json!([1, 2]))]
    player_ids: Vec<i64>,
    /// Region of the game server in free words, 1 to 20 characters.
    #[serde(default = "usual_region")]
    #[schema(default = "us-east", example = "eu-west")]
    server_region: String,
}

fn usual_region() -> String {
    "us-east".to_owned()
}

/// The match that began.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StartResponse {
    /// Number of the match, from 1.
    #[schema(example = 1)]
    match_id: i64,
    /// `solo`, `team` or `tournament`.
    #[schema(example = "solo")]
    match_type: String,
    /// `in_progress`.
    #[schema(example = "in_progress")]
    status: String,
    /// How many play.
    #[schema(example = 2)]
    player_count: usize,
    /// Region of the game server.
    #[schema(example = "eu-west")]
    server_region: String,
}

/// Begin a match.
///
/// With an `Idempotency-Key`, a retry gets the first answer, for as long as the match is kept.
#[utoipa::path(
    post, path = "/api/matches/start", tag = "matches", request_body = StartRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses((status = 200, description = "The match is in progress.", body = StartResponse), ChangeErrors)
)]
pub(super) async fn start(
    _: Caller,
    matches: Data<Matches>,
    key: Key,
    body: Body<StartRequest>,
) -> Result<Json<StartResponse>, HttpFailure> {
    let StartRequest { match_type, player_ids, server_region } = body.0;
    let new = NewMatch { match_type, player_ids, server_region };
    let Match { match_id, match_type, status, server_region, participants, .. } =
        matches.start(new, key.0.as_ref()).await?;
    Ok(Json(StartResponse { match_id, match_type, status, player_count: participants.len(), server_region }))
}

/// The result of a match.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CompleteRequest {
    /// Which match.
    #[schema(example = 1)]
    match_id: i64,
    /// The winner, who must have taken part.
    #[schema(example = 1)]
    winner_id: i64,
    /// Play time in seconds, 0 to 86400.
    #[schema(example = 300, minimum = 0, maximum = 86400)]
    duration_seconds: i32,
    /// Results by player, each at most once; a participant who is left out has zeros.
    participant_stats: Vec<StatsEntry>,
}

/// What one player achieved.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StatsEntry {
    /// Who; must have taken part.
    #[schema(example = 1)]
    player_id: i64,
    /// Score in the game's own unit, 0 to 1000000000.
    #[schema(example = 1500)]
    score: i64,
    /// Opponents eliminated, 0 to 1000000.
    #[schema(example = 7)]
    kills: i32,
    /// Times eliminated, 0 to 1000000.
    #[schema(example = 2)]
    deaths: i32,
}

impl From<StatsEntry> for ParticipantStats {
    fn from(entry: StatsEntry) -> Self {
        let StatsEntry { player_id, score, kills, deaths } = entry;
        Self { player_id, score, kills, deaths }
    }
}

/// The match that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CompleteResponse {
    /// Which match.
    #[schema(example = 1)]
    match_id: i64,
    /// `completed`.
    #[schema(example = "completed")]
    status: String,
    /// The winner.
    #[schema(example = 1)]
    winner_id: Option<i64>,
    /// Play time in seconds.
    #[schema(example = 300)]
    duration_seconds: Option<i32>,
    /// For people.
    #[schema(example = "Match completed successfully")]
    message: &'static str,
}

/// End a match with a winner.
///
/// With an `Idempotency-Key`, a retry gets the first answer; without one, a second completion is a conflict.
#[utoipa::path(
    post, path = "/api/matches/complete", tag = "matches", request_body = CompleteRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses((status = 200, description = "The match is over.", body = CompleteResponse), ChangeErrors)
)]
pub(super) async fn complete(
    _: Caller,
    matches: Data<Matches>,
    key: Key,
    body: Body<CompleteRequest>,
) -> Result<Json<CompleteResponse>, HttpFailure> {
    let CompleteRequest { match_id, winner_id, duration_seconds, participant_stats } = body.0;
    let outcome = Outcome {
        match_id: MatchId(match_id),
        winner_id: PlayerId(winner_id),
        duration_seconds,
        participant_stats: participant_stats.into_iter().map(Into::into).collect(),
    };
    let Match { match_id, status, winner_id, duration_seconds, .. } =
        matches.complete(outcome, key.0.as_ref()).await?;
    let message = "Match completed successfully";
    Ok(Json(CompleteResponse { match_id, status, winner_id, duration_seconds, message }))
}

/// The end of a match without a result.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CrashRequest {
    /// Which match.
    #[schema(example = 1)]
    match_id: i64,
    /// What happened, 1 to 500 characters.
    #[schema(example = "server process died")]
    error_message: String,
}

/// The match that crashed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CrashResponse {
    /// Which match.
    #[schema(example = 1)]
    match_id: i64,
    /// `crashed`.
    #[schema(example = "crashed")]
    status: String,
    /// For people.
    #[schema(example = "Match crash recorded")]
    message: &'static str,
}

/// End a match without a result.
///
/// With an `Idempotency-Key`, a retry gets the first answer; without one, a second report is a conflict.
#[utoipa::path(
    post, path = "/api/matches/crash", tag = "matches", request_body = CrashRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses((status = 200, description = "The match is over.", body = CrashResponse), ChangeErrors)
)]
pub(super) async fn crash(
    _: Caller,
    matches: Data<Matches>,
    key: Key,
    body: Body<CrashRequest>,
) -> Result<Json<CrashResponse>, HttpFailure> {
    let CrashRequest { match_id, error_message } = body.0;
    let Match { match_id, status, .. } =
        matches.crash(MatchId(match_id), error_message, key.0.as_ref()).await?;
    Ok(Json(CrashResponse { match_id, status, message: "Match crash recorded" }))
}

/// Tell that a match is still being played.
///
/// After its first heartbeat, a match is taken for crashed 30 seconds after the last one. Takes no body; a heartbeat
/// that comes again does no harm, so a key would change nothing.
#[utoipa::path(
    post, path = "/api/matches/{match_id}/heartbeat", tag = "matches",
    params(
        ("match_id" = i64, Path, description = "Which match."),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")
    ),
    responses((status = 204, description = "Noted."), ReadErrors, (status = 409, response = super::document::Conflict))
)]
pub(super) async fn heartbeat(
    _: Caller,
    matches: Data<Matches>,
    _: Key,
    id: MatchPath,
) -> Result<HttpResponse, HttpFailure> {
    matches.heartbeat(id.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

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
#[utoipa::path(
    get, path = "/api/matches/{match_id}", tag = "matches",
    params(("match_id" = i64, Path, description = "Which match.")),
    responses((status = 200, description = "The match.", body = MatchResponse), ReadErrors)
)]
pub(super) async fn get(
    _: Caller,
    matches: Data<Matches>,
    id: MatchPath,
) -> Result<Json<MatchResponse>, HttpFailure> {
    Ok(Json(matches.get(id.0).await?.into()))
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
        ("limit" = Option<i64>, Query, description = "1 to 100 [default: 10]."),
        ("before" = Option<i64>, Query, description = "Only matches with a smaller number.")
    ),
    responses((status = 200, description = "A page of matches.", body = MatchesResponse), ReadErrors)
)]
pub(super) async fn of_player(
    _: Caller,
    matches: Data<Matches>,
    player: PlayerPath,
    page: PageQuery,
) -> Result<Json<MatchesResponse>, HttpFailure> {
    let matches = matches.of_player(player.0, page.0).await?;
    Ok(Json(MatchesResponse { matches: matches.into_iter().map(Into::into).collect() }))
}
