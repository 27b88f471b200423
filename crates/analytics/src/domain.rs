//! What events add up to. Pure: no IO, no clock, no SQL, no transport.

mod activity;
mod board;
mod changes;
mod system_event;

pub use board::{Board, PlayerChange};

pub(crate) use activity::Purchases;
pub(crate) use board::{Place, forgotten_name};
pub(crate) use changes::{Changes, Count, Counted};
pub(crate) use system_event::{check_system_event, severity};
