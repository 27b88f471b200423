//! Events on their way: from a schema's outbox (`relay`) into the log, and from the log into effects (`consumer`). What
//! cannot go on its way after several tries waits among the `dead_letters`.

pub mod dead_letters;

mod consumer;
mod outbox;
mod queue;
mod relay;
mod retry;
mod spans;

pub use consumer::{ApplyError, Consumer, Projection, request_rebuild, stored_offset};
pub use outbox::{Outbox, OutboxRow};
pub use queue::QueueMetrics;
pub use relay::{Relay, RelaySettings};
pub use retry::Backoff;
