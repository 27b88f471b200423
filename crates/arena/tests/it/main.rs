//! The real `arena` program, from outside: what it prints, how it ends, and what it leaves behind (nothing).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod chaos;
mod drain;
mod health;
mod platform;
mod prometheus;
mod start;
mod up;
