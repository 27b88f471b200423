//! Background loops: named, stoppable, waited for.

pub(crate) mod blocks;
pub(crate) mod feed;
pub(crate) mod heartbeat;
pub(crate) mod moderation;
pub(crate) mod passes;
pub(crate) mod retention;
pub(crate) mod seen;
