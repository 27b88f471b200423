//! Table `players`: what the log says of each player.

use std::collections::HashMap;

use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::PlayerChange;

pub(crate) static ALL: &[&Statement] = &[&ADD, &RENAME, &PAGE, &CLEAR, &FORGET];

static ADD: Statement = Statement::new(
    "add_to_players",
    "INSERT",
    "players",
    "insert into analytics.players as p (player_id, username, level, tier, points, last_seen)
     select player_id, coalesce(username, ''), coalesce(level, 1), coalesce(tier, 'free'), points, last_seen
     from unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::bigint[], $6::timestamptz[])
          as n(player_id, username, level, tier, points, last_seen)
     order by player_id
     on conflict on constraint players_pkey do update
     set username = case when excluded.username = '' or p.name_version > 0 then p.username else excluded.username end,
         level = case when excluded.username = '' then p.level else excluded.level end,
         tier = case when excluded.username = '' then p.tier else excluded.tier end,
         points = p.points + excluded.points,
         last_seen = greatest(p.last_seen, excluded.last_seen)",
);

/// Adds what a batch says of players.
pub(crate) async fn add(
    session: Session<'_>,
    players: &HashMap<i64, PlayerChange>,
) -> Result<(), StorageError> {
    let ids: Vec<i64> = players.keys().copied().collect();
    let profile = |player: &PlayerChange| player.profile.clone();
    let usernames: Vec<Option<String>> =
        players.values().map(|p| profile(p).map(|(name, _, _)| name)).collect();
    let levels: Vec<Option<i32>> = players.values().map(|p| profile(p).map(|(_, level, _)| level)).collect();
    let tiers: Vec<Option<String>> = players.values().map(|p| profile(p).map(|(_, _, tier)| tier)).collect();
    let points: Vec<i64> = players.values().map(|player| player.points).collect();
    let seen: Vec<Timestamp> = players.values().map(|player| player.last_seen).collect();
    session.execute(&ADD, &[&ids, &usernames, &levels, &tiers, &points, &seen]).await?;
    Ok(())
}

static RENAME: Statement = Statement::new(
    "rename_players",
    "UPDATE",
    "players",
    "update analytics.players as p set username = n.username, name_version = n.name_version
     from unnest($1::bigint[], $2::int[], $3::text[]) as n(player_id, name_version, username)
     where p.player_id = n.player_id and p.name_version < n.name_version",
);

/// Gives players who are there the names that a batch tells, unless they have later ones.
pub(crate) async fn rename(
    session: Session<'_>,
    players: &HashMap<i64, PlayerChange>,
) -> Result<(), StorageError> {
    let named = |(id, change): (&i64, &PlayerChange)| {
        change.renamed.as_ref().map(|(version, name)| (*id, *version, name.clone()))
    };
    let (mut ids, mut versions, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (id, version, name) in players.iter().filter_map(named) {
        ids.push(id);
        versions.push(version);
        names.push(name);
    }
    if !ids.is_empty() {
        session.execute(&RENAME, &[&ids, &versions, &names]).await?;
    }
    Ok(())
}

static PAGE: Statement = Statement::new(
    "page_of_players",
    "SELECT",
    "players",
    "select player_id, username, level, tier, points, last_seen, name_version from analytics.players
     where player_id > $1 order by player_id limit $2",
);

/// The next players after an id.
pub(crate) async fn page(
    session: Session<'_>,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, PlayerChange)>, StorageError> {
    Ok(session.query(&PAGE, &[&after, &limit]).await?.iter().map(player).collect())
}

static FORGET: Statement = Statement::new(
    "forget_names",
    "UPDATE",
    "players",
    "update analytics.players set username = 'deleted-' || player_id, name_version = 2147483647
     where player_id = any($1)",
);

/// Forgets the names of players, and keeps the rest.
pub(crate) async fn forget(session: Session<'_>, player_ids: &[i64]) -> Result<(), StorageError> {
    session.execute(&FORGET, &[&player_ids]).await?;
    Ok(())
}

static CLEAR: Statement =
    Statement::new("clear_players", "DELETE", "players", "delete from analytics.players");

/// Forgets all players.
pub(crate) async fn clear(session: Session<'_>) -> Result<(), StorageError> {
    session.execute(&CLEAR, &[]).await?;
    Ok(())
}

/// A stored player, as the change that makes it out of nothing.
pub(super) fn player(row: &Row) -> (i64, PlayerChange) {
    let username: String = row.get(1);
    // Without a name the log has not told of the registration yet.
    let renamed = Some((row.get(6), username.clone())).filter(|(version, _)| *version > 0);
    let profile = (!username.is_empty()).then(|| (username, row.get(2), row.get(3)));
    (row.get(0), PlayerChange { profile, renamed, points: row.get(4), last_seen: row.get(5) })
}
