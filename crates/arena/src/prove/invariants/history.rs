//! The history of the chat: what every client heard against what was said, by the simulator's books, and what is stored.

use battlearena_storage::Database;

use super::{Line, lines, schemas_with};
use crate::prove::traffic::{Books, Total};

/// What the simulator's rows about the chat begin with. They are no totals of analytics: chat is no event.
const OF_THE_CHAT: [&str; 4] = ["chat ", "rooms ", "listeners ", "feed "];

/// Whether a row of the simulator's books is about the chat.
pub(super) fn is_of_the_chat(total: &Total) -> bool {
    OF_THE_CHAT.iter().any(|begin| total.name.starts_with(begin))
}

/// Every client heard its rooms without a gap and without a double; each room's messages are numbered from 1 to its last
/// one, and none is stored twice. `None` without a chat.
pub(super) async fn without_gaps(database: &Database, books: &Books) -> anyhow::Result<Option<Vec<Line>>> {
    if !schemas_with(database, "rooms").await?.contains(&"socket".to_owned()) {
        return Ok(None);
    }
    let heard = books.check.totals.iter().filter(|total| is_of_the_chat(total));
    let mut found: Vec<Line> = heard
        .map(|Total { name, at_least, at_most, grown }| Line {
            what: name.clone(),
            found: *grown,
            at_least: *at_least,
            at_most: *at_most,
        })
        .collect();
    found.extend(lines(database, QUERY).await?);
    Ok(Some(found))
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
