//! The signing keys of the gateway, read from a folder. All of them verify; one signs: the newest that every verifier
//! has had time to learn. A file that goes bad takes no key away: a key is withdrawn by removing its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use battlearena_runtime::Environment;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use super::PublicKeys;
use super::file::{self, KeyFile, KeyFileError, create_key};

/// The signing keys.
pub struct KeyRing {
    folder: PathBuf,
    overlap: Duration,
    rules: FolderRules,
    /// Oldest first, never empty.
    keys: ArcSwap<Vec<Entry>>,
    public: PublicKeys,
}

#[derive(Clone)]
struct Entry {
    id: String,
    key: SigningKey,
    /// Where it came from.
    path: PathBuf,
    /// Since when others could learn of it.
    since: Timestamp,
}

/// A file of the folder, with its key or what is wrong with it.
type Found = (PathBuf, Result<KeyFile, KeyFileError>);

/// What to do when the folder is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderRules {
    /// Make a key where there is none, and warn about one that others can read: in development.
    Lenient,
    /// Refuse: in production, where a replica that made its own key would be trusted by nobody.
    Strict {
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
        rules: FolderRules,
        now: Timestamp,
    ) -> Result<Self, KeyRingError> {
        let folder = folder.to_owned();
        let ring = Self { folder, overlap, rules, keys: ArcSwap::default(), public: PublicKeys::empty() };
        let mut found = ring.read_folder()?;
        if found.is_empty() {
            match rules {
                FolderRules::Strict { setting } => {
                    return Err(KeyRingError::Missing { setting, folder: ring.folder });
                }
                FolderRules::Lenient => {
                    create_key(&ring.folder)?;
                    found = ring.read_folder()?;
                }
            }
        }
        // Whoever starts is told of what is wrong; it is not passed over as it is later.
        let keys: Result<Vec<_>, _> = found.into_iter().map(|(path, key)| Ok((path, key?))).collect();
        ring.take_over(keys.map_err(KeyRingError::File)?, Vec::new(), |modified| modified.min(now))?;
        Ok(ring)
    }

    /// Reads the folder again: after a change, or when told to. Gives the files that cannot be used, of which each keeps
    /// the key that it had.
    ///
    /// # Errors
    /// [`KeyRingError`] when no key is left, or the folder cannot be read; the keys known so far stay.
    pub fn reload(&self, now: Timestamp) -> Result<Vec<KeyFileError>, KeyRingError> {
        let (mut good, mut kept, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        let known = self.keys.load();
        for (path, outcome) in self.read_folder()? {
            match outcome {
                Ok(key) => good.push((path, key)),
                Err(error) => {
                    kept.extend(known.iter().filter(|entry| entry.path == path).cloned());
                    bad.push(error);
                }
            }
        }
        self.take_over(good, kept, |_| now)?;
        Ok(bad)
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
        found: Vec<(PathBuf, KeyFile)>,
        kept: Vec<Entry>,
        since: impl Fn(Timestamp) -> Timestamp,
    ) -> Result<(), KeyRingError> {
        let known = self.keys.load();
        let found = found.into_iter().map(|(path, KeyFile { id, key, modified, .. })| {
            let old = known.iter().find(|entry| entry.id == id);
            let since = old.map_or_else(|| since(modified), |entry| entry.since);
            Entry { id, key, path, since }
        });
        let mut keys: Vec<Entry> = found.chain(kept).collect();
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

    /// Every file of the folder that ends in `.pem`.
    fn read_folder(&self) -> Result<Vec<Found>, KeyRingError> {
        let failed = |source| KeyRingError::Folder { folder: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                let key = self.read_key(&path);
                found.push((path, key));
            }
        }
        Ok(found)
    }

    fn read_key(&self, path: &Path) -> Result<KeyFile, KeyFileError> {
        let key = file::read(path)?;
        let environment = match self.rules {
            FolderRules::Strict { .. } => Environment::Production,
            FolderRules::Lenient => Environment::Development,
        };
        // A warning is given once, not at each reload.
        let is_known = self.keys.load().iter().any(|entry| entry.id == key.id);
        if environment.is_production() || !is_known {
            key.file.check_exposure(environment)?;
        }
        Ok(key)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.keys.load().iter().map(|entry| entry.id.clone()).collect();
        f.debug_struct("KeyRing").field("folder", &self.folder).field("ids", &ids).finish_non_exhaustive()
    }
}
