//! Token buckets by key. Memory is bounded: a bucket that is full again is forgotten, and when there are too many, the
//! one that has most in it of a few that lie next to each other. Whoever is being throttled is therefore the last to
//! be forgotten, however many other keys come.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indexmap::IndexMap;

use super::{Bucket, Decision, Limit, Quota, Throttles};

/// How many parts have a lock of their own; a power of two.
const SHARDS: usize = 64;

/// How many buckets are looked at when one new key comes.
const LOOKED_AT: usize = 8;

/// Token buckets of one limit, by key.
pub struct Limiter<K> {
    quota: Quota,
    began: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard<K>>]>,
    most_in_shard: usize,
    limit: Limit,
    throttles: Throttles,
}

struct Shard<K> {
    buckets: IndexMap<K, Bucket, RandomState>,
    /// Where the next look begins.
    hand: usize,
}

impl<K: Hash + Eq> Limiter<K> {
    /// Remembers at most `most_keys` (rounded up to a multiple of 64). Times before `began` count as `began`.
    pub fn new(limit: Limit, quota: Quota, most_keys: usize, began: Instant) -> Self {
        let shard = || Mutex::new(Shard { buckets: IndexMap::default(), hand: 0 });
        Self {
            quota,
            began,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            most_in_shard: most_keys.div_ceil(SHARDS).max(1),
            limit,
            throttles: Throttles::new(),
        }
    }

    /// Takes a token of `key`.
    pub fn take(&self, key: K, now: Instant) -> Decision {
        let now = now.saturating_duration_since(self.began);
        let place = self.hasher.hash_one(&key) as usize % SHARDS;
        let mut shard = self.shards[place].lock().unwrap_or_else(PoisonError::into_inner);
        let decision = match shard.buckets.get_mut(&key) {
            Some(bucket) => bucket.take(self.quota, 1, now),
            None => {
                shard.make_room(self.most_in_shard, now);
                let mut bucket = Bucket::default();
                let decision = bucket.take(self.quota, 1, now);
                shard.buckets.insert(key, bucket);
                decision
            }
        };
        drop(shard);
        self.throttles.count(self.limit, decision);
        decision
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).buckets.len())
            .sum()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq> Shard<K> {
    /// Forgets what is full among the next few, and, when there is still no room, the fullest of them.
    fn make_room(&mut self, most: usize, now: std::time::Duration) {
        let mut fullest: Option<(usize, u64)> = None;
        for _ in 0..LOOKED_AT.min(self.buckets.len()) {
            self.hand = if self.hand < self.buckets.len() { self.hand } else { 0 };
            let Some((_, bucket)) = self.buckets.get_index(self.hand) else { break };
            if bucket.is_full(now) {
                // The last one takes its place, and is looked at next.
                self.buckets.swap_remove_index(self.hand);
                fullest = None;
                continue;
            }
            if fullest.is_none_or(|(_, full_at)| bucket.full_at() < full_at) {
                fullest = Some((self.hand, bucket.full_at()));
            }
            self.hand += 1;
        }
        if self.buckets.len() >= most
            && let Some((place, _)) = fullest
        {
            self.buckets.swap_remove_index(place);
        }
    }
}
