//! The key that the platform's services share. Whoever has it may call what is for services alone.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::random_text;
use crate::secret::{Secret, SecretError, SecretName};

/// What it begins with in a header.
pub const SERVICE_KEY_PREFIX: &str = "svc_";

/// How its setting is called, for [`crate::secret::SecretSetting`].
#[derive(Debug)]
pub struct ServiceKeyName;

impl SecretName for ServiceKeyName {
    const VARIABLE: &'static str = "ARENA_SERVICE_KEY";
    const FILE_VARIABLE: &'static str = "ARENA_SERVICE_KEY_FILE";
    const OPTION: &'static str = "service-key";
    const FILE_OPTION: &'static str = "service-key-file";
    const HELP: &'static str = "Key that the services of the platform share";
}

/// The services' shared key.
#[derive(Debug, Clone)]
pub struct ServiceKey(Secret);

impl ServiceKey {
    /// A new one: for `arena up`, which hands it to its children.
    pub fn generate() -> Self {
        Self(Secret::from(random_text()))
    }

    /// Takes the setting.
    ///
    /// # Errors
    /// [`SecretError::Weak`]: a key that others may know opens everything.
    pub fn new(secret: Secret) -> Result<Self, SecretError> {
        secret.check_strength(ServiceKeyName::VARIABLE)?;
        Ok(Self(secret))
    }

    /// Whether this is what a caller presents, without the prefix. Compares hashes in constant time, so that neither
    /// the key nor its length can be felt for.
    pub fn matches(&self, presented: &str) -> bool {
        Sha256::digest(self.0.expose()).ct_eq(&Sha256::digest(presented)).into()
    }

    /// The `authorization` header of a call.
    pub fn authorization(&self) -> Secret {
        Secret::from(format!("Bearer {SERVICE_KEY_PREFIX}{}", self.0.expose()))
    }

    /// The key itself, for the environment of a child process.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}
