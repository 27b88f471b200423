//! What can be set about the socket-gateway. `arena socket-gateway --help` is the reference.

use std::net::SocketAddr;
use std::time::Duration;

use battlearena_identity::limits::Quota;
use battlearena_storage::DatabaseSettings;
use battlearena_storage::events::RelaySettings;

use crate::domain::{Limits, Origins};
use crate::hub::Policy;

/// Settings of the socket-gateway.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Address of the HTTP port: sockets at /ws, health and metrics. Port 0 takes a free one.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_HTTP", default_value = "127.0.0.1:8002", value_name = "ADDRESS")]
    pub http: SocketAddr,

    /// Address of health and metrics, instead of beside the sockets [default: beside the sockets]
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_ADMIN", value_name = "ADDRESS")]
    pub admin_addr: Option<SocketAddr>,

    /// Address of the gRPC port. Port 0 takes a free one.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_GRPC", default_value = "127.0.0.1:9002", value_name = "ADDRESS")]
    pub grpc: SocketAddr,

    /// Lets open mode listen on addresses that other machines reach.
    #[arg(long, env = "ARENA_OPEN_BIND_ANY")]
    pub open_bind_any: bool,

    /// Origins of web pages from which browsers may connect, besides pages that this address itself serves; `*` for all.
    #[arg(
        long,
        env = "ARENA_SOCKET_GATEWAY_ALLOWED_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN,…"
    )]
    pub allowed_origins: Vec<String>,

    /// Sockets that may be open at the same time; those beyond are turned away at once.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_MOST_CONNECTIONS", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000), value_name = "COUNT")]
    pub most_connections: u32,

    /// Sockets that one address may open a minute, in the long run. Loopback has no limit in development.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_CONNECTS_PER_MINUTE", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub connects_per_minute: u32,

    /// Sockets that one address may open at once.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_CONNECTS_BURST", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub connects_burst: u32,

    /// Commands that one connection may send a second, in the long run. Past it the connection is closed.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_COMMANDS_PER_SECOND", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub commands_per_second: u32,

    /// Commands that one connection may send at once.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_COMMANDS_BURST", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub commands_burst: u32,

    /// Publications of a channel that a client which comes back can recover.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_RECOVERY_MESSAGES", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "COUNT")]
    pub recovery_messages: u32,

    /// Bytes that may wait for a client that reads slowly. Past it the connection is closed.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_QUEUE_BYTES", default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(65_536..), value_name = "BYTES")]
    pub queue_bytes: u32,

    /// Silence of a client after which it is pinged, in seconds.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_HEARTBEAT_SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=3600), value_name = "SECONDS")]
    pub heartbeat_seconds: u32,

    /// Silence of a client after which its connection is closed, in seconds.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_TIMEOUT_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=7200), value_name = "SECONDS")]
    pub timeout_seconds: u32,

    /// How often the platform is told who is connected, in seconds.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_SEEN_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=240), value_name = "SECONDS")]
    pub seen_seconds: u32,

    /// Days for which messages are kept.
    #[arg(long, env = "ARENA_SOCKET_GATEWAY_MESSAGE_RETENTION_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650), value_name = "DAYS")]
    pub message_retention_days: u16,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub tls: battlearena_tls::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub identity: battlearena_identity::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub database: DatabaseSettings,

    // The feed comes from where the outbox goes.
    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub relay: RelaySettings,
}

impl Config {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            limits: Limits {
                frame_bytes: 16_384,
                text_characters: 2000,
                channels: 64,
                commands_per_second: self.commands_per_second,
                commands_burst: self.commands_burst,
                recovery_messages: self.recovery_messages as usize,
            },
            commands: Quota::new(self.commands_per_second, Duration::from_secs(1))
                .with_burst(self.commands_burst),
            queue_bytes: self.queue_bytes as usize,
            heartbeat: Duration::from_secs(u64::from(self.heartbeat_seconds)),
            timeout: Duration::from_secs(u64::from(self.timeout_seconds)),
        }
    }

    pub(crate) fn origins(&self) -> Origins {
        Origins::new(&self.allowed_origins)
    }

    /// How fast one address may open sockets.
    pub(crate) fn connects(&self) -> Quota {
        Quota::new(self.connects_per_minute, Duration::from_secs(60)).with_burst(self.connects_burst)
    }

    pub(crate) fn message_retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.message_retention_days) * 86_400)
    }

    pub(crate) fn seen_every(&self) -> Duration {
        Duration::from_secs(u64::from(self.seen_seconds))
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    #[test]
    fn settings_do_not_clash() {
        Config::augment_args(Command::new("socket-gateway")).debug_assert();
    }
}
