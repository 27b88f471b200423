//! The public keys that a service trusts. Read on every check of a signature, replaced as a whole; empty until they are
//! first learned, and of no use once they are too old.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::{ArcSwap, Guard};
use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{Jwk, Jwks};
use crate::token::Refusal;

/// Most keys of one set; more would be a mistake, and each costs a comparison.
const MOST_KEYS: usize = 32;

/// The keys that are trusted. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct PublicKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    set: ArcSwap<KeySet>,
    /// Until when the set is trusted, in seconds of Unix time; one that is never learned from others holds for ever.
    trusted_until: AtomicI64,
    missed: Notify,
}

impl Default for Shared {
    fn default() -> Self {
        let trusted_until = AtomicI64::new(i64::MAX);
        Self { set: ArcSwap::default(), trusted_until, missed: Notify::new() }
    }
}

/// Empty until keys are learned, and never again.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    generation: u64,
    keys: Vec<(String, VerifyingKey)>,
}

/// A document without a key that signs our tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key set holds no Ed25519 key that signs")]
pub struct NoUsableKey;

impl PublicKeys {
    /// No keys yet: nothing can be checked.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Takes over the keys of a document; unknown kinds are passed over. One task alone does this.
    ///
    /// # Errors
    /// [`NoUsableKey`]; the keys known so far stay.
    pub fn learn(&self, document: &Jwks) -> Result<(), NoUsableKey> {
        let keys: Vec<_> = document.keys.iter().filter_map(Jwk::read).take(MOST_KEYS).collect();
        if keys.is_empty() {
            return Err(NoUsableKey);
        }
        self.replace(keys);
        Ok(())
    }

    /// Trusts what is known until then, and no longer unless told again: a key that was withdrawn meanwhile must not be
    /// trusted for ever by who cannot hear of it.
    pub fn trust_until(&self, end: Timestamp) {
        self.0.trusted_until.store(end.as_second(), Ordering::Relaxed);
    }

    /// The document that makes others trust the same keys.
    pub fn document(&self) -> Jwks {
        Jwks { keys: self.0.set.load().keys.iter().map(|(id, key)| Jwk::of(id, key)).collect() }
    }

    /// Whether keys have been learned.
    pub fn are_known(&self) -> bool {
        !self.0.set.load().keys.is_empty()
    }

    /// Waits until a token names a key that is not known; whoever can fetch keys listens.
    pub async fn missed(&self) {
        self.0.missed.notified().await;
    }

    /// The set as it is now, if there is one and it is not too old.
    ///
    /// # Errors
    /// [`Refusal::NoKeysYet`], [`Refusal::StaleKeys`].
    pub(crate) fn current(&self, now: Timestamp) -> Result<Guard<Arc<KeySet>>, Refusal> {
        let set = self.0.set.load();
        if set.keys.is_empty() {
            return Err(Refusal::NoKeysYet);
        }
        if now.as_second() >= self.0.trusted_until.load(Ordering::Relaxed) {
            return Err(Refusal::StaleKeys);
        }
        Ok(set)
    }

    /// Says that a key is not known.
    pub(crate) fn miss(&self) -> Refusal {
        self.0.missed.notify_one();
        Refusal::WrongKey
    }

    /// A new generation begins when a key goes, so that what it signed is not remembered as good.
    pub(crate) fn replace(&self, keys: Vec<(String, VerifyingKey)>) {
        let old = self.0.set.load();
        let is_all_kept = old.keys.iter().all(|key| keys.contains(key));
        let generation = if is_all_kept { old.generation } else { old.generation + 1 };
        self.0.set.store(Arc::new(KeySet { generation, keys }));
    }
}

impl KeySet {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn find(&self, key_id: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|(id, _)| id == key_id).map(|(_, key)| key)
    }
}
