//! The HTTP API: decode, call a use case, encode. Which routes there are stands in `routes`; what each takes and gives
//! stands beside its handler, from which the document is made.

mod account;
mod body;
mod chat;
mod client;
mod document;
mod export;
mod headers;
mod log_in;
mod match_views;
mod matches;
mod moderation;
mod pages;
mod parameters;
mod players;
mod routes;
mod statistics;
mod system_events;
mod tokens;
mod transactions;

pub(crate) use headers::cors;
pub(crate) use routes::{Services, serve, table};
