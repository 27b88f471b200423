//! The socket-gateway as clients see it: over WebSocket, HTTP and gRPC, on a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helps a test may fail as a test does; clippy.toml allows it in test functions only"
)]

mod admin;
mod chat;
mod crowd;
mod drain;
mod feed;
mod handshake;
mod log;
mod moderation;
mod protocol;
mod recovery;
mod spans;
mod support;
mod tokens;
