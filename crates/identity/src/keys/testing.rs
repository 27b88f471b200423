//! Keys for the tests of this crate.

use ed25519_dalek::SigningKey;

use super::jwk::thumbprint;
use super::{Jwk, Jwks};

/// A key that is the same in each run.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// Its id.
pub(crate) fn key_id(seed: u8) -> String {
    thumbprint(&key(seed).verifying_key())
}

/// The document of some keys.
pub(crate) fn document(seeds: &[u8]) -> Jwks {
    Jwks { keys: seeds.iter().map(|seed| Jwk::of(&key_id(*seed), &key(*seed).verifying_key())).collect() }
}
