//! What the parts of a platform on one machine prove to each other who they are with. Made at the first start, in a folder
//! that only this user can look into, and kept; in production nothing is made up.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use battlearena_gateway::keys::NewApiKey;
use battlearena_identity::Role as KeyRole;
use battlearena_identity::credential::{ServiceKey, ServiceKeyName};
use battlearena_identity::secret::SecretSetting;
use battlearena_runtime::Environment;
use battlearena_storage::{Database, DatabaseSettings};
use clap::Args;

use crate::key_file;
use crate::roles::Role;

/// What can be decided about secrets.
#[derive(Debug, Args)]
pub(crate) struct SecretsSettings {
    /// The children run in the same.
    #[command(flatten)]
    pub(super) environment: Environment,

    #[command(flatten)]
    service_key: SecretSetting<ServiceKeyName>,

    /// Folder of the keys that sign access tokens [default: in the data folder, made at the first start]
    #[arg(long, env = "ARENA_SIGNING_KEYS", value_name = "FOLDER")]
    signing_keys: Option<PathBuf>,
}

/// The secrets that were made here. What the operator has given is not among them: the children inherit it.
#[derive(Debug)]
pub(super) struct Secrets {
    service_key: Option<PathBuf>,
    signing_keys: Option<PathBuf>,
    game_server_key: Option<PathBuf>,
}

/// The name of the development key in `arena keys list`.
const DEVELOPMENT: &str = "development game server";

impl Secrets {
    /// None are needed: open mode.
    pub(super) fn none() -> Self {
        Self { service_key: None, signing_keys: None, game_server_key: None }
    }

    /// Finds what an earlier start has made in `folder`, and makes what is missing.
    ///
    /// # Errors
    /// The folder cannot be used, or the database cannot be asked.
    pub(super) async fn prepare(
        settings: &SecretsSettings,
        folder: &Path,
        database_url: &str,
    ) -> anyhow::Result<Self> {
        if settings.environment.is_production() {
            return Ok(Self::none());
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot create {}", folder.display()))?;
        let signing_keys = settings.signing_keys.is_none().then(|| folder.join("signing-keys"));
        let service_key = match settings.service_key.read()? {
            Some(_given) => None,
            None => Some(service_key(folder.join("service.key"))?),
        };
        let game_server_key = Some(game_server_key(folder.join("game-server.key"), database_url).await?);
        Ok(Self { service_key, signing_keys, game_server_key })
    }

    /// The settings of a service's process. Paths alone, since the environment of a process is easily shown.
    pub(super) fn environment(&self, role: Role) -> Vec<(&'static str, String)> {
        let signing_keys = self.signing_keys.as_ref().filter(|_| role == Role::Gateway);
        let settings =
            [("ARENA_SERVICE_KEY_FILE", self.service_key.as_ref()), ("ARENA_SIGNING_KEYS", signing_keys)];
        settings.into_iter().filter_map(|(name, path)| Some((name, path?.display().to_string()))).collect()
    }

    /// The file with the key of a game server on this machine.
    pub(super) fn game_server_key(&self) -> Option<&Path> {
        self.game_server_key.as_deref()
    }
}

fn service_key(path: PathBuf) -> anyhow::Result<PathBuf> {
    if !path.exists() {
        key_file::write(&path, ServiceKey::generate().secret())?;
    }
    Ok(path)
}

/// The file of a key that the gateway takes.
async fn game_server_key(path: PathBuf, database_url: &str) -> anyhow::Result<PathBuf> {
    let database = Database::new(&DatabaseSettings::for_url(database_url), "arena-up")?;
    let new = NewApiKey {
        role: KeyRole::GameServer,
        name: DEVELOPMENT.to_owned(),
        scopes: None,
        expires_in: None,
        by: "arena up".to_owned(),
    };
    key_file::keep(&path, &database, &new).await?;
    database.close();
    Ok(path)
}
