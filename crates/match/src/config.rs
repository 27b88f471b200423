//! What can be set about the match service. `arena match --help` is the reference.

use std::net::SocketAddr;
use std::time::Duration;

use battlearena_storage::DatabaseSettings;
use battlearena_storage::events::RelaySettings;

/// Settings of the match service.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Address of the HTTP port: health and metrics. Port 0 takes a free one.
    #[arg(long = "http", env = "ARENA_MATCH_HTTP", default_value = "127.0.0.1:8006", value_name = "ADDRESS")]
    pub http: SocketAddr,

    /// Address of the gRPC port. Port 0 takes a free one.
    #[arg(long = "grpc", env = "ARENA_MATCH_GRPC", default_value = "127.0.0.1:9006", value_name = "ADDRESS")]
    pub grpc: SocketAddr,

    /// Lets open mode listen on addresses that other machines reach.
    #[arg(long, env = "ARENA_OPEN_BIND_ANY")]
    pub open_bind_any: bool,

    /// Longest life of a match that never sends a heartbeat, in seconds. Past it the match is taken for crashed.
    #[arg(long, env = "ARENA_MATCH_TTL_SECONDS", default_value_t = 7200, value_parser = clap::value_parser!(u32).range(1..), value_name = "SECONDS")]
    pub match_ttl_seconds: u32,

    /// Longest silence of a match after its first heartbeat, in seconds. Past it the match is taken for crashed.
    #[arg(long, env = "ARENA_MATCH_HEARTBEAT_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..), value_name = "SECONDS")]
    pub heartbeat_timeout_seconds: u32,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub tls: battlearena_tls::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub identity: battlearena_identity::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub database: DatabaseSettings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub relay: RelaySettings,
}

impl Config {
    pub(crate) fn match_ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.match_ttl_seconds))
    }

    pub(crate) fn heartbeat_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.heartbeat_timeout_seconds))
    }
}
