-- A device has a number, by which its player names it once the secret is lost.
alter table devices add column id bigint generated always as identity (cache 1);
alter table devices add constraint devices_id_key unique (id);

-- From which token a refresh made this one; null for the first of a session. A token has at most two: the second is for
-- a refresh whose answer was lost. Whichever of them is used first is the session's, and the other is a copy.
alter table refresh_tokens add column parent bytea;
create index refresh_tokens_parent on refresh_tokens (parent) where parent is not null;

-- Used tokens stay as long as their session, so that a reuse is noticed however late it comes.
drop index refresh_tokens_used;
