//! Background loops.

pub(crate) mod reaper;
