//! Table `match_participants`: who played and what came of it.

use battlearena_proto::{MatchId, PlayerId};
use battlearena_storage::{Database, Statement, StorageError};
use jiff::Timestamp;

/// A participant as the table has it.
#[derive(Debug, Clone)]
pub(crate) struct ParticipantRow {
    pub(crate) match_id: MatchId,
    pub(crate) player_id: PlayerId,
    pub(crate) score: i64,
    pub(crate) kills: i32,
    pub(crate) deaths: i32,
    pub(crate) points: i64,
    pub(crate) joined_at: Timestamp,
    pub(crate) left_at: Option<Timestamp>,
}

pub(crate) static ALL: &[&Statement] = &[&OF_MATCHES];

static OF_MATCHES: Statement = Statement::new(
    "participants_of_matches",
    "SELECT",
    "match_participants",
    "select match_id, player_id, score, kills, deaths, points, joined_at, left_at
     from match.match_participants where match_id = any($1) order by match_id, player_id",
);

/// The participants of some matches, ordered by match and player.
pub(crate) async fn of_matches(
    database: &Database,
    matches: &[i64],
) -> Result<Vec<ParticipantRow>, StorageError> {
    let rows = database.query(&OF_MATCHES, &[&matches]).await?;
    Ok(rows
        .iter()
        .map(|row| ParticipantRow {
            match_id: MatchId(row.get(0)),
            player_id: PlayerId(row.get(1)),
            score: row.get(2),
            kills: row.get(3),
            deaths: row.get(4),
            points: row.get(5),
            joined_at: row.get(6),
            left_at: row.get(7),
        })
        .collect())
}
