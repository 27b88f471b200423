//! What can be set about analytics. `arena analytics --help` is the reference.

use std::net::SocketAddr;
use std::time::Duration;

use battlearena_storage::DatabaseSettings;

/// Settings of analytics.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Address of the HTTP port: health and metrics. Port 0 takes a free one.
    #[arg(
        long = "http",
        env = "ARENA_ANALYTICS_HTTP",
        default_value = "127.0.0.1:8004",
        value_name = "ADDRESS"
    )]
    pub http: SocketAddr,

    /// Address of the gRPC port. Port 0 takes a free one.
    #[arg(
        long = "grpc",
        env = "ARENA_ANALYTICS_GRPC",
        default_value = "127.0.0.1:9004",
        value_name = "ADDRESS"
    )]
    pub grpc: SocketAddr,

    /// Lets open mode listen on addresses that other machines reach.
    #[arg(long, env = "ARENA_OPEN_BIND_ANY")]
    pub open_bind_any: bool,

    /// Days for which events are kept in the log. Totals, ranks and statistics outlive them.
    #[arg(long, env = "ARENA_ANALYTICS_EVENT_RETENTION_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650), value_name = "DAYS")]
    pub event_retention_days: u16,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub tls: battlearena_tls::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub identity: battlearena_identity::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub database: DatabaseSettings,
}

impl Config {
    pub(crate) fn event_retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.event_retention_days) * 86_400)
    }
}
