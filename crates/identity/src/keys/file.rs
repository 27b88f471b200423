//! Signing keys as files: PKCS#8 in PEM, readable by their owner alone. A key appears whole or not at all.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use battlearena_runtime::{SecretFile, SecretFileError};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use jiff::Timestamp;

use super::jwk::thumbprint;

/// A file that does not give a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read, or others can read it too.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// It cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{path} holds no Ed25519 key (PKCS#8 in PEM)")]
    Unreadable {
        /// Which.
        path: PathBuf,
    },
}

/// A key out of a file.
pub(super) struct KeyFile {
    pub(super) id: String,
    pub(super) key: SigningKey,
    pub(super) modified: Timestamp,
    pub(super) file: SecretFile,
}

pub(super) fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
    let file = SecretFile::read(path)?;
    // The reason why it cannot be read could quote it.
    let key = SigningKey::from_pkcs8_pem(file.text.expose())
        .map_err(|_| KeyFileError::Unreadable { path: path.into() })?;
    let modified = Timestamp::try_from(file.modified).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(KeyFile { id: thumbprint(&key.verifying_key()), key, modified, file })
}

/// Makes a new key in a folder (which is made too, 0700), in a file of mode 0600 named after the key's id. A running
/// [`super::KeyRing`] takes it up at its next reload.
///
/// # Errors
/// [`KeyFileError::Write`].
pub fn create_key(folder: &Path) -> Result<PathBuf, KeyFileError> {
    let key = SigningKey::from_bytes(&rand::random());
    let path = folder.join(format!("{}.pem", thumbprint(&key.verifying_key())));
    match write(folder, &path, &key) {
        Ok(()) => Ok(path),
        Err(source) => Err(KeyFileError::Write { path, source }),
    }
}

fn write(folder: &Path, path: &Path, key: &SigningKey) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(std::io::Error::other)?;
    let unfinished = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}
