//! The one value that a process makes of its settings: what the files hold now, and a way to read them again.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;

use crate::client;
use crate::current::{Current, Loaded};
use crate::error::TlsError;
use crate::metrics::{Metrics, Outcome};
use crate::server::Ports;
use crate::settings::Settings;
use crate::watch::{Stamps, stamps};

/// Certificates and authorities. Clones share them.
#[derive(Clone)]
pub struct Tls {
    pub(crate) settings: Arc<Settings>,
    /// The state of the files at the start.
    pub(crate) first: Arc<Stamps>,
    pub(crate) current: Arc<Current>,
    /// None when ports are plain.
    pub(crate) ports: Option<Arc<Ports>>,
    pub(crate) client: ClientConfig,
    pub(crate) metrics: Metrics,
}

impl Tls {
    /// Reads and checks every file that is set.
    ///
    /// # Errors
    /// A file cannot be used: unreadable, no PEM, expired, the key of another certificate. Or a setting lacks the one
    /// that it needs.
    pub fn load(settings: &Settings) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let first = Arc::new(stamps(settings));
        let loaded = Loaded::read(settings, &provider)?;
        let metrics = Metrics::new(&loaded);
        metrics.observe(&loaded);
        let current = Arc::new(Current::new(provider, loaded));
        let ports = Ports::new(&current).map_err(TlsError::Library)?;
        let client = client::config(&current).map_err(TlsError::Library)?;
        let (settings, ports) = (Arc::new(settings.clone()), ports.map(Arc::new));
        Ok(Self { settings, first, current, ports, client, metrics })
    }

    /// Reads the files again. Connections made from now on use what they hold; the others stay as they are.
    ///
    /// # Errors
    /// Those of [`Tls::load`]; what was loaded before remains in use, all of it.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = Loaded::read(&self.settings, &self.current.provider).inspect_err(|_| {
            self.metrics.reloaded(Outcome::Failed);
        })?;
        self.metrics.observe(&loaded);
        self.current.loaded.store(Arc::new(loaded));
        self.metrics.reloaded(Outcome::Ok);
        Ok(())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).field("current", &self.current).finish()
    }
}
