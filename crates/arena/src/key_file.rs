//! Secrets in files of this machine: the key of a game server, made once and kept as long as the database takes it. A file
//! appears whole or not at all, and only its owner can read it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use battlearena_gateway::keys::{self, NewApiKey};
use battlearena_identity::Secret;
use battlearena_identity::credential::ApiKey;
use battlearena_storage::Database;

/// Sees to it that the file holds a key that the gateway takes: the one that is there, or a new one. Says whether it was
/// made now.
///
/// # Errors
/// The file cannot be used, or the database cannot be asked.
pub(crate) async fn keep(path: &Path, database: &Database, new: &NewApiKey) -> anyhow::Result<bool> {
    if is_good(path, database).await? {
        return Ok(false);
    }
    let key = keys::create(database, new).await.context("cannot make the key")?;
    write(path, &key.text())?;
    Ok(true)
}

/// Writes a secret that only this user can read.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(path: &Path, secret: &Secret) -> anyhow::Result<()> {
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
