//! Background loops.

pub(crate) mod follower;
pub(crate) mod read_models;
pub(crate) mod refusals;
pub(crate) mod retention;
pub(crate) mod revocations;

/// Name of the consumer that keeps the read models; also the queue of its metrics and dead letters.
pub const READ_MODELS: &str = "read_models";
