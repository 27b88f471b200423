-- An account that is deleted takes its name out of the log: this finds its registration. Source 'api' has event types of
-- its own.
create index system_events_registration on system_events ((metadata ->> 'player_id'))
  where event_type = 'player_registered' and source <> 'api';
