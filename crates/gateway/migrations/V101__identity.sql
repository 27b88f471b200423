-- Who may come in: credentials, devices, sessions with their refresh tokens, API keys, and sanctions. Secrets are stored
-- as hashes alone. Rows that refer to players have no foreign key where a log-in writes them: its statement takes the id
-- from the player's row, players are never deleted, and checking the key again would cost as much as the insert.

-- Passwords as PHC strings (Argon2id). A player without a row has none.
create table credentials (
  player_id     bigint      not null,
  password_hash text        not null,
  changed_at    timestamptz not null default now(),
  constraint credentials_pkey primary key (player_id),
  constraint credentials_player_id_fkey foreign key (player_id) references players (id)
);

-- Devices by the SHA-256 of their secret.
create table devices (
  device_hash bytea       not null,
  player_id   bigint      not null,
  linked_at   timestamptz not null default now(),
  constraint devices_pkey primary key (device_hash),
  constraint devices_player_id_fkey foreign key (player_id) references players (id)
);

create index devices_player on devices (player_id);

-- One log-in on one device. Each refresh moves `last_used_at` and `expires_at`, so that neither may be indexed (HOT).
create table sessions (
  id             bigint      generated always as identity (cache 1),
  player_id      bigint      not null,
  -- By which device it was opened, so that it ends when the device is unlinked; null for a password.
  device_hash    bytea,
  created_at     timestamptz not null default now(),
  last_used_at   timestamptz not null default now(),
  expires_at     timestamptz not null,
  revoked_at     timestamptz,
  revoked_reason text,
  constraint sessions_pkey primary key (id),
  constraint sessions_revoked_check check ((revoked_at is null) = (revoked_reason is null)),
  constraint sessions_reason_check check (revoked_reason in
    ('logged_out', 'refresh_reused', 'password_changed', 'device_unlinked', 'banned', 'deleted'))
) with (fillfactor = 90);

create index sessions_player on sessions (player_id);

-- What a gateway that starts has to refuse at once.
create index sessions_revoked on sessions (revoked_at) where revoked_at is not null;

-- Refresh tokens by their SHA-256. A used one is kept for a while, so that its reuse is noticed.
create table refresh_tokens (
  hash       bytea       not null,
  session_id bigint      not null,
  issued_at  timestamptz not null default now(),
  used_at    timestamptz,
  constraint refresh_tokens_pkey primary key (hash)
) with (fillfactor = 90);

create index refresh_tokens_session on refresh_tokens (session_id);

-- Those that are to be forgotten some day. A log-in adds nothing to it.
create index refresh_tokens_used on refresh_tokens (used_at) where used_at is not null;

-- Keys of game servers and operators.
create table api_keys (
  id           text        not null,
  role         text        not null,
  name         text        not null,
  scopes       text[]      not null,
  secret_hash  bytea       not null,
  created_at   timestamptz not null default now(),
  -- The account of the operating system, or the key, that made it.
  created_by   text        not null,
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz,
  constraint api_keys_pkey primary key (id),
  constraint api_keys_role_check check (role in ('game_server', 'operator')),
  constraint api_keys_name_check check (char_length(name) between 1 and 100)
);

-- Addresses from which a player entered by password, as SHA-256 of id and address: guessing from elsewhere does not lock
-- the owner out.
create table known_addresses (
  player_id    bigint      not null,
  address_hash bytea       not null,
  seen_at      timestamptz not null default now(),
  constraint known_addresses_pkey primary key (player_id, address_hash)
);

-- Bans and mutes. One is in force until it is lifted or its time is over; null is for ever.
create table sanctions (
  id         bigint      generated always as identity,
  player_id  bigint      not null,
  kind       text        not null,
  reason     text        not null,
  -- The key that did it.
  created_by text        not null,
  created_at timestamptz not null default now(),
  until      timestamptz,
  lifted_at  timestamptz,
  lifted_by  text,
  constraint sanctions_pkey primary key (id),
  constraint sanctions_player_id_fkey foreign key (player_id) references players (id),
  constraint sanctions_kind_check check (kind in ('ban', 'mute')),
  constraint sanctions_lifted_check check ((lifted_at is null) = (lifted_by is null))
);

create index sanctions_player on sanctions (player_id, id desc);

create index sanctions_in_force on sanctions (player_id, kind) where lifted_at is null;

-- A deleted account's name and the reasons of its sanctions are taken out of what was told of them, as far as it is still
-- here.
create index outbox_personal on outbox ((payload ->> 'player_id')) where kind in ('player_registered', 'player_sanctioned');
