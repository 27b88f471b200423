//! Signing keys as files: PKCS#8 in PEM, readable by their owner alone. A key appears whole or not at all.

use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};

use super::jwk::thumbprint;
use crate::secret::Secret;

/// Largest file that is read as a key, in bytes; an Ed25519 key has some 120.
const MOST_BYTES: u64 = 4096;

/// Permissions that nobody but the owner, and the owner's group for reading, may have: secrets that an orchestrator
/// mounts are readable by a group.
const FORBIDDEN_MODE: u32 = 0o027;

/// A file that does not give a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{path} can be read by others (mode {mode:o}): chmod 600 it")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
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
    pub(super) key: SigningKey,
    pub(super) modified: SystemTime,
}

pub(super) fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
    let (metadata, pem) = contents(path).map_err(|source| KeyFileError::Io { path: path.into(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(KeyFileError::Exposed { path: path.into(), mode });
    }
    // The reason why it cannot be read could quote it.
    let key = SigningKey::from_pkcs8_pem(pem.expose())
        .map_err(|_| KeyFileError::Unreadable { path: path.into() })?;
    Ok(KeyFile { key, modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH) })
}

fn contents(path: &Path) -> std::io::Result<(std::fs::Metadata, Secret)> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut pem = String::with_capacity(MOST_BYTES as usize);
    file.take(MOST_BYTES).read_to_string(&mut pem)?;
    Ok((metadata, Secret::from(pem)))
}

/// Makes a new key in a folder (which is made too, 0700), in a file of mode 0600 named after the key's id. A running
/// [`super::KeyRing`] takes it up at its next reload.
///
/// # Errors
/// [`KeyFileError::Io`].
pub fn create_key(folder: &Path) -> Result<PathBuf, KeyFileError> {
    let key = SigningKey::from_bytes(&rand::random());
    let path = folder.join(format!("{}.pem", thumbprint(&key.verifying_key())));
    match write(folder, &path, &key) {
        Ok(()) => Ok(path),
        Err(source) => Err(KeyFileError::Io { path, source }),
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
