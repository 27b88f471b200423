//! Tokens that were found good, so that their signature is checked once. Bounded; keyed by SHA-256, so that the tokens
//! themselves are not kept. A hit says who it was, never that it still holds: the caller checks end and revocation.

use battlearena_telemetry::metrics::{Counter, Desc, Gauge, Unit};
use jiff::Timestamp;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::caller::Caller;

/// What was found.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) caller: Caller,
    pub(super) expires: Timestamp,
    /// Which set of keys said so.
    pub(super) generation: u64,
}

type Key = [u8; 32];

pub(super) struct TokenCache {
    entries: Cache<Key, Verified>,
    hits: Counter,
    misses: Counter,
    size: Gauge,
}

impl TokenCache {
    pub(super) fn new(most_tokens: usize) -> Self {
        let desc = |name, unit, help| Desc { name, unit, help };
        let hits = desc("cache_hits_total", Unit::Count, "Lookups that the cache could answer.");
        let misses = desc("cache_misses_total", Unit::Count, "Lookups that the cache could not answer.");
        let size =
            desc("cache_size_bytes", Unit::Bytes, "What the cache holds, without the text behind names.");
        Self {
            entries: Cache::new(most_tokens),
            hits: Counter::of(&hits, "cache", "tokens"),
            misses: Counter::of(&misses, "cache", "tokens"),
            size: Gauge::of(&size, "cache", "tokens"),
        }
    }

    pub(super) fn key(token: &str) -> Key {
        Sha256::digest(token).into()
    }

    /// What was found, as long as the same keys hold.
    pub(super) fn get(&self, key: &Key, generation: u64) -> Option<Verified> {
        let found = self.recall(key, generation);
        if found.is_none() {
            self.misses.increment(1)
        }
        found
    }

    /// The same, for who comes back with [`TokenCache::get`] when there is nothing: a miss is counted there.
    pub(super) fn recall(&self, key: &Key, generation: u64) -> Option<Verified> {
        let found = self.entries.get(key).filter(|verified| verified.generation == generation);
        if found.is_some() {
            self.hits.increment(1)
        }
        found
    }

    pub(super) fn insert(&self, key: Key, verified: Verified) {
        self.entries.insert(key, verified);
        self.size.set((self.entries.len() * size_of::<(Key, Verified)>()) as f64);
    }

    /// Forgets a token that will never be good again.
    pub(super) fn remove(&self, key: &Key) {
        self.entries.remove(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
