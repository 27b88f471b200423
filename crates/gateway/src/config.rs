//! What can be set about the gateway.

use std::net::SocketAddr;

use battlearena_identity::password::Cost;
use battlearena_identity::settings::SignerSettings;
use battlearena_storage::DatabaseSettings;
use battlearena_storage::events::RelaySettings;

/// Settings of the gateway.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where to serve HTTP: address and port; port 0 takes a free one.
    #[arg(long, env = "ARENA_GATEWAY_HTTP", default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub http: SocketAddr,

    /// Where to serve health and metrics instead of beside the API: address and port [default: beside the API]
    #[arg(long, env = "ARENA_GATEWAY_ADMIN", value_name = "ADDRESS")]
    pub admin_addr: Option<SocketAddr>,

    /// Threads that serve requests, 1 to 256 [default: one a core]
    #[arg(long, env = "ARENA_GATEWAY_WORKERS", value_parser = clap::value_parser!(u16).range(1..=256), value_name = "COUNT")]
    pub workers: Option<u16>,

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
    pub tls: battlearena_tls::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub identity: battlearena_identity::Settings,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub signer: SignerSettings,

    /// How long a session lives without a refresh, in days.
    #[arg(long, env = "ARENA_GATEWAY_SESSION_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650), value_name = "DAYS")]
    pub session_days: u32,

    /// How long a refresh token that was used is still good for a sibling: an answer was lost, or two refreshes were under
    /// way at once.
    #[arg(long, env = "ARENA_GATEWAY_REFRESH_GRACE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=300), value_name = "SECONDS")]
    pub refresh_grace_seconds: u32,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub login_limits: LogInLimitSettings,

    /// Threads that compute password hashes, 1 to 64 [default: half of the cores]
    #[arg(long, env = "ARENA_GATEWAY_PASSWORD_THREADS", value_parser = clap::value_parser!(u16).range(1..=64), value_name = "COUNT")]
    pub password_threads: Option<u16>,

    /// How many log-ins by password may wait for one; those beyond are turned away at once.
    #[arg(long, env = "ARENA_GATEWAY_PASSWORD_QUEUE", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "COUNT")]
    pub password_queue: u16,

    /// What a password hash costs. Not set from outside: what is cheaper for us is cheaper for whoever steals the table.
    #[arg(skip)]
    pub password_cost: Cost,

    /// Origins whose pages may call the API from a browser (`https://arena.example`), separated by commas [default: none]
    #[arg(long, env = "ARENA_GATEWAY_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    pub cors_origins: Vec<String>,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub database: DatabaseSettings,

    // The event log is a part of analytics: its address is where statistics and the leaderboard are asked for too.
    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub relay: RelaySettings,
}

impl Config {
    /// The setting that names the match service, for messages.
    pub(crate) const MATCH: &'static str = "--match-url (ARENA_GATEWAY_MATCH_URL)";
    /// The setting that names the socket-gateway, for messages.
    pub(crate) const SOCKET_GATEWAY: &'static str = "--socket-gateway-url (ARENA_GATEWAY_SOCKET_GATEWAY_URL)";
}

/// How often log-ins by password and registrations may be tried. Loopback has no limit by address in development.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct LogInLimitSettings {
    /// Log-ins by password from one address a minute, to accounts that were not entered from there before.
    #[arg(long, env = "ARENA_GATEWAY_LOGINS_PER_ADDRESS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub logins_per_address: u32,

    /// Log-ins by password to one account in ten minutes, from all addresses from which it was not entered before.
    #[arg(long, env = "ARENA_GATEWAY_LOGINS_PER_ACCOUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub logins_per_account: u32,

    /// Log-ins in ten minutes to one account from an address from which it was entered before, and of one device.
    #[arg(long, env = "ARENA_GATEWAY_LOGINS_PER_KNOWN", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub logins_per_known: u32,

    /// Registrations from one address in ten minutes.
    #[arg(long, env = "ARENA_GATEWAY_REGISTRATIONS_PER_ADDRESS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub registrations_per_address: u32,
}

impl Default for LogInLimitSettings {
    fn default() -> Self {
        Self {
            logins_per_address: 30,
            logins_per_account: 10,
            logins_per_known: 60,
            registrations_per_address: 30,
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "must be 0 to 100".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn settings_do_not_clash() {
        Config::augment_args(Command::new("gateway")).debug_assert();
    }

    #[test]
    fn the_limits_have_one_default() {
        let command = LogInLimitSettings::augment_args(Command::new("gateway"));
        let parsed = LogInLimitSettings::from_arg_matches(&command.get_matches_from(["gateway"])).unwrap();
        assert_eq!(format!("{parsed:?}"), format!("{:?}", LogInLimitSettings::default()));
    }

    #[test]
    fn percents_have_bounds() {
        assert_eq!([percent("0"), percent("1.5"), percent("100")], [Ok(0.0), Ok(1.5), Ok(100.0)]);
        for bad in ["-1", "100.1", "NaN", "inf", "many", ""] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
