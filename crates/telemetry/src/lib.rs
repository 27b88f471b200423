//! Logs, traces and metrics: their start and flush, and the instruments for HTTP, gRPC and SQL. Services name what
//! happened; no exporter, no header and no label text is handled anywhere else.

mod buckets;
mod business;
mod failures;
pub mod grpc;
pub mod http;
mod logs;
mod measured;
pub mod metrics;
mod otlp;
mod process;
mod recorder;
#[cfg(any(test, feature = "testing"))]
pub mod recording;
mod runtimes;
mod settings;
mod span_queue;
pub mod sql;
mod start;
#[cfg(test)]
mod testing;
pub mod trace;

pub use business::note;
pub use failures::report;
pub use measured::Measured;
pub use recorder::{Format, MOST_LINES, render};
pub use settings::{LogFormat, Settings, Switch};
pub use start::{StartError, Telemetry, start, start_for_tests};
