//! The HTTP API: decode, call a use case, encode. Which routes there are stands in `routes`; what each takes and gives
//! stands beside its handler, from which the document is made.

mod body;
mod caller;
mod chat;
mod document;
mod match_views;
mod matches;
mod pages;
mod parameters;
mod players;
mod routes;
mod statistics;
mod system_events;
mod transactions;

pub(crate) use routes::{Services, serve, table};
