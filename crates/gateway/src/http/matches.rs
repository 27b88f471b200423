//! Routes that change matches. What they mean is decided by the match service.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use battlearena_identity::Caller;
use battlearena_proto::matches::{Match, ParticipantStats};
use battlearena_proto::{MatchId, MatchType, PlayerId};
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, Object};
use super::document::{BodyErrors, ReadErrors};
use super::parameters::{Key, MatchPath};
use crate::service::matches::{Matches, NewMatch, Outcome};

/// A match to begin.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StartRequest {
    /// How it is played.
    #[schema(schema_with = super::document::match_type)]
    match_type: MatchType,
    /// Who plays: 1 to 100 players, each once.
    #[schema(example = json!([1, 2]), min_items = 1, max_items = 100)]
    player_ids: Vec<i64>,
    /// Region of the game server in free words, 1 to 20 characters.
    #[serde(default = "usual_region")]
    #[schema(default = "us-east", example = "eu-west", min_length = 1, max_length = 20)]
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
    responses((status = 200, description = "The match is in progress.", body = StartResponse), (status = 409, response = super::document::Conflict), BodyErrors)
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
        finish(async move { matches.start(new, key.0.as_ref()).await }).await?;
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
    #[schema(value_type = Vec<StatsEntry>)]
    participant_stats: Vec<Object<StatsEntry>>,
}

/// What one player achieved.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StatsEntry {
    /// Who; must have taken part.
    #[schema(example = 1)]
    player_id: i64,
    /// Score in the game's own unit, 0 to 1000000000.
    #[schema(example = 1500, minimum = 0, maximum = 1000000000)]
    score: i64,
    /// Opponents eliminated, 0 to 1000000.
    #[schema(example = 7, minimum = 0, maximum = 1000000)]
    kills: i32,
    /// Times eliminated, 0 to 1000000.
    #[schema(example = 2, minimum = 0, maximum = 1000000)]
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
    responses((status = 200, description = "The match is over.", body = CompleteResponse), (status = 404, response = super::document::NotFound), (status = 409, response = super::document::Conflict), BodyErrors)
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
        participant_stats: participant_stats.into_iter().map(|Object(entry)| entry.into()).collect(),
    };
    let Match { match_id, status, winner_id, duration_seconds, .. } =
        finish(async move { matches.complete(outcome, key.0.as_ref()).await }).await?;
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
    #[schema(example = "server process died", min_length = 1, max_length = 500)]
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
    responses((status = 200, description = "The match is over.", body = CrashResponse), (status = 404, response = super::document::NotFound), (status = 409, response = super::document::Conflict), BodyErrors)
)]
pub(super) async fn crash(
    _: Caller,
    matches: Data<Matches>,
    key: Key,
    body: Body<CrashRequest>,
) -> Result<Json<CrashResponse>, HttpFailure> {
    let CrashRequest { match_id, error_message } = body.0;
    let Match { match_id, status, .. } =
        finish(async move { matches.crash(MatchId(match_id), error_message, key.0.as_ref()).await }).await?;
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
    finish(async move { matches.heartbeat(id.0).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
