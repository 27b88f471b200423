-- The tables that the event and idempotency mechanism needs in every service's schema. Runs with the schema as
-- search_path. Partitions are made by the service itself (partitions.rs), days ahead.

-- Events that the service has to tell. Rows are written in the transaction of the change and never updated; the relay
-- reads them in the order (xid, seq), and delivered days are dropped whole. (Finding the partition costs a telling
-- statement some 3 µs of 55; deleting rows, and the vacuum after it, would cost more.) No identity column: PostgreSQL
-- before 17 has none on partitioned tables. No primary key: nothing looks a row up by anything but its place in the order.
create sequence outbox_seq as bigint;

create table outbox (
  xid         bigint      not null default pg_current_xact_id()::text::bigint,
  seq         bigint      not null default nextval('outbox_seq'),
  created_at  timestamptz not null default now(),
  kind        text        not null,
  payload     json        not null,
  traceparent text
) partition by range (created_at);

create index outbox_order on outbox (xid, seq);

-- Counts the lives of the outbox: transaction ids begin anew when a database is restored into another cluster, which
-- shows in the cluster's identity.
create table outbox_incarnation (
  only_row          boolean not null default true,
  incarnation       bigint  not null,
  system_identifier bigint  not null,
  constraint outbox_incarnation_pkey primary key (only_row),
  constraint outbox_incarnation_only_row check (only_row)
);
insert into outbox_incarnation (incarnation, system_identifier) select 1, system_identifier from pg_control_system();

-- How far each consumer of this schema has applied the event log, changed in the transaction of the effect. A consumer
-- that was asked to rebuild starts over.
create table consumers (
  name              text    not null,
  log_offset        bigint  not null,
  rebuild_requested boolean not null default false,
  constraint consumers_pkey primary key (name)
);

-- Events that could not be told (queue 'outbox') or applied (queue: the consumer's name) after several tries.
create table dead_letters (
  id               bigint      generated always as identity,
  queue            text        not null,
  position         text        not null,
  kind             text        not null,
  payload          text        not null,
  traceparent      text,
  occurred_at      timestamptz not null,
  error            text        not null,
  dead_since       timestamptz not null default now(),
  replay_requested boolean     not null default false,
  constraint dead_letters_pkey primary key (id),
  constraint dead_letters_position_key unique (queue, position)
);

-- First answers of requests with an idempotency key, where no row of the service carries the key for good. The
-- partition key cannot be part of a useful unique constraint, so writers take an advisory lock on (scope, key) first.
create table idempotency (
  scope       text        not null,
  key         text        not null,
  fingerprint bigint      not null,
  answer      json        not null,
  created_at  timestamptz not null default now()
) partition by range (created_at);

create index idempotency_key on idempotency (scope, key);
