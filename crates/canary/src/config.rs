//! What can be set about the canary. `arena canary --help` is the reference.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

/// Settings of the canary.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Address of the HTTP port: health and metrics. Port 0 takes a free one.
    #[arg(
        long = "http",
        env = "ARENA_CANARY_HTTP",
        default_value = "127.0.0.1:8008",
        value_name = "ADDRESS"
    )]
    pub http: SocketAddr,

    /// Where the gateway is.
    #[arg(long, env = "ARENA_CANARY_URL", default_value = "http://127.0.0.1:8000")]
    pub url: Uri,

    /// Where sockets are opened.
    #[arg(
        long,
        env = "ARENA_CANARY_SOCKET_URL",
        default_value = "ws://127.0.0.1:8002/ws",
        value_name = "URL"
    )]
    pub socket_url: String,

    /// How often each check is made, in seconds. One that takes longer than four fifths of this has failed.
    #[arg(long, env = "ARENA_CANARY_INTERVAL_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60), value_name = "SECONDS")]
    pub interval_seconds: u32,

    /// File with the API key of a game server, which starts the matches and of which the players' devices are made: the
    /// same key finds the same players again. Without it nobody shows a key, which open mode takes.
    #[arg(long, env = "ARENA_GAME_SERVER_KEY_FILE", value_name = "FILE")]
    pub game_server_key_file: Option<PathBuf>,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub tls: battlearena_tls::Settings,
}

impl Config {
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval_seconds))
    }

    /// How long a check may take: less than the interval, so that none meets the next of its kind.
    pub(crate) fn patience(&self) -> Duration {
        self.interval() * 4 / 5
    }
}
