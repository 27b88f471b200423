//! Refresh tokens: opaque, used once, known to us by their hash alone.

use super::{CredentialHash, is_random_text, random_text};
use crate::secret::Secret;
use crate::token::Refusal;

const PREFIX: &str = "rt_";

/// A refresh token.
#[derive(Debug, Clone)]
pub struct RefreshToken(Secret);

impl RefreshToken {
    /// A new one, of 32 random bytes.
    pub fn generate() -> Self {
        Self(Secret::from(format!("{PREFIX}{}", random_text())))
    }

    /// Takes what a client presents.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what cannot be one of ours, before anything is looked up.
    pub fn parse(presented: Secret) -> Result<Self, Refusal> {
        match presented.expose().strip_prefix(PREFIX) {
            Some(text) if is_random_text(text) => Ok(Self(presented)),
            Some(_) | None => Err(Refusal::Malformed),
        }
    }

    /// What is stored.
    pub fn hash(&self) -> CredentialHash {
        CredentialHash::of(self.0.expose())
    }

    /// The text, for the one answer that hands it out.
    pub fn text(&self) -> &Secret {
        &self.0
    }
}
