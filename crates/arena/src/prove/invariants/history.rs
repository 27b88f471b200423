//! The stored history of the chat: what a client reads back in offsets. What clients got is in the simulator's books.

use battlearena_storage::Database;

use super::{Line, lines, schemas_with};

/// Each room's messages are numbered from 1 to its last one, and none is stored twice. `None` without a chat.
pub(super) async fn dense(database: &Database) -> anyhow::Result<Option<Vec<Line>>> {
    if !schemas_with(database, "rooms").await?.contains(&"socket".to_owned()) {
        return Ok(None);
    }
    lines(database, QUERY).await.map(Some)
}

const QUERY: &str = "
    with stored as (select room_id, count(*) as messages, count(distinct message_offset) as offsets,
                           min(message_offset) as first, max(message_offset) as last
                    from socket.messages group by 1)
    select 'chat: messages', (select count(*) from socket.messages),
           (select coalesce(sum(last_offset), 0) from socket.rooms)
    union all
    select 'chat: rooms with a gap', count(*), 0
    from socket.rooms left join stored using (room_id)
    where (coalesce(messages, 0), coalesce(offsets, 0), coalesce(last, 0)) <> (last_offset, last_offset, last_offset)
       or first <> 1
    union all
    select 'chat: messages that are stored twice', count(*), 0
    from (select from socket.messages group by room_id, player_id, client_id having count(*) > 1) as doubled";
