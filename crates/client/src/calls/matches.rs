//! Calls about matches: start, heartbeat, end, and looking at them.

use battlearena_proto::{MatchId, MatchStatus, MatchType, PlayerId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Page;
use crate::http::Call;

/// The match that began.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StartedMatch {
    /// Number of the match, from 1.
    pub match_id: MatchId,
    /// How it is played.
    pub match_type: MatchType,
    /// In progress.
    pub status: MatchStatus,
    /// How many play.
    pub player_count: usize,
    /// Region of the game server.
    pub server_region: String,
}

/// Begins a match of 1 to 100 distinct players, in a region of 1 to 20 characters: `POST /api/matches/start`. Invalid:
/// a player does not exist or is named twice.
pub fn start_match(
    match_type: MatchType,
    player_ids: &[PlayerId],
    server_region: &str,
) -> Call<StartedMatch> {
    #[derive(Serialize)]
    struct Body<'a> {
        match_type: MatchType,
        player_ids: &'a [PlayerId],
        server_region: &'a str,
    }
    Call::post("/api/matches/start", &Body { match_type, player_ids, server_region })
}

/// What one player achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ParticipantStats {
    /// Who; must have taken part.
    pub player_id: PlayerId,
    /// Score in the game's own unit, 0 to 1000000000.
    pub score: i64,
    /// Opponents eliminated, 0 to 1000000.
    pub kills: i32,
    /// Times eliminated, 0 to 1000000.
    pub deaths: i32,
}

/// The result of a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompletedMatch<'a> {
    /// Which match.
    pub match_id: MatchId,
    /// The winner, who must have taken part.
    pub winner_id: PlayerId,
    /// Play time in seconds, 0 to 86400.
    pub duration_seconds: u32,
    /// Results by player, each at most once; a participant who is left out has zeros.
    pub participant_stats: &'a [ParticipantStats],
}

/// The match that has a winner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EndedMatch {
    /// Which match.
    pub match_id: MatchId,
    /// Completed.
    pub status: MatchStatus,
    /// The winner.
    pub winner_id: Option<PlayerId>,
    /// Play time in seconds.
    pub duration_seconds: Option<i32>,
}

/// Ends a match with a winner: `POST /api/matches/complete`. Not found: no such match. Conflict: it is not in progress.
/// Invalid: somebody named did not take part.
pub fn complete_match(result: &CompletedMatch<'_>) -> Call<EndedMatch> {
    Call::post("/api/matches/complete", result)
}

/// The match that crashed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CrashedMatch {
    /// Which match.
    pub match_id: MatchId,
    /// Crashed.
    pub status: MatchStatus,
}

/// Ends a match without a result, and says why in 1 to 500 characters: `POST /api/matches/crash`. Not found: no such
/// match. Conflict: it is not in progress.
pub fn crash_match(match_id: MatchId, error_message: &str) -> Call<CrashedMatch> {
    #[derive(Serialize)]
    struct Body<'a> {
        match_id: MatchId,
        error_message: &'a str,
    }
    Call::post("/api/matches/crash", &Body { match_id, error_message })
}

/// Tells once that a match is still being played: `POST /api/matches/{match_id}/heartbeat`. The next one makes up for
/// one that is lost. Conflict: it is not in progress.
pub fn heartbeat(match_id: MatchId) -> Call<()> {
    Call::post("/api/matches/{match_id}/heartbeat", &()).with(match_id).without_key().once()
}

/// A match with its participants.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MatchDetails {
    /// Number of the match.
    pub match_id: MatchId,
    /// How it is played.
    pub match_type: MatchType,
    /// Where it stands.
    pub status: MatchStatus,
    /// Region of the game server.
    pub server_region: String,
    /// When it began (UTC).
    pub start_time: Option<Timestamp>,
    /// When it ended (UTC); none while it is in progress.
    pub end_time: Option<Timestamp>,
    /// The winner; none unless completed.
    pub winner_id: Option<PlayerId>,
    /// Seconds of play; none while it is in progress.
    pub duration_seconds: Option<i32>,
    /// Why it crashed; none otherwise.
    pub error_message: Option<String>,
    /// Who played, by number.
    pub participants: Vec<ParticipantDetails>,
}

/// One player in one match.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ParticipantDetails {
    /// Who.
    pub player_id: PlayerId,
    /// Score in the game's own unit.
    pub score: i64,
    /// Opponents eliminated.
    pub kills: i32,
    /// Times eliminated.
    pub deaths: i32,
    /// Ranking points that the match earned the player.
    pub points: i64,
    /// When the player joined (UTC).
    pub joined_at: Option<Timestamp>,
    /// When the player left (UTC); none while the match is in progress.
    pub left_at: Option<Timestamp>,
}

/// Looks at a match: `GET /api/matches/{match_id}`. Not found: no such match.
pub fn match_details(match_id: MatchId) -> Call<MatchDetails> {
    Call::get("/api/matches/{match_id}").with(match_id)
}

/// A page of a player's matches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Matches {
    /// Newest first.
    pub matches: Vec<MatchDetails>,
}

/// Lists a player's matches: `GET /api/players/{player_id}/matches`.
pub fn player_matches(player_id: PlayerId, page: Page) -> Call<Matches> {
    Call::get("/api/players/{player_id}/matches").with(player_id).with_query(page)
}
