//! Background loops of the gateway's own: each is named, stops when it is told to, and is waited for.

mod points;

pub use points::POINTS;
pub(crate) use points::follow_points;
