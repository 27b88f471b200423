//! The secret by which a device logs in: made by the client, kept by it, known to us by its hash alone.

use battlearena_proto::Failure;

use super::CredentialHash;
use crate::secret::Secret;

/// The field of the request.
const FIELD: &str = "device_id";

/// How long it may be, in bytes.
const BYTES: std::ops::RangeInclusive<usize> = 32..=256;

/// Fewest different characters: a client that sends zeros has no secret.
const FEWEST_DIFFERENT: usize = 8;

/// The secret of a device.
#[derive(Debug, Clone)]
pub struct DeviceSecret(Secret);

impl DeviceSecret {
    /// Takes the `device_id` of a request.
    ///
    /// # Errors
    /// `invalid`, naming the field: shorter than 32 bytes, longer than 256, or plainly not random.
    pub fn parse(secret: Secret) -> Result<Self, Failure> {
        if !BYTES.contains(&secret.expose().len()) {
            return Err(Failure::invalid(FIELD, "must have 32 to 256 bytes"));
        }
        let mut letters: Vec<char> = secret.expose().chars().collect();
        letters.sort_unstable();
        letters.dedup();
        if letters.len() < FEWEST_DIFFERENT {
            return Err(Failure::invalid(FIELD, "must be random"));
        }
        Ok(Self(secret))
    }

    /// What is stored.
    pub fn hash(&self) -> CredentialHash {
        CredentialHash::of(self.0.expose())
    }
}
