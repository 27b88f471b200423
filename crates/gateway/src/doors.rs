//! What the doors of the gateway are made of: signing keys, gatekeeper, API keys, password threads. Built once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use battlearena_identity::keys::{FolderRules, KeyRing};
use battlearena_identity::password::{PasswordPool, PoolSettings};
use battlearena_identity::settings::SignerSettings;
use battlearena_identity::{Gatekeeper, Signer};
use battlearena_storage::{Database, Wake};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::Config;
use crate::metrics::Metrics;
use crate::service::accounts::Accounts;
use crate::service::api_keys::{ApiKeys, Remembered};
use crate::service::limits::LogInLimits;
use crate::service::tokens::Issuer;

/// What the doors are made of.
pub(crate) struct Doors {
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) api_keys: ApiKeys,
    signer: Signer,
    passwords: Arc<PasswordPool>,
    /// Keys that nobody keeps: gone with the process.
    _folder: Option<TempDir>,
}

impl Doors {
    /// Reads the keys and starts the password threads.
    ///
    /// # Errors
    /// A setting that is missing or weak, keys that cannot be read, threads that cannot be started.
    pub(crate) fn build(config: &Config, database: &Database, wake: &Wake) -> anyhow::Result<Self> {
        let identity = &config.identity;
        let (ring, folder) = open_ring(&config.signer, identity.is_production())?;
        let ring = Arc::new(ring);
        let signer = Signer::new(ring.clone(), identity.life());
        let api_keys = ApiKeys {
            database: database.clone(),
            wake: wake.clone(),
            signer: signer.clone(),
            remembered: Remembered::default(),
        };
        let gatekeeper = Gatekeeper::with_keys(identity, ring.public_keys().clone())?;
        let gatekeeper = Arc::new(gatekeeper.with_api_keys(Arc::new(api_keys.clone())));
        let usual = PoolSettings::default();
        let passwords = PasswordPool::start(&PoolSettings {
            threads: config.password_threads.map_or(usual.threads, usize::from),
            queue: config.password_queue.into(),
            cost: config.password_cost,
            ..usual
        })?;
        Ok(Self { gatekeeper, ring, api_keys, signer, passwords: Arc::new(passwords), _folder: folder })
    }

    /// The use cases about accounts.
    pub(crate) fn accounts(
        &self,
        config: &Config,
        database: &Database,
        wake: &Wake,
        metrics: &Metrics,
    ) -> Accounts {
        Accounts {
            database: database.clone(),
            wake: wake.clone(),
            metrics: metrics.clone(),
            issuer: Issuer {
                signer: self.signer.clone(),
                session_life: Duration::from_secs(u64::from(config.session_days) * 24 * 3600),
                refresh_grace: Duration::from_secs(config.refresh_grace_seconds.into()),
            },
            passwords: self.passwords.clone(),
            limits: Arc::new(LogInLimits::new(&config.login_limits)),
            revocations: self.gatekeeper.revocations().clone(),
            needs_credential: !self.gatekeeper.is_open(),
        }
    }
}

/// In development without a folder the keys live as long as the process: whoever was logged in refreshes.
fn open_ring(settings: &SignerSettings, is_production: bool) -> anyhow::Result<(KeyRing, Option<TempDir>)> {
    let setting = SignerSettings::FOLDER_VARIABLE;
    let (overlap, now) = (settings.overlap(), Timestamp::now());
    match &settings.signing_keys {
        Some(folder) => {
            let missing = match is_production {
                true => FolderRules::Strict { setting },
                false => FolderRules::Lenient,
            };
            let ring = KeyRing::open(folder, overlap, missing, now);
            Ok((ring.context("cannot open the signing keys")?, None))
        }
        None if is_production => {
            anyhow::bail!("{setting} must name the folder of the keys that sign access tokens")
        }
        None => {
            let folder = TempDir::with_prefix("arena-signing-keys-").context("cannot make signing keys")?;
            let ring = KeyRing::open(folder.path(), overlap, FolderRules::Lenient, now);
            tracing::info!(
                "signing keys are made for this process alone: {setting} names a folder that stays"
            );
            Ok((ring.context("cannot make signing keys")?, Some(folder)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_development_makes_keys_up() {
        let empty = tempfile::tempdir().unwrap();
        let named = |folder: Option<&std::path::Path>| SignerSettings {
            signing_keys: folder.map(Into::into),
            signing_key_overlap: 120,
        };
        for settings in [named(None), named(Some(empty.path()))] {
            let error = open_ring(&settings, true).err().unwrap();
            assert!(format!("{error:#}").contains("ARENA_SIGNING_KEYS"), "{error:#}");
        }
        assert!(open_ring(&named(None), false).is_ok());
        assert!(open_ring(&named(Some(empty.path())), false).is_ok());
        // Now there is one.
        assert!(open_ring(&named(Some(empty.path())), true).is_ok());
    }
}
