//! The gateway from outside: over HTTP, on a real PostgreSQL, with the real match service and analytics beside it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helps a test may fail as a test does; clippy.toml allows it in test functions only"
)]

mod chat;
mod documents;
mod drain;
mod edge;
mod hang_up;
mod idempotency;
mod matches;
mod outage;
mod players;
mod points;
mod statistics;
mod support;
mod system_events;
mod transactions;
