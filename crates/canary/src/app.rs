//! The only place of the canary that builds things.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use battlearena_client::{Credentials, Gateway, Retry, SecretString};
use battlearena_host::OperationsPort;
use battlearena_runtime::{CancellationToken, Readiness, Tasks};
use battlearena_tls::Tls;
use tokio::sync::watch;

use crate::cast::Cast;
use crate::checks::Room;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::rounds::Rounds;

/// How long the end may take: sessions are logged out, each within the patience of a check.
const END: Duration = Duration::from_secs(15);

/// The canary, with its port bound.
pub struct App {
    address: SocketAddr,
    readiness: Readiness,
    tasks: Tasks,
}

impl App {
    /// Binds the port and begins to play. Needs no platform: without one, its checks fail.
    ///
    /// # Errors
    /// When the port is taken or a setting cannot be used.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let readiness = Readiness::new();
        let tls = Tls::load(&config.tls)?;
        let port = OperationsPort::bind("canary", config.http, readiness.clone(), &tls)?;
        let key = game_server_key(&config)?;
        let patience = config.patience();
        let once = Retry { attempt: patience, give_up: Duration::ZERO };
        let speaking = client_tls(&config, &tls)?;
        let gateway = Gateway::new(&config.url, once)?.with_tls(&speaking);
        let server = key.as_ref().map(|key| Credentials::key(&gateway, key));
        let server = server.into_iter().fold(gateway.clone(), Gateway::with_credentials);
        let rounds = Rounds { interval: config.interval(), patience, metrics: Metrics::new() };

        let tasks = Tasks::new();
        let address = port.address();
        tasks.spawn("operations port", port.run(tasks.token()));
        tasks.spawn("certificates", tls.keep_reloading(tasks.token()));
        let (enter, entered) = watch::channel(None);
        tasks.spawn("match checks", rounds.clone().play(server, entered.clone(), tasks.token()));
        let room = Room { url: config.socket_url, tls: speaking, patience };
        tasks.spawn("chat checks", rounds.clone().chat(room, entered, tasks.token()));
        tasks.spawn("log-in checks", rounds.log_in(gateway, Cast::new(key.as_ref()), enter, tasks.token()));
        Ok(Self { address, readiness, tasks })
    }

    /// Where health and metrics are served.
    pub fn http_addr(&self) -> SocketAddr {
        self.address
    }

    /// Plays until told to stop, then ends its sessions.
    ///
    /// # Errors
    /// When a part of it panicked, or did not end in time.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let panicked = tokio::select! {
            () = stop.cancelled() => Ok(()),
            panicked = self.tasks.panicked() => Err(panicked),
        };
        self.readiness.start_draining();
        let ended = self.tasks.stop(END).await;
        panicked?;
        Ok(ended?)
    }
}

/// As the settings of this process say, where an address asks for TLS; an unused certificate is not looked at.
fn client_tls(config: &Config, tls: &Tls) -> anyhow::Result<battlearena_client::Tls> {
    let is_meant = config.url.scheme_str() == Some("https") || config.socket_url.starts_with("wss:");
    Ok(if is_meant { tls.client()?.into() } else { battlearena_client::Tls::default() })
}

fn game_server_key(config: &Config) -> anyhow::Result<Option<SecretString>> {
    let Some(path) = &config.game_server_key_file else { return Ok(None) };
    let key = std::fs::read_to_string(path)
        .with_context(|| format!("reading the key of the game server from {}", path.display()))?;
    Ok(Some(SecretString::from(key.trim())))
}
