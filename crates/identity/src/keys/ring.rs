//! The signing keys of the gateway, read from a folder. All of them verify; one signs: the newest that every verifier
//! has had time to learn.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use super::PublicKeys;
use super::file::{self, KeyFileError, create_key};
use super::jwk::thumbprint;

/// The signing keys.
pub struct KeyRing {
    folder: PathBuf,
    overlap: Duration,
    /// Oldest first, never empty.
    keys: ArcSwap<Vec<Entry>>,
    public: PublicKeys,
}

struct Entry {
    id: String,
    key: SigningKey,
    /// Since when others could learn of it.
    since: Timestamp,
}

/// What to do when the folder has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingKeys {
    /// Make one: in development.
    Create,
    /// Refuse to start: in production, where a replica that made its own would be trusted by nobody.
    Refuse {
        /// The setting that names the folder.
        setting: &'static str,
    },
}

/// The folder does not give keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// There is none.
    #[error(
        "{setting} must name a folder with a signing key (*.pem, Ed25519, PKCS#8), and {folder} has none"
    )]
    Missing {
        /// The setting that names the folder.
        setting: &'static str,
        /// The folder.
        folder: PathBuf,
    },
    /// A reload found none any more. The keys known so far stay.
    #[error("{folder} has no signing key any more")]
    Gone {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be read.
    #[error("cannot list {folder}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key cannot be read or made.
    #[error(transparent)]
    File(#[from] KeyFileError),
}

impl KeyRing {
    /// Reads the keys of a folder: its files that end in `.pem`. A key becomes the signing one `overlap` after it
    /// appeared: its file's time of change for those that are there at the start, and the reload for those that come
    /// later.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn open(
        folder: &Path,
        overlap: Duration,
        missing: MissingKeys,
        now: Timestamp,
    ) -> Result<Self, KeyRingError> {
        let mut found = read_folder(folder)?;
        if found.is_empty() {
            match missing {
                MissingKeys::Refuse { setting } => {
                    return Err(KeyRingError::Missing { setting, folder: folder.into() });
                }
                MissingKeys::Create => {
                    create_key(folder)?;
                    found = read_folder(folder)?;
                }
            }
        }
        let public = PublicKeys::empty();
        let ring = Self { folder: folder.into(), overlap, keys: ArcSwap::default(), public };
        ring.take_over(found, |modified| modified.min(now))?;
        Ok(ring)
    }

    /// Reads the folder again: after a change, or when told to.
    ///
    /// # Errors
    /// [`KeyRingError`]; the keys known so far stay.
    pub fn reload(&self, now: Timestamp) -> Result<(), KeyRingError> {
        self.take_over(read_folder(&self.folder)?, |_| now)
    }

    /// The public halves; a reload shows in them.
    pub fn public_keys(&self) -> &PublicKeys {
        &self.public
    }

    /// Lends out the key that signs at `now`, with its id.
    pub(crate) fn with_signing_key<T>(&self, now: Timestamp, sign: impl FnOnce(&str, &SigningKey) -> T) -> T {
        let keys = self.keys.load();
        let learned = |entry: &&Entry| {
            // A time in the future (a clock that was set back) is no age.
            Duration::try_from(now.duration_since(entry.since)).is_ok_and(|age| age >= self.overlap)
        };
        // While none is old enough the oldest signs, since it is the one that most have learned.
        let chosen = keys.iter().rfind(learned).unwrap_or(&keys[0]);
        sign(&chosen.id, &chosen.key)
    }

    /// `since` gives a new key its age, from the time of change of its file; a known key keeps its own.
    fn take_over(
        &self,
        found: Vec<(SigningKey, Timestamp)>,
        since: impl Fn(Timestamp) -> Timestamp,
    ) -> Result<(), KeyRingError> {
        let known = self.keys.load();
        let mut keys: Vec<Entry> = found
            .into_iter()
            .map(|(key, modified)| {
                let id = thumbprint(&key.verifying_key());
                let old = known.iter().find(|entry| entry.id == id);
                Entry { since: old.map_or_else(|| since(modified), |entry| entry.since), id, key }
            })
            .collect();
        if keys.is_empty() {
            return Err(KeyRingError::Gone { folder: self.folder.clone() });
        }
        // By id among equals, so that replicas which started together agree.
        keys.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        keys.dedup_by(|a, b| a.id == b.id);
        self.public.replace(keys.iter().map(|entry| (entry.id.clone(), entry.key.verifying_key())).collect());
        self.keys.store(Arc::new(keys));
        Ok(())
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.keys.load().iter().map(|entry| entry.id.clone()).collect();
        f.debug_struct("KeyRing").field("folder", &self.folder).field("ids", &ids).finish_non_exhaustive()
    }
}

fn read_folder(folder: &Path) -> Result<Vec<(SigningKey, Timestamp)>, KeyRingError> {
    let failed = |source| KeyRingError::Folder { folder: folder.into(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            let file = file::read(&path)?;
            keys.push((file.key, Timestamp::try_from(file.modified).unwrap_or(Timestamp::UNIX_EPOCH)));
        }
    }
    Ok(keys)
}
