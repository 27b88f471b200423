//! Files that hold a secret: read whole or not at all, and not when others than their owner can read them. The text is
//! wiped when it is dropped.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::Environment;

/// Largest file that is read as a secret, in bytes. One that is larger is a mistake, and is not cut.
const MOST_BYTES: u64 = 8 * 1024;

/// Permissions that nobody but the owner may have. The owner's group may read: what an orchestrator mounts for a process
/// that is not root belongs to a group of it alone.
const FORBIDDEN_MODE: u32 = 0o027;

/// A secret out of a file.
#[derive(Debug)]
pub struct SecretFile {
    /// What it holds, as it stands there.
    pub text: SecretText,
    /// When the file was last changed.
    pub modified: SystemTime,
    path: PathBuf,
    mode: u32,
}

/// A text that is wiped when it is dropped, and not shown.
pub struct SecretText(Zeroizing<String>);

/// A file that gives no secret. The message names the file, and nothing of what it holds.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read, or is no text.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds more than any secret.
    #[error("{path} has more than {MOST_BYTES} bytes: it holds no secret of ours")]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// Others can read it.
    #[error("{path} can be read by others (mode {mode:o}): chmod 600 it")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

impl SecretFile {
    /// Reads a file. Who may read it besides us is a question of its own: [`SecretFile::check_exposure`].
    ///
    /// # Errors
    /// [`SecretFileError::Unreadable`], [`SecretFileError::TooLarge`].
    pub fn read(path: &Path) -> Result<Self, SecretFileError> {
        let (metadata, text) =
            contents(path).map_err(|source| SecretFileError::Unreadable { path: path.into(), source })?;
        if text.len() as u64 > MOST_BYTES {
            return Err(SecretFileError::TooLarge { path: path.into() });
        }
        Ok(Self {
            text: SecretText(text),
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            path: path.into(),
            mode: metadata.permissions().mode() & 0o777,
        })
    }

    /// Refuses a file that others can read or change; in development that is said in the log alone.
    ///
    /// # Errors
    /// [`SecretFileError::Exposed`].
    pub fn check_exposure(&self, environment: Environment) -> Result<(), SecretFileError> {
        let Self { path, mode, .. } = self;
        match (self.mode & FORBIDDEN_MODE, environment) {
            (0, _) => Ok(()),
            (_, Environment::Production) => Err(SecretFileError::Exposed { path: path.clone(), mode: *mode }),
            (_, Environment::Development) => {
                tracing::warn!(path = %path.display(), "a secret can be read by others (mode {mode:o}): chmod 600 it");
                Ok(())
            }
        }
    }
}

impl SecretText {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

fn contents(path: &Path) -> io::Result<(Metadata, Zeroizing<String>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // Room for all of it: a text that grew would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(MOST_BYTES as usize + 64));
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    Ok((metadata, text))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn what_others_can_read_is_refused_in_production() {
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), "what nobody knows\n").unwrap();
        for (mode, is_exposed) in
            [(0o600, false), (0o400, false), (0o440, false), (0o644, true), (0o604, true), (0o660, true)]
        {
            set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let secret = SecretFile::read(file.path()).unwrap();
            assert_eq!(secret.text.expose(), "what nobody knows\n");
            assert!(!format!("{secret:?}").contains("nobody"));
            let outcome = secret.check_exposure(Environment::Production);
            assert_eq!(outcome.is_err(), is_exposed, "{mode:o}");
            assert!(secret.check_exposure(Environment::Development).is_ok());
        }
    }

    #[test]
    fn nothing_is_cut() {
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), "x".repeat(8192)).unwrap();
        assert_eq!(SecretFile::read(file.path()).unwrap().text.expose().len(), 8192);
        for larger in [8193, 100_000] {
            write(file.path(), "x".repeat(larger)).unwrap();
            let error = SecretFile::read(file.path()).unwrap_err();
            assert!(matches!(error, SecretFileError::TooLarge { .. }), "{error}");
        }
        write(file.path(), [0xff; 32]).unwrap();
        let error = SecretFile::read(file.path()).unwrap_err();
        assert!(matches!(error, SecretFileError::Unreadable { .. }), "{error}");
    }
}
