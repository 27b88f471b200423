-- Everything that was ever counted. amount: cents for transactions, seconds of play for completed matches.
create table totals (
  kind   text   not null,
  type   text   not null,
  status text   not null,
  count  bigint not null,
  amount bigint not null,
  constraint totals_pkey primary key (kind, type, status)
) with (fillfactor = 50);

-- The same by day (UTC) on which it happened.
create table daily_totals (
  day    date   not null,
  kind   text   not null,
  type   text   not null,
  status text   not null,
  count  bigint not null,
  amount bigint not null,
  constraint daily_totals_pkey primary key (day, kind, type, status)
) with (fillfactor = 50);

-- Players as the log tells of them. The ranking lives in memory and is loaded from here. No index on what changes, so
-- that updates stay on their page.
create table players (
  player_id bigint      not null,
  username  text        not null,
  level     integer     not null,
  tier      text        not null,
  points    bigint      not null,
  last_seen timestamptz not null,
  constraint players_pkey primary key (player_id)
) with (fillfactor = 80);

-- The read models as of an offset, kept when days of the log are dropped: a rebuild starts here.
create table snapshot_totals (like totals including all);
create table snapshot_daily_totals (like daily_totals including all);
create table snapshot_players (like players including all);
create table snapshot_offset (
  only_row   boolean not null default true,
  log_offset bigint  not null default 0,
  constraint snapshot_offset_pkey primary key (only_row),
  constraint snapshot_offset_only_row check (only_row)
);
insert into snapshot_offset default values;
