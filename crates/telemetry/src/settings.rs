//! What can be set about logs, identity, measuring and strangers' traces. Other than that, traces follow the standard
//! `OTEL_*` variables (see `start`).

use battlearena_runtime::Environment;
use clap::{Args, ValueEnum};

use crate::otlp;

/// Settings of logs and identity; every role flattens them into its own.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Name of the service in logs, traces and metrics [default: service.name of OTEL_RESOURCE_ATTRIBUTES, or the role's
    /// name]
    #[arg(long, env = "OTEL_SERVICE_NAME", default_value = "", hide_default_value = true)]
    pub service_name: String,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub environment: Environment,

    /// How log lines look; auto is text on a terminal in development, and JSON otherwise
    #[arg(long, env = "ARENA_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,

    /// Which log lines are written, as comma-separated `target=level` or `level`
    #[arg(long, env = "ARENA_LOG", default_value = "info")]
    pub log_filter: String,

    /// Write a log line for every request that is answered, and not only for what failed
    #[arg(long, env = "ARENA_ACCESS_LOG")]
    pub access_log: bool,

    /// Whether anything is measured; off is for measuring what that costs, and /metrics is then 404
    #[arg(long, env = "ARENA_METRICS", value_enum, default_value_t = Switch::On)]
    pub metrics: Switch,

    /// How many requests a second may be sampled that continue a stranger's trace, where a ratio decides; each request
    /// counts, also those of one trace
    #[arg(long, env = "ARENA_EDGE_TRACES_PER_SECOND", default_value_t = 100)]
    pub edge_traces_per_second: u32,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal in development, JSON otherwise.
    Auto,
    /// One JSON object a line.
    Json,
    /// One line for the eye.
    Text,
}

impl Settings {
    /// These settings with a service name: the one that was set, or else `service.name` among the
    /// `OTEL_RESOURCE_ATTRIBUTES`, as the specification has it, or else the role's.
    #[must_use]
    pub fn named(mut self, role: &str) -> Self {
        if self.service_name.is_empty() {
            self.service_name = otlp::service_name().unwrap_or_else(|| role.to_owned());
        }
        self
    }
}
