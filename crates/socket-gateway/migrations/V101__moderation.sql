-- Who must not speak, as the event log has it; the reasons are with the gateway. An end that is null never comes. A mute
-- that is over stays until it is lifted or replaced: it says nothing any more, and there is one row a player at most.
create table mutes (
  player_id bigint      not null,
  until     timestamptz,
  constraint mutes_pkey primary key (player_id)
);

-- Whose messages a player does not want to see.
create table blocks (
  player_id  bigint      not null,
  blocked_id bigint      not null,
  created_at timestamptz not null default now(),
  constraint blocks_pkey primary key (player_id, blocked_id),
  constraint blocks_not_oneself check (player_id <> blocked_id)
);

-- For the account that is deleted: who had blocked it.
create index blocks_blocked_id on blocks (blocked_id);

-- The player first: a look for a repeated send names all three columns, and the messages of an account that is deleted
-- are found by the same index.
drop index messages_client_id;
create index messages_client_id on messages (player_id, room_id, client_id);
