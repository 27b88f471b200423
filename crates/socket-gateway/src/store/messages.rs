//! Table `messages`: what was said.

use battlearena_storage::{Database, Row, Session, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::Said;

pub(crate) static ALL: &[&Statement] = &[&STORE, &NEWEST, &BETWEEN, &OF_AUTHOR, &FORGET];

/// A message to be stored.
pub(crate) struct NewMessage<'a> {
    pub(crate) room_id: i64,
    pub(crate) player_id: i64,
    pub(crate) username: &'a str,
    pub(crate) text: &'a str,
    pub(crate) client_id: &'a str,
}

/// What became of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Stored(Stored),
    /// Its author must not speak: until a time, or for good.
    Muted {
        until: Option<Timestamp>,
    },
}

/// Where a message stands: now, or since it was sent the first time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) offset: i64,
    pub(crate) timestamp: Timestamp,
    pub(crate) is_new: bool,
}

static STORE: Statement = Statement::new(
    "store_messages",
    "INSERT",
    "messages",
    "with locked as (
       select room_id, last_offset from socket.rooms where room_id = any($1) order by room_id for update),
     settled as (
       select not exists (
         select from locked l join socket.rooms r on r.room_id = l.room_id where r.last_offset <> l.last_offset) as ok),
     sent as (
       select room_id, player_id, username, text, client_id, place
       from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[]) with ordinality
            as s(room_id, player_id, username, text, client_id, place), settled
       where settled.ok),
     prior as (
       select s.place, m.message_offset, m.created_at
       from sent s cross join lateral (
         select message_offset, created_at from socket.messages
         where room_id = s.room_id and player_id = s.player_id and client_id = s.client_id
           and created_at > now() - interval '24 hours'
         limit 1) m),
     muted as (
       select s.place, m.until
       from sent s join socket.mutes m on m.player_id = s.player_id
       where (m.until is null or m.until > statement_timestamp())
         and not exists (select from prior p where p.place = s.place)),
     fresh as (
       select s.*, r.last_offset + row_number() over (partition by s.room_id order by s.place) as message_offset
       from sent s join locked r on r.room_id = s.room_id
       where not exists (select from prior p where p.place = s.place)
         and not exists (select from muted m where m.place = s.place)),
     stored as (
       insert into socket.messages (room_id, message_offset, player_id, username, text, client_id)
       select room_id, message_offset, player_id, username, text, client_id from fresh),
     moved as (
       update socket.rooms r set last_offset = f.newest
       from (select room_id, max(message_offset) as newest from fresh group by room_id) f
       where r.room_id = f.room_id)
     select place, message_offset, statement_timestamp(), true from fresh
     union all select place, message_offset, created_at, false from prior
     union all select place, null, until, false from muted
     order by place",
);

/// Stores messages at the next offsets of their rooms, but for those that were stored in the last 24 hours, and those of
/// players who are muted. No message may be there twice. Returns what became of each, in the order of the messages.
///
/// `None`, and nothing stored, when another process wrote into one of the rooms while the statement waited for it: what
/// the statement saw of the messages is then older than its lock. With the rooms locked before, that cannot happen.
pub(crate) async fn store(
    session: Session<'_>,
    messages: &[NewMessage<'_>],
) -> Result<Option<Vec<Outcome>>, StorageError> {
    let rooms: Vec<i64> = messages.iter().map(|message| message.room_id).collect();
    let players: Vec<i64> = messages.iter().map(|message| message.player_id).collect();
    let text = |of: for<'a> fn(&NewMessage<'a>) -> &'a str| messages.iter().map(of).collect::<Vec<_>>();
    let (usernames, texts) = (text(|message| message.username), text(|message| message.text));
    let client_ids = text(|message| message.client_id);
    let rows = session.query(&STORE, &[&rooms, &players, &usernames, &texts, &client_ids]).await?;
    Ok((rows.len() == messages.len()).then(|| rows.iter().map(outcome).collect()))
}

fn outcome(row: &Row) -> Outcome {
    match row.get(1) {
        Some(offset) => Outcome::Stored(Stored { offset, timestamp: row.get(2), is_new: row.get(3) }),
        None => Outcome::Muted { until: row.get(2) },
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select message_offset, player_id, username, text, client_id, created_at from socket.messages ",
            $rest
        )
    };
}

static NEWEST: Statement = Statement::new(
    "newest_messages",
    "SELECT",
    "messages",
    select!(
        "where room_id = $1 and message_offset <= $2 and player_id <> all($3)
         order by message_offset desc limit $4"
    ),
);

/// The newest messages of a room up to an offset, oldest first, but for those of some players.
pub(crate) async fn newest(
    database: &Database,
    room_id: i64,
    through: i64,
    without: &[i64],
    limit: i64,
) -> Result<Vec<Said>, StorageError> {
    let rows = database.query(&NEWEST, &[&room_id, &through, &without, &limit]).await?;
    Ok(rows.iter().rev().map(said).collect())
}

static BETWEEN: Statement = Statement::new(
    "messages_after",
    "SELECT",
    "messages",
    select!("where room_id = $1 and message_offset > $2 order by message_offset limit $3"),
);

/// The next messages of a room after an offset.
pub(crate) async fn after(
    database: &Database,
    room_id: i64,
    offset: i64,
    limit: i64,
) -> Result<Vec<Said>, StorageError> {
    Ok(database.query(&BETWEEN, &[&room_id, &offset, &limit]).await?.iter().map(said).collect())
}

static OF_AUTHOR: Statement = Statement::new(
    "messages_of_player",
    "SELECT",
    "messages",
    "select m.message_offset, m.player_id, m.username, m.text, m.client_id, m.created_at, r.name
     from socket.messages m join socket.rooms r on r.room_id = m.room_id
     where m.player_id = $1 order by m.created_at desc, m.room_id, m.message_offset desc limit $2",
);

/// The newest messages of a player, newest first, each with the name of its room.
pub(crate) async fn of_author(
    database: &Database,
    player_id: i64,
    limit: i64,
) -> Result<Vec<(String, Said)>, StorageError> {
    let rows = database.query(&OF_AUTHOR, &[&player_id, &limit]).await?;
    Ok(rows.iter().map(|row| (row.get(6), said(row))).collect())
}

static FORGET: Statement = Statement::new(
    "forget_authors",
    "UPDATE",
    "messages",
    "update socket.messages set username = 'deleted-' || player_id
     where player_id = any($1) and username <> 'deleted-' || player_id",
);

/// Takes the names of players off their messages.
pub(crate) async fn forget_authors(session: Session<'_>, player_ids: &[i64]) -> Result<(), StorageError> {
    session.execute(&FORGET, &[&player_ids]).await.map(drop)
}

fn said(row: &Row) -> Said {
    Said {
        offset: row.get(0),
        player_id: row.get(1),
        username: row.get(2),
        text: row.get(3),
        client_id: row.get(4),
        timestamp: row.get(5),
        traceparent: None,
    }
}
