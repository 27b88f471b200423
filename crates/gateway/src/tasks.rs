//! Background loops of the gateway's own: each is named, stops when it is told to, and is waited for.

mod doors;
mod points;
mod sessions;

pub(crate) use doors::{learn_revoked, reload_keys, tell_refusals};
pub use points::POINTS;
pub(crate) use points::follow_points;
pub(crate) use sessions::keep_sessions;
