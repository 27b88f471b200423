-- Rooms. The epoch says that offsets mean the same as before; a writer holds the row's lock from reading last_offset
-- until commit, so that offsets are dense and in the order of commits.
create table rooms (
  room_id     bigint      generated always as identity,
  name        text        not null,
  epoch       text        not null default substr(md5(gen_random_uuid()::text), 1, 16),
  last_offset bigint      not null default 0,
  created_at  timestamptz not null default now(),
  constraint rooms_pkey primary key (room_id),
  constraint rooms_name_key unique (name)
) with (fillfactor = 50);

-- What was said, partitioned by the day on which it was stored. client_id makes a repeated send recognisable; a unique
-- constraint would have to contain the day, so the lock on the room guards it.
create table messages (
  room_id        bigint      not null,
  message_offset bigint      not null,
  player_id      bigint      not null,
  username       text        not null,
  text           text        not null,
  client_id      text        not null,
  created_at     timestamptz not null default statement_timestamp()
) partition by range (created_at);

create index messages_offset on messages (room_id, message_offset);
create index messages_client_id on messages (room_id, player_id, client_id);

-- The epoch of the feed: its offsets are those of the event log in the same database.
create table feed (
  only_row boolean not null default true,
  epoch    text    not null default substr(md5(gen_random_uuid()::text), 1, 16),
  constraint feed_pkey primary key (only_row),
  constraint feed_only_row check (only_row)
);
insert into feed default values;
