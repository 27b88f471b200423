//! Table `matches`: a match's beginning, heartbeats and end, each with its event in the same statement.

use std::time::Duration;

use battlearena_proto::events::event::Body;
use battlearena_proto::{MatchId, MatchStatus, MatchType, PlayerId};
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_storage::{Database, Row, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::{Completion, PlayerResult, StartRequest};

/// A match as the table has it.
#[derive(Debug, Clone)]
pub(crate) struct MatchRow {
    pub(crate) id: MatchId,
    pub(crate) match_type: MatchType,
    pub(crate) status: MatchStatus,
    pub(crate) server_region: String,
    pub(crate) start_time: Timestamp,
    pub(crate) end_time: Option<Timestamp>,
    pub(crate) winner_id: Option<i64>,
    pub(crate) duration_seconds: Option<i32>,
    pub(crate) error_message: String,
    pub(crate) end_key: Option<String>,
    pub(crate) end_fingerprint: Option<i64>,
}

/// A match that has just begun, or the one that the same key began before.
pub(crate) struct Started {
    pub(crate) id: MatchId,
    pub(crate) start_time: Timestamp,
    pub(crate) fingerprint: Option<i64>,
    pub(crate) is_new: bool,
}

/// A match that has just crashed.
pub(crate) struct Crashed {
    pub(crate) id: MatchId,
    pub(crate) match_type: MatchType,
}

/// The key of a request, and what the request asks for.
#[derive(Clone, Copy)]
pub(crate) struct Keyed<'a> {
    pub(crate) key: Option<&'a IdempotencyKey>,
    pub(crate) fingerprint: i64,
}

impl Keyed<'_> {
    fn columns(&self) -> (Option<&str>, Option<i64>) {
        (self.key.map(IdempotencyKey::as_str), self.key.map(|_| self.fingerprint))
    }
}

/// The unique index that two concurrent starts with one key run into.
pub(crate) const START_KEY: &str = "matches_start_key";

pub(crate) static ALL: &[&Statement] = &[
    &START,
    &FIND,
    &FIND_WITH_PLAYERS,
    &COMPLETE,
    &CRASH,
    &CRASH_LOST,
    &HEARTBEAT,
    &COUNT_IN_PROGRESS,
    &OF_PLAYER,
];

macro_rules! columns {
    () => {
        "m.id, m.match_type, m.status, m.server_region, m.start_time, m.end_time, m.winner_id, m.duration_seconds,
         m.error_message, m.end_key, m.end_fingerprint"
    };
}

static START: Statement = Statement::new(
    "start_match",
    "INSERT",
    "matches",
    "with prior as (
       select id, start_time, start_fingerprint from match.matches where start_key = $4),
     started as (
       insert into match.matches (match_type, server_region, start_key, start_fingerprint)
       select $1, $2, $4, $5 where not exists (select from prior)
       returning id, start_time, start_fingerprint),
     joined as (
       insert into match.match_participants (match_id, player_id)
       select started.id, player from started, unnest($3::bigint[]) player),
     told as (
       insert into match.outbox (kind, payload, traceparent)
       select 'match_started', json_build_object('match_id', id, 'match_type', $1::text, 'server_region', $2::text,
              'player_ids', $3::bigint[]), $6
       from started)
     select id, start_time, start_fingerprint, true from started
     union all select id, start_time, start_fingerprint, false from prior",
);

/// Starts a match, unless the key has started one before.
pub(crate) async fn start(
    database: &Database,
    request: &StartRequest,
    keyed: Keyed<'_>,
    traceparent: Option<&str>,
) -> Result<Started, StorageError> {
    let players: Vec<i64> = request.player_ids.iter().map(|id| id.get()).collect();
    let (key, fingerprint) = keyed.columns();
    let match_type = request.match_type.as_str();
    let row = database
        .query_one(&START, &[&match_type, &request.server_region, &players, &key, &fingerprint, &traceparent])
        .await?;
    Ok(Started {
        id: MatchId(row.get(0)),
        start_time: row.get(1),
        fingerprint: row.get(2),
        is_new: row.get(3),
    })
}

static FIND: Statement = Statement::new(
    "find_match",
    "SELECT",
    "matches",
    concat!("select ", columns!(), " from match.matches m where m.id = $1"),
);

/// Finds a match.
pub(crate) async fn find(database: &Database, id: MatchId) -> Result<Option<MatchRow>, StorageError> {
    database.query_opt(&FIND, &[&id.get()]).await?.as_ref().map(match_row).transpose()
}

static FIND_WITH_PLAYERS: Statement = Statement::new(
    "find_match_with_players",
    "SELECT",
    "matches",
    concat!(
        "select ",
        columns!(),
        ", array(select p.player_id from match.match_participants p where p.match_id = m.id order by p.player_id)
         from match.matches m where m.id = $1"
    ),
);

/// Finds a match with the ids of its players, ascending.
pub(crate) async fn find_with_players(
    database: &Database,
    id: MatchId,
) -> Result<Option<(MatchRow, Vec<PlayerId>)>, StorageError> {
    let Some(row) = database.query_opt(&FIND_WITH_PLAYERS, &[&id.get()]).await? else { return Ok(None) };
    let players: Vec<i64> = row.get(11);
    Ok(Some((match_row(&row)?, players.into_iter().map(PlayerId).collect())))
}

static COMPLETE: Statement = Statement::new(
    "complete_match",
    "UPDATE",
    "matches",
    "with ended as (
       update match.matches
       set status = 'completed', end_time = now(), winner_id = $2, duration_seconds = $3, end_key = $4,
           end_fingerprint = $5
       where id = $1 and status = 'in_progress'
       returning id, start_time, end_time),
     results as (
       update match.match_participants p
       set score = r.score, kills = r.kills, deaths = r.deaths, points = r.points, left_at = ended.end_time
       from ended, unnest($6::bigint[], $7::bigint[], $8::int[], $9::int[], $10::bigint[])
            as r(player_id, score, kills, deaths, points)
       where p.match_id = ended.id and p.player_id = r.player_id),
     told as (
       insert into match.outbox (kind, payload, traceparent) select 'match_completed', $11::text::json, $12 from ended)
     select end_time from ended",
);

/// What to write when a match completes.
pub(crate) struct CompleteRow<'a> {
    pub(crate) id: MatchId,
    pub(crate) winner_id: PlayerId,
    pub(crate) duration_seconds: i32,
    pub(crate) completion: &'a Completion,
    pub(crate) event: &'a Body,
    pub(crate) keyed: Keyed<'a>,
    pub(crate) traceparent: Option<&'a str>,
}

/// Completes a match that is in progress and returns when it ended; `None` when it is not in progress any more.
pub(crate) async fn complete(
    database: &Database,
    row: &CompleteRow<'_>,
) -> Result<Option<Timestamp>, StorageError> {
    let column =
        |of: fn(&PlayerResult) -> i64| -> Vec<i64> { row.completion.results.iter().map(of).collect() };
    let count =
        |of: fn(&PlayerResult) -> i32| -> Vec<i32> { row.completion.results.iter().map(of).collect() };
    let (players, scores) = (column(|r| r.player_id.get()), column(|r| r.score));
    let (kills, deaths, points) = (count(|r| r.kills), count(|r| r.deaths), column(|r| r.points));
    let (key, fingerprint) = row.keyed.columns();
    let payload = row.event.to_payload();
    let ended = database
        .query_opt(
            &COMPLETE,
            &[
                &row.id.get(),
                &row.winner_id.get(),
                &row.duration_seconds,
                &key,
                &fingerprint,
                &players,
                &scores,
                &kills,
                &deaths,
                &points,
                &payload,
                &row.traceparent,
            ],
        )
        .await?;
    Ok(ended.map(|row| row.get(0)))
}

/// The end of a match by a crash: `$which` selects `id`, `cause` and `message` of those that crash, and locks them.
macro_rules! crash {
    ($which:literal, $key:literal, $fingerprint:literal, $traceparent:literal) => {
        concat!(
            "with lost as (",
            $which,
            "),
             ended as (
               update match.matches m
               set status = 'crashed', end_time = now(), crash_cause = lost.cause, error_message = lost.message,
                   duration_seconds = least(extract(epoch from now() - m.start_time), 2147483647)::int,
                   end_key = ",
            $key,
            ", end_fingerprint = ",
            $fingerprint,
            " from lost where m.id = lost.id
               returning m.id, m.match_type, m.server_region, m.duration_seconds, m.crash_cause, m.error_message),
             left_behind as (
               update match.match_participants p set left_at = now() from ended where p.match_id = ended.id),
             told as (
               insert into match.outbox (kind, payload, traceparent)
               select 'match_crashed', json_build_object('match_id', id, 'match_type', match_type, 'server_region',
                      server_region, 'cause', crash_cause, 'error_message', error_message, 'duration_seconds',
                      duration_seconds, 'player_ids', array(select p.player_id from match.match_participants p
                      where p.match_id = ended.id order by p.player_id)), ",
            $traceparent,
            " from ended)
             select id, match_type from ended"
        )
    };
}

static CRASH: Statement = Statement::new(
    "crash_match",
    "UPDATE",
    "matches",
    crash!(
        "select id, 'reported' as cause, $2::text as message from match.matches
         where id = $1 and status = 'in_progress' for update",
        "$3",
        "$4",
        "$5"
    ),
);

/// Crashes a match that is in progress; `None` when there is no such match or it is not in progress.
pub(crate) async fn crash(
    database: &Database,
    id: MatchId,
    error_message: &str,
    keyed: Keyed<'_>,
    traceparent: Option<&str>,
) -> Result<Option<Crashed>, StorageError> {
    let (key, fingerprint) = keyed.columns();
    let row =
        database.query_opt(&CRASH, &[&id.get(), &error_message, &key, &fingerprint, &traceparent]).await?;
    row.as_ref().map(crashed).transpose()
}

static CRASH_LOST: Statement = Statement::new(
    "crash_lost_matches",
    "UPDATE",
    "matches",
    crash!(
        "select id, case when last_heartbeat is null then 'expired' else 'heartbeat_lost' end as cause,
                case when last_heartbeat is null then 'the match outlived its longest life'
                     else 'heartbeats stopped' end as message
         from match.matches
         where status = 'in_progress'
           and (last_heartbeat < now() - make_interval(secs => $1)
                or last_heartbeat is null and start_time < now() - make_interval(secs => $2))
         order by start_time limit 500 for update skip locked",
        "null",
        "null",
        "null"
    ),
);

/// Crashes matches whose heartbeats stopped, and those that never had one and are over-old; at most 500 at once.
pub(crate) async fn crash_lost(
    database: &Database,
    heartbeat_timeout: Duration,
    match_ttl: Duration,
) -> Result<Vec<Crashed>, StorageError> {
    let rows =
        database.query(&CRASH_LOST, &[&heartbeat_timeout.as_secs_f64(), &match_ttl.as_secs_f64()]).await?;
    rows.iter().map(crashed).collect()
}

static HEARTBEAT: Statement = Statement::new(
    "heartbeat",
    "UPDATE",
    "matches",
    "update match.matches set last_heartbeat = now() where id = $1 and status = 'in_progress'",
);

/// Takes a heartbeat; whether there is such a match in progress.
pub(crate) async fn heartbeat(database: &Database, id: MatchId) -> Result<bool, StorageError> {
    Ok(database.execute(&HEARTBEAT, &[&id.get()]).await? == 1)
}

static COUNT_IN_PROGRESS: Statement = Statement::new(
    "count_matches_in_progress",
    "SELECT",
    "matches",
    "select count(*) from match.matches where status = 'in_progress'",
);

/// How many matches are in progress.
pub(crate) async fn count_in_progress(database: &Database) -> Result<i64, StorageError> {
    Ok(database.query_one(&COUNT_IN_PROGRESS, &[]).await?.get(0))
}

static OF_PLAYER: Statement = Statement::new(
    "matches_of_player",
    "SELECT",
    "match_participants",
    concat!(
        "select ",
        columns!(),
        " from match.match_participants p join match.matches m on m.id = p.match_id
         where p.player_id = $1 and ($2::bigint = 0 or p.match_id < $2) order by p.match_id desc limit $3"
    ),
);

/// A page of a player's matches, newest first; `before` 0 for the newest.
pub(crate) async fn of_player(
    database: &Database,
    player: PlayerId,
    before: i64,
    limit: i64,
) -> Result<Vec<MatchRow>, StorageError> {
    database.query(&OF_PLAYER, &[&player.get(), &before, &limit]).await?.iter().map(match_row).collect()
}

fn match_row(row: &Row) -> Result<MatchRow, StorageError> {
    Ok(MatchRow {
        id: MatchId(row.get(0)),
        match_type: word(row, 1)?,
        status: word(row, 2)?,
        server_region: row.get(3),
        start_time: row.get(4),
        end_time: row.get(5),
        winner_id: row.get(6),
        duration_seconds: row.get(7),
        error_message: row.get(8),
        end_key: row.get(9),
        end_fingerprint: row.get(10),
    })
}

fn crashed(row: &Row) -> Result<Crashed, StorageError> {
    Ok(Crashed { id: MatchId(row.get(0)), match_type: word(row, 1)? })
}

/// A column that holds a word of a closed vocabulary.
fn word<W>(row: &Row, column: usize) -> Result<W, StorageError>
where
    W: std::str::FromStr<Err = battlearena_proto::UnknownWord>,
{
    row.get::<_, &str>(column).parse().map_err(|error: W::Err| StorageError::Other(Box::new(error)))
}
