//! The use cases that reach the database: sending and reading messages.

mod history;
mod writer;

pub(crate) use history::{Page, history};
pub(crate) use writer::{Draft, Writer};
