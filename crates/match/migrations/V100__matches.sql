-- Matches and who played in them. Updated a few times in their life (heartbeats, the end), hence room on each page for
-- HOT updates.
create table matches (
  id                bigint      generated always as identity,
  match_type        text        not null,
  status            text        not null default 'in_progress',
  server_region     text        not null,
  start_time        timestamptz not null default now(),
  last_heartbeat    timestamptz,
  end_time          timestamptz,
  winner_id         bigint,
  duration_seconds  integer,
  crash_cause       text,
  error_message     text        not null default '',
  -- The keys of the requests that started and ended the match, and what those asked for: a retry gets the first answer
  -- for as long as the match is kept.
  start_key         text,
  start_fingerprint bigint,
  end_key           text,
  end_fingerprint   bigint,
  constraint matches_pkey primary key (id),
  constraint matches_status check (status in ('in_progress', 'completed', 'crashed')),
  constraint matches_end_time check ((status = 'in_progress') = (end_time is null)),
  constraint matches_winner check ((status = 'completed') = (winner_id is not null))
) with (fillfactor = 85);

create unique index matches_start_key on matches (start_key) where start_key is not null;

-- For the gauge of matches in progress and for the reaper; small, because matches leave it when they end.
create index matches_in_progress on matches (start_time) where status = 'in_progress';

create table match_participants (
  match_id  bigint      not null,
  player_id bigint      not null,
  score     bigint      not null default 0,
  kills     integer     not null default 0,
  deaths    integer     not null default 0,
  points    bigint      not null default 0,
  joined_at timestamptz not null default now(),
  left_at   timestamptz,
  constraint match_participants_pkey primary key (match_id, player_id),
  constraint match_participants_match_fkey foreign key (match_id) references matches (id)
) with (fillfactor = 85);

-- A player's matches, newest first.
create index match_participants_player on match_participants (player_id, match_id desc);
