//! What the parts of a platform on one machine prove to each other who they are with. Made at the first start, in a folder
//! that only this user can look into, and kept; in production nothing is made up.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use battlearena_gateway::keys::{self, NewApiKey};
use battlearena_identity::credential::{ApiKey, ServiceKey, ServiceKeyName};
use battlearena_identity::secret::SecretSetting;
use battlearena_identity::{Role as KeyRole, Secret};
use battlearena_storage::{Database, DatabaseSettings};
use clap::Args;

use crate::roles::Role;

/// What can be decided about secrets.
#[derive(Debug, Args)]
pub(crate) struct SecretsSettings {
    /// Where the platform runs: in production no secret is made up, and what is missing is refused.
    #[arg(long, env = "ARENA_ENV", default_value = "development", value_name = "NAME")]
    environment: String,

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
        if settings.environment == "production" {
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
        write(&path, ServiceKey::generate().secret())?;
    }
    Ok(path)
}

/// The file of a key that the gateway takes: the one that is there, or a new one.
async fn game_server_key(path: PathBuf, database_url: &str) -> anyhow::Result<PathBuf> {
    let database = Database::new(&DatabaseSettings::for_url(database_url), "arena-up")?;
    if !is_good(&path, &database).await? {
        let new = NewApiKey {
            role: KeyRole::GameServer,
            name: DEVELOPMENT.to_owned(),
            scopes: None,
            expires_in: None,
            by: "arena up".to_owned(),
        };
        let key = keys::create(&database, &new).await.context("cannot make the key of a game server")?;
        write(&path, &key.text())?;
    }
    database.close();
    Ok(path)
}

/// Whether the file holds a key that the database knows, and that nobody has ended.
async fn is_good(path: &Path, database: &Database) -> anyhow::Result<bool> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Secret::from(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let Ok(key) = ApiKey::parse(text.expose()) else { return Ok(false) };
    let known = keys::list(database).await.context("cannot read the API keys")?;
    Ok(known.iter().any(|row| row.id == key.id().as_str() && row.revoked_at.is_none()))
}

/// Writes a secret that only this user can read. It appears whole or not at all.
fn write(path: &Path, secret: &Secret) -> anyhow::Result<()> {
    let unfinished = path.with_extension("new");
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "{}", secret.expose())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
