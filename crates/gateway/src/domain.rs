//! The rules of accounts, purchases and the fields of a request. Pure: no IO, no clock, no randomness, no transport.

pub(crate) mod catalogue;
pub(crate) mod game;
pub(crate) mod money;
pub(crate) mod page;
pub(crate) mod payment;
pub(crate) mod player;
pub(crate) mod purchase;
pub(crate) mod sanction;
pub(crate) mod session;
pub(crate) mod system_event;
pub(crate) mod text;
