//! What can be set about the gateway.

use std::net::SocketAddr;

use battlearena_storage::DatabaseSettings;
use battlearena_storage::events::RelaySettings;

/// Settings of the gateway.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where to serve HTTP: address and port; port 0 takes a free one.
    #[arg(long, env = "ARENA_GATEWAY_HTTP", default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub http: SocketAddr,

    /// Threads that serve requests, 1 to 256 [default: one a core]
    #[arg(long, env = "ARENA_GATEWAY_WORKERS", value_parser = clap::value_parser!(u16).range(1..=256), value_name = "COUNT")]
    pub workers: Option<u16>,

    /// Who may call: in open mode anybody may act for every player, which is for demonstrations on this machine.
    #[arg(long, env = "ARENA_GATEWAY_AUTH", value_enum, default_value_t = AuthMode::Open)]
    pub auth: AuthMode,

    /// Lets open mode listen on addresses that other machines reach.
    #[arg(long, env = "ARENA_OPEN_BIND_ANY")]
    pub open_bind_any: bool,

    /// Address of the match service (gRPC).
    #[arg(
        long,
        env = "ARENA_GATEWAY_MATCH_URL",
        default_value = "http://127.0.0.1:9006",
        value_name = "URL"
    )]
    pub match_url: String,

    /// Address of the socket-gateway (gRPC), which has the history of chat.
    #[arg(
        long,
        env = "ARENA_GATEWAY_SOCKET_GATEWAY_URL",
        default_value = "http://127.0.0.1:9002",
        value_name = "URL"
    )]
    pub socket_gateway_url: String,

    /// Share of payments that the sandbox declines, in percent, 0 to 100.
    #[arg(long, env = "ARENA_GATEWAY_PAYMENT_DECLINE_PERCENT", default_value_t = 1.0, value_parser = percent, value_name = "PERCENT")]
    pub payment_decline_percent: f64,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub database: DatabaseSettings,

    // The event log is a part of analytics: its address is where statistics and the leaderboard are asked for too.
    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub relay: RelaySettings,
}

/// Who may call the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthMode {
    /// Anybody, without a credential.
    Open,
}

fn percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "must be 0 to 100".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    #[test]
    fn settings_do_not_clash() {
        Config::augment_args(Command::new("gateway")).debug_assert();
    }

    #[test]
    fn percents_have_bounds() {
        assert_eq!([percent("0"), percent("1.5"), percent("100")], [Ok(0.0), Ok(1.5), Ok(100.0)]);
        for bad in ["-1", "100.1", "NaN", "inf", "many", ""] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
