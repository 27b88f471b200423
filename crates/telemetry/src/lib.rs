//! Logs, traces and metrics: their start and flush, and the instruments for HTTP, gRPC and SQL. Services name what
//! happened; no exporter, no header and no label text is handled anywhere else.

mod buckets;
mod failures;
pub mod grpc;
pub mod http;
mod logs;
pub mod metrics;
mod otlp;
mod process;
mod recorder;
mod settings;
mod span_queue;
pub mod sql;
mod start;
#[cfg(test)]
mod testing;
pub mod trace;

pub use failures::report;
pub use recorder::render;
pub use settings::{LogFormat, Settings};
pub use start::{StartError, Telemetry, start, start_for_tests};
