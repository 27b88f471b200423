//! The use cases that reach the database: sending and reading messages, and not wanting somebody's.

mod blocks;
mod history;
mod writer;

pub(crate) use blocks::{block, unblock};
pub(crate) use history::{Page, history};
pub(crate) use writer::{Draft, Writer};
