#!/usr/bin/env bash
# Runs once, when the folder of the data is empty. The platform owns its database and nothing else; whoever only looks
# (postgres-exporter) has a role of its own. psql reads the passwords from their files: they are in no command line.
set -euo pipefail

# The server logs a statement that fails, and these have a password in them.
export PGOPTIONS='-c log_min_error_statement=panic'
psql --username "${POSTGRES_USER:-postgres}" --dbname postgres --quiet --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
\set owner_password `cat /run/secrets/database-owner-password`
\set monitor_password `cat /run/secrets/database-monitor-password`
create role battlearena login password :'owner_password';
create role monitoring login password :'monitor_password' connection limit 5;
grant pg_monitor to monitoring;
create database battlearena owner battlearena;
revoke connect on database battlearena from public;
grant connect on database battlearena to monitoring;
\connect battlearena
create extension pg_stat_statements;
SQL
