//! The client against the real services in this process, and against servers that misbehave.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod game_server;
mod gateway;
mod misbehaving;
mod platform;
mod retries;
