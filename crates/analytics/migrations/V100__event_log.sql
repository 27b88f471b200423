-- The event log. One row says where it ends: appending takes its lock until commit, so that offsets are dense and their
-- order is the order of commits, and readers may keep a high-water mark.
create table log_head (
  only_row        boolean not null default true,
  last_offset     bigint  not null default 0,
  -- Events up to here were dropped with their days.
  trimmed_through bigint  not null default 0,
  constraint log_head_pkey primary key (only_row),
  constraint log_head_only_row check (only_row)
);
insert into log_head default values;

-- How far the log has taken over each producer's outbox, moved in the transaction that stores the events: what comes a
-- second time is known by its position.
create table sources (
  name        text   not null,
  incarnation bigint not null,
  xid         bigint not null,
  seq         bigint not null,
  constraint sources_pkey primary key (name)
);

-- Events, partitioned by the day on which they were stored. `event_type` is the kind of a platform event, whose payload
-- is `metadata`; source 'api' has free event types. json, not jsonb: kept as it was sent, and cheaper to store.
create table system_events (
  log_offset  bigint      not null,
  source      text        not null,
  event_type  text        not null,
  severity    text        not null,
  message     text        not null,
  metadata    json        not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default statement_timestamp(),
  traceparent text
) partition by range (recorded_at);

create index system_events_offset on system_events (log_offset);
