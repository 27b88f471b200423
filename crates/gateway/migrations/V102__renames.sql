-- Which of a player's names it is: the one that was registered is 0. Whoever hears of two renames in another order than
-- they happened keeps the higher.
alter table players add column name_version integer not null default 0;

-- A deleted account's name is taken out of what was told of it, renames too.
drop index outbox_personal;
create index outbox_personal on outbox ((payload ->> 'player_id'))
  where kind in ('player_registered', 'player_renamed', 'player_sanctioned');
