-- Which of a player's names it is: the one that was registered is 0. An event that was overtaken by a later one changes
-- nothing; a name that was forgotten is the last.
alter table players add column name_version integer not null default 0;
alter table snapshot_players add column name_version integer not null default 0;

-- A name is taken out of renames too.
drop index system_events_registration;
create index system_events_names on system_events ((metadata ->> 'player_id'))
  where event_type in ('player_registered', 'player_renamed') and source <> 'api';
