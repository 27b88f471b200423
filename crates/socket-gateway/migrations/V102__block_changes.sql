-- Who has lately blocked or unblocked somebody: the other replicas look here, and read the list of whoever is connected
-- to them again.
create table block_changes (
  player_id  bigint      not null,
  changed_at timestamptz not null,
  constraint block_changes_pkey primary key (player_id)
);

create index block_changes_changed_at on block_changes (changed_at);
