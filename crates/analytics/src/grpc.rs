//! The gRPC faces: decode → call a use case → encode.

mod analytics;
mod event_log;

pub(crate) use event_log::EventLogRpc;
