//! The match service as game servers see it: over gRPC, on a real PostgreSQL, with a real event log behind it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod door;
mod life;
mod support;
