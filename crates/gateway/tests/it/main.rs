//! The gateway from outside: over HTTP, on a real PostgreSQL, with the real match service and analytics beside it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helps a test may fail as a test does; clippy.toml allows it in test functions only"
)]

mod account;
mod admin;
mod api_keys;
mod brute_force;
mod chat;
mod deletion;
mod devices;
mod documents;
mod drain;
mod edge;
mod hang_up;
mod headers;
mod idempotency;
mod log_in;
mod matches;
mod moderation;
mod outage;
mod players;
mod points;
mod sessions;
mod statistics;
mod support;
mod system_events;
mod tls;
mod transactions;
