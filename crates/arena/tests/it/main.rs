//! The real `arena` program, from outside: what it prints, how it ends, and what it leaves behind (nothing).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod brute_force;
mod budget;
mod canary;
mod chaos;
mod contract;
mod cross_signal;
mod door;
mod drain;
mod exposition;
mod flush;
mod forged_tokens;
mod health;
mod how_to;
mod keys;
mod log_hygiene;
mod platform;
mod prometheus;
mod promises;
mod role_matrix;
mod roles_doc;
mod scrape;
mod secrets;
mod sessions;
mod span_tree;
mod stage;
mod start;
mod tls;
mod traces;
mod up;
mod witness;
