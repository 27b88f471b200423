//! Analytics as its callers see it: over gRPC, on a real PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod door;
mod log;
mod names;
mod numbers;
mod operations;
mod relay;
mod spans;
mod support;
