//! The one value that a process makes of its settings: what the files hold now, and a way to read them again.

use std::sync::Arc;

use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{CounterVec, Desc, Gauge, Unit};
use rustls::ClientConfig;
use rustls::crypto::ring;

use crate::client;
use crate::current::{Current, Loaded};
use crate::error::TlsError;
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
    metrics: Metrics,
}

label! {
    /// How reading the files again ended.
    enum Outcome {
        Ok = "ok",
        Failed = "failed",
    }
}

#[derive(Clone)]
struct Metrics {
    /// None without a certificate: a time of zero would read as expired.
    expiry: Option<Gauge>,
    reloads: CounterVec<Outcome>,
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
            self.metrics.reloads.with(Outcome::Failed).increment(1);
        })?;
        self.metrics.observe(&loaded);
        self.current.loaded.store(Arc::new(loaded));
        self.metrics.reloads.with(Outcome::Ok).increment(1);
        Ok(())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).field("current", &self.current).finish()
    }
}

impl Metrics {
    fn new(loaded: &Loaded) -> Self {
        let expiry = Desc {
            name: "tls_certificate_expiry_seconds",
            unit: Unit::Seconds,
            help: "Unix time at which the first certificate of this process's chain expires.",
        };
        let reloads = Desc {
            name: "tls_reloads_total",
            unit: Unit::Count,
            help: "Changed certificate files that were read, by outcome; failed ones are tried again and again.",
        };
        Self {
            expiry: loaded.has_certificate().then(|| Gauge::new(&expiry)),
            reloads: CounterVec::new(&reloads, ["outcome"]),
        }
    }

    fn observe(&self, loaded: &Loaded) {
        if let (Some(gauge), Some(expires)) = (&self.expiry, loaded.expires()) {
            gauge.set(expires.as_duration().as_secs_f64());
        }
    }
}
