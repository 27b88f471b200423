//! Requests, once they are known to be within range. Whoever holds one need not check it again.

use std::collections::HashSet;
use std::str::FromStr;

use battlearena_proto::{Failure, MatchId, MatchType, PlayerId};
use serde::Serialize;

const MOST_PLAYERS: usize = 100;
const MOST_SCORE: i64 = 1_000_000_000;
const MOST_COUNT: i32 = 1_000_000;
const LONGEST_MATCH_SECONDS: i32 = 86_400;

/// Start a match.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StartRequest {
    pub(crate) match_type: MatchType,
    pub(crate) player_ids: Vec<PlayerId>,
    pub(crate) server_region: String,
}

/// End a match with a winner.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CompleteRequest {
    pub(crate) match_id: MatchId,
    pub(crate) winner_id: PlayerId,
    pub(crate) duration_seconds: i32,
    pub(crate) stats: Vec<ParticipantStats>,
}

/// What was reported of one participant.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ParticipantStats {
    pub(crate) player_id: PlayerId,
    pub(crate) score: i64,
    pub(crate) kills: i32,
    pub(crate) deaths: i32,
}

/// End a match without a result.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CrashRequest {
    pub(crate) match_id: MatchId,
    pub(crate) error_message: String,
}

/// Size of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(pub(crate) i32);

impl StartRequest {
    pub(crate) fn new(
        match_type: &str,
        player_ids: Vec<i64>,
        server_region: String,
    ) -> Result<Self, Failure> {
        let match_type = MatchType::from_str(match_type)
            .map_err(|error| Failure::invalid("match_type", error.to_string()))?;
        if player_ids.is_empty() || player_ids.len() > MOST_PLAYERS {
            let message = format!("must name 1 to {MOST_PLAYERS} players, not {}", player_ids.len());
            return Err(Failure::invalid("player_ids", message));
        }
        let player_ids: Vec<_> =
            player_ids.into_iter().map(|id| player_id("player_ids", id)).collect::<Result<_, _>>()?;
        each_once("player_ids", player_ids.iter().copied())?;
        text("server_region", &server_region, 1, 20)?;
        Ok(Self { match_type, player_ids, server_region })
    }
}

impl CompleteRequest {
    pub(crate) fn new(
        match_id: i64,
        winner_id: i64,
        duration_seconds: i32,
        stats: Vec<ParticipantStats>,
    ) -> Result<Self, Failure> {
        let match_id = self::match_id(match_id)?;
        let winner_id = player_id("winner_id", winner_id)?;
        within("duration_seconds", duration_seconds, LONGEST_MATCH_SECONDS)?;
        for (index, stat) in stats.iter().enumerate() {
            let field = |name: &str| format!("participant_stats[{index}].{name}");
            player_id(&field("player_id"), stat.player_id.get())?;
            within(&field("score"), stat.score, MOST_SCORE)?;
            within(&field("kills"), stat.kills, MOST_COUNT)?;
            within(&field("deaths"), stat.deaths, MOST_COUNT)?;
        }
        each_once("participant_stats", stats.iter().map(|stat| stat.player_id))?;
        Ok(Self { match_id, winner_id, duration_seconds, stats })
    }
}

impl CrashRequest {
    pub(crate) fn new(match_id: i64, error_message: String) -> Result<Self, Failure> {
        text("error_message", &error_message, 1, 500)?;
        Ok(Self { match_id: self::match_id(match_id)?, error_message })
    }
}

impl Limit {
    pub(crate) fn new(limit: i32) -> Result<Self, Failure> {
        match limit {
            1..=100 => Ok(Self(limit)),
            _ => Err(Failure::invalid("limit", format!("must be 1 to 100, not {limit}"))),
        }
    }
}

/// A match id that can exist.
pub(crate) fn match_id(id: i64) -> Result<MatchId, Failure> {
    if id < 1 {
        Err(Failure::invalid("match_id", format!("must be 1 or more, not {id}")))
    } else {
        Ok(MatchId(id))
    }
}

fn player_id(field: &str, id: i64) -> Result<PlayerId, Failure> {
    if id < 1 {
        Err(Failure::invalid(field, format!("must be 1 or more, not {id}")))
    } else {
        Ok(PlayerId(id))
    }
}

fn each_once(field: &str, players: impl Iterator<Item = PlayerId>) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    let mut twice: Vec<_> = players.filter(|id| !seen.insert(*id)).map(PlayerId::get).collect();
    if twice.is_empty() {
        return Ok(());
    }
    twice.sort_unstable();
    twice.dedup();
    Err(Failure::invalid(field, format!("names players more than once: {}", join(&twice))))
}

fn within<N: PartialOrd + From<u8> + std::fmt::Display>(
    field: &str,
    value: N,
    most: N,
) -> Result<(), Failure> {
    if value < N::from(0) || value > most {
        return Err(Failure::invalid(field, format!("must be 0 to {most}, not {value}")));
    }
    Ok(())
}

fn text(field: &str, text: &str, least: usize, most: usize) -> Result<(), Failure> {
    let length = text.chars().count();
    if length < least || length > most {
        return Err(Failure::invalid(field, format!("must have {least} to {most} characters, not {length}")));
    }
    if text.contains('\0') {
        return Err(Failure::invalid(field, "must not contain the NUL character"));
    }
    Ok(())
}

/// Ids as a message names them.
pub(crate) fn join(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(player_id: i64, score: i64) -> ParticipantStats {
        ParticipantStats { player_id: PlayerId(player_id), score, kills: 0, deaths: 0 }
    }

    #[test]
    fn starts_that_are_refused() {
        let table: [(&str, Vec<i64>, &str, &str); 7] = [
            ("duel", vec![1], "us-east", "match_type"),
            ("solo", vec![], "us-east", "player_ids"),
            ("solo", (1..=101).collect(), "us-east", "player_ids"),
            ("solo", vec![1, 0], "us-east", "player_ids"),
            ("solo", vec![1, 2, 1], "us-east", "player_ids"),
            ("solo", vec![1], "", "server_region"),
            ("solo", vec![1], "a-region-with-a-very-long-name", "server_region"),
        ];
        for (match_type, players, region, field) in table {
            let failure = StartRequest::new(match_type, players.clone(), region.to_owned()).unwrap_err();
            assert_eq!(failure.field(), Some(field), "{match_type} {players:?} {region}");
        }
    }

    #[test]
    fn players_who_are_named_twice_are_named() {
        let failure = StartRequest::new("team", vec![7, 5, 7, 5, 5], "asia".into()).unwrap_err();
        assert_eq!(failure.message(), "names players more than once: 5, 7");
    }

    #[test]
    fn completions_that_are_refused() {
        let table = [
            (0, 1, 10, vec![], "match_id"),
            (1, -1, 10, vec![], "winner_id"),
            (1, 1, -1, vec![], "duration_seconds"),
            (1, 1, 86_401, vec![], "duration_seconds"),
            (1, 1, 10, vec![stat(1, 0), stat(0, 0)], "participant_stats[1].player_id"),
            (1, 1, 10, vec![stat(1, -5)], "participant_stats[0].score"),
            (1, 1, 10, vec![stat(1, 5), stat(1, 6)], "participant_stats"),
        ];
        for (match_id, winner_id, duration, stats, field) in table {
            let failure = CompleteRequest::new(match_id, winner_id, duration, stats).unwrap_err();
            assert_eq!(failure.field(), Some(field));
        }
    }

    #[test]
    fn texts_are_counted_in_characters() {
        assert!(CrashRequest::new(1, "ü".repeat(500)).is_ok());
        assert!(CrashRequest::new(1, "ü".repeat(501)).is_err());
        assert!(CrashRequest::new(1, "a\0b".into()).is_err());
    }
}
