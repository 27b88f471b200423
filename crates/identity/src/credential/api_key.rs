//! API keys: `ak_<id>_<secret>`. The id finds the row and may be shown; the secret is known to us by its hash alone.

use std::fmt;

use super::{CredentialHash, is_random_text, random_text};
use crate::secret::Secret;
use crate::token::Refusal;

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "ak_";

/// The letters of an id: no vowels that make words, nothing that looks like something else, no `_`, which ends it.
const ID_LETTERS: &[u8; 32] = b"23456789bcdfghjkmnpqrstvwxyzBCDF";

/// How many letters an id has: 80 bits.
const ID_LENGTH: usize = 16;

/// The public part of an API key: 16 letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiKeyId(String);

/// An API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    id: ApiKeyId,
    secret: Secret,
}

impl ApiKey {
    /// A new one, of 32 random bytes.
    pub fn generate() -> Self {
        let letters: [u8; ID_LENGTH] = rand::random();
        let id = letters.map(|byte| char::from(ID_LETTERS[usize::from(byte) % ID_LETTERS.len()]));
        Self { id: ApiKeyId(id.iter().collect()), secret: Secret::from(random_text()) }
    }

    /// Takes what a caller presents, with its prefix.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what cannot be one of ours, before anything is looked up.
    pub fn parse(presented: &str) -> Result<Self, Refusal> {
        let (id, secret) = presented
            .strip_prefix(API_KEY_PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(Refusal::Malformed)?;
        let id = ApiKeyId::parse(id)?;
        if !is_random_text(secret) {
            return Err(Refusal::Malformed);
        }
        Ok(Self { id, secret: Secret::from(secret.to_owned()) })
    }

    /// Its public part: the key of its row.
    pub fn id(&self) -> &ApiKeyId {
        &self.id
    }

    /// What is stored.
    pub fn hash(&self) -> CredentialHash {
        CredentialHash::of(self.secret.expose())
    }

    /// Whether this is the key whose hash was stored, in constant time.
    pub fn matches(&self, stored: &CredentialHash) -> bool {
        self.hash() == *stored
    }

    /// The whole key, for the one time that it is shown.
    pub fn text(&self) -> Secret {
        Secret::from(format!("{API_KEY_PREFIX}{}_{}", self.id.0, self.secret.expose()))
    }
}

impl ApiKeyId {
    /// Takes an id.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let fits = text.len() == ID_LENGTH && text.bytes().all(|letter| ID_LETTERS.contains(&letter));
        if fits { Ok(Self(text.to_owned())) } else { Err(Refusal::Malformed) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
