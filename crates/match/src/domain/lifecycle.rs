//! The state machine of a match: in_progress → completed | crashed. There is no other way.

use std::collections::{HashMap, HashSet};

use battlearena_proto::{Failure, MatchId, MatchStatus, MatchType, PlayerId};

use super::request::join;
use super::{CompleteRequest, points};

/// What must be known of a match to end it.
#[derive(Debug, Clone)]
pub(crate) struct PlayedMatch {
    pub(crate) id: MatchId,
    pub(crate) match_type: MatchType,
    pub(crate) server_region: String,
    pub(crate) status: MatchStatus,
    pub(crate) players: Vec<PlayerId>,
}

/// How a match ended, for every participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) results: Vec<Result>,
}

/// One participant's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Result {
    pub(crate) player_id: PlayerId,
    pub(crate) score: i64,
    pub(crate) kills: i32,
    pub(crate) deaths: i32,
    pub(crate) points: i64,
}

/// Why a match cannot be completed that way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CompleteError {
    #[error("match {0} is {1}, not in progress")]
    NotInProgress(MatchId, MatchStatus),
    #[error("player {0} did not take part in match {1}")]
    WinnerDidNotPlay(PlayerId, MatchId),
    #[error("players {0} did not take part in match {1}")]
    StrangersInStats(String, MatchId),
}

impl PlayedMatch {
    /// Ends the match with a winner. Participants without statistics have zeros.
    pub(crate) fn complete(
        &self,
        report: &CompleteRequest,
    ) -> std::result::Result<Completion, CompleteError> {
        if self.status != MatchStatus::InProgress {
            return Err(CompleteError::NotInProgress(self.id, self.status));
        }
        if !self.players.contains(&report.winner_id) {
            return Err(CompleteError::WinnerDidNotPlay(report.winner_id, self.id));
        }
        let players: HashSet<_> = self.players.iter().collect();
        let strangers: Vec<_> = report
            .stats
            .iter()
            .filter(|s| !players.contains(&s.player_id))
            .map(|s| s.player_id.get())
            .collect();
        if !strangers.is_empty() {
            return Err(CompleteError::StrangersInStats(join(&strangers), self.id));
        }
        let stats: HashMap<_, _> = report.stats.iter().map(|stats| (stats.player_id, stats)).collect();
        let result = |player_id: &PlayerId| {
            let (score, kills, deaths) =
                stats.get(player_id).map_or((0, 0, 0), |s| (s.score, s.kills, s.deaths));
            let points = points(score, *player_id == report.winner_id, self.players.len());
            Result { player_id: *player_id, score, kills, deaths, points }
        };
        Ok(Completion { results: self.players.iter().map(result).collect() })
    }
}

impl From<CompleteError> for Failure {
    fn from(error: CompleteError) -> Self {
        let message = error.to_string();
        match error {
            CompleteError::NotInProgress(..) => Self::conflict(message),
            CompleteError::WinnerDidNotPlay(..) => Self::invalid("winner_id", message),
            CompleteError::StrangersInStats(..) => Self::invalid("participant_stats", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ParticipantStats;

    fn played(status: MatchStatus) -> PlayedMatch {
        PlayedMatch {
            id: MatchId(9),
            match_type: MatchType::Team,
            server_region: "asia".into(),
            status,
            players: [1, 2, 3].map(PlayerId).to_vec(),
        }
    }

    fn report(winner: i64, stats: &[(i64, i64)]) -> CompleteRequest {
        let stats = stats
            .iter()
            .map(|(id, score)| ParticipantStats {
                player_id: PlayerId(*id),
                score: *score,
                kills: 4,
                deaths: 2,
            })
            .collect();
        CompleteRequest::new(9, winner, 60, stats).unwrap()
    }

    #[test]
    fn everybody_gets_a_result_and_the_winner_the_points() {
        let completion =
            played(MatchStatus::InProgress).complete(&report(2, &[(2, 1000), (1, 300)])).unwrap();
        let result = |player_id, score, kills, deaths, points| Result {
            player_id: PlayerId(player_id),
            score,
            kills,
            deaths,
            points,
        };
        assert_eq!(
            completion.results,
            [result(1, 300, 4, 2, 3), result(2, 1000, 4, 2, 60), result(3, 0, 0, 0, 0)]
        );
    }

    #[test]
    fn an_ended_match_stays_as_it_is() {
        for status in [MatchStatus::Completed, MatchStatus::Crashed] {
            let error = played(status).complete(&report(2, &[])).unwrap_err();
            assert_eq!(error.to_string(), format!("match 9 is {status}, not in progress"));
        }
    }

    #[test]
    fn strangers_neither_win_nor_score() {
        let refused = played(MatchStatus::InProgress).complete(&report(4, &[]));
        assert_eq!(refused, Err(CompleteError::WinnerDidNotPlay(PlayerId(4), MatchId(9))));
        let refused = played(MatchStatus::InProgress).complete(&report(1, &[(8, 1), (1, 1), (7, 1)]));
        assert_eq!(refused, Err(CompleteError::StrangersInStats("8, 7".into(), MatchId(9))));
    }
}
