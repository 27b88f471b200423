//! Table `messages`: what was said.

use battlearena_storage::{Database, Row, Session, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::Said;

pub(crate) static ALL: &[&Statement] = &[&STORE, &NEWEST, &BETWEEN];

/// A message to be stored.
pub(crate) struct NewMessage<'a> {
    pub(crate) room_id: i64,
    pub(crate) player_id: i64,
    pub(crate) username: &'a str,
    pub(crate) text: &'a str,
    pub(crate) client_id: &'a str,
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
     fresh as (
       select s.*, r.last_offset + row_number() over (partition by s.room_id order by s.place) as message_offset
       from sent s join locked r on r.room_id = s.room_id
       where not exists (select from prior p where p.place = s.place)),
     stored as (
       insert into socket.messages (room_id, message_offset, player_id, username, text, client_id)
       select room_id, message_offset, player_id, username, text, client_id from fresh),
     moved as (
       update socket.rooms r set last_offset = f.newest
       from (select room_id, max(message_offset) as newest from fresh group by room_id) f
       where r.room_id = f.room_id)
     select place, message_offset, statement_timestamp(), true from fresh
     union all select place, message_offset, created_at, false from prior
     order by place",
);

/// Stores messages at the next offsets of their rooms, but for those that were stored in the last 24 hours. No message may
/// be there twice. Returns where each stands, in the order of the messages.
///
/// `None`, and nothing stored, when another process wrote into one of the rooms while the statement waited for it: what
/// the statement saw of the messages is then older than its lock. With the rooms locked before, that cannot happen.
pub(crate) async fn store(
    session: Session<'_>,
    messages: &[NewMessage<'_>],
) -> Result<Option<Vec<Stored>>, StorageError> {
    let rooms: Vec<i64> = messages.iter().map(|message| message.room_id).collect();
    let players: Vec<i64> = messages.iter().map(|message| message.player_id).collect();
    let text = |of: for<'a> fn(&NewMessage<'a>) -> &'a str| messages.iter().map(of).collect::<Vec<_>>();
    let (usernames, texts) = (text(|message| message.username), text(|message| message.text));
    let client_ids = text(|message| message.client_id);
    let rows = session.query(&STORE, &[&rooms, &players, &usernames, &texts, &client_ids]).await?;
    let stored = |row: &Row| Stored { offset: row.get(1), timestamp: row.get(2), is_new: row.get(3) };
    Ok((rows.len() == messages.len()).then(|| rows.iter().map(stored).collect()))
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
    select!("where room_id = $1 and message_offset <= $2 order by message_offset desc limit $3"),
);

/// The newest messages of a room up to an offset, oldest first.
pub(crate) async fn newest(
    database: &Database,
    room_id: i64,
    through: i64,
    limit: i64,
) -> Result<Vec<Said>, StorageError> {
    let rows = database.query(&NEWEST, &[&room_id, &through, &limit]).await?;
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
