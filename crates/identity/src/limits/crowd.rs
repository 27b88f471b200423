//! How much of what may be under way at once is one address's: whoever is slow on purpose holds a part of the places, and
//! never all of them. Only addresses that have something under way are remembered.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use battlearena_proto::{ErrorKind, Failure};

use super::{AddressKey, Decision, Limit, Throttles};

/// How many parts have a lock of their own.
const SHARDS: usize = 64;

/// Which part of all places an address may have, as a divisor.
const PART: usize = 8;

/// Which part the /48 network that an IPv6 address is in may have.
const WIDER_PART: usize = 4;

/// When whoever has too much under way may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What each address has under way. Clones share it.
#[derive(Clone)]
pub struct Crowd {
    near: Arc<Counts>,
    wide: Arc<Counts>,
    throttles: Throttles,
}

/// What is under way of an address. It is over when this is dropped.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub struct Presence {
    _near: Counted,
    _wide: Option<Counted>,
}

/// How much each address has under way.
type Shard = HashMap<AddressKey, NonZero<usize>>;

struct Counts {
    most: usize,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

struct Counted {
    counts: Arc<Counts>,
    key: AddressKey,
}

impl Crowd {
    /// Lets each address have an eighth of `places` at once.
    pub fn new(places: usize) -> Self {
        let counts = |part: usize| Arc::new(Counts::new((places / part).max(1)));
        Self { near: counts(PART), wide: counts(WIDER_PART), throttles: Throttles::new() }
    }

    /// Counts something that an address begins.
    ///
    /// # Errors
    /// `throttled`, when it has too much under way.
    pub fn enter(&self, key: AddressKey) -> Result<Presence, Failure> {
        self.begin(key).ok_or_else(|| {
            self.throttles.count(Limit::AddressInFlight, Decision::Wait(RETRY_AFTER));
            Failure::new(ErrorKind::Throttled, "too many requests at once").with_retry_after(RETRY_AFTER)
        })
    }

    /// How many addresses and networks have something under way.
    pub fn len(&self) -> usize {
        self.near.len() + self.wide.len()
    }

    /// Whether nobody has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn begin(&self, key: AddressKey) -> Option<Presence> {
        let near = Counts::begin(&self.near, key)?;
        let wide = match key.wider() {
            Some(wider) => Some(Counts::begin(&self.wide, wider)?),
            None => None,
        };
        Some(Presence { _near: near, _wide: wide })
    }
}

impl Counts {
    fn new(most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { most, hasher: RandomState::new(), shards }
    }

    fn begin(counts: &Arc<Self>, key: AddressKey) -> Option<Counted> {
        let mut shard = counts.shard(key);
        match shard.entry(key) {
            Entry::Vacant(vacant) => _ = vacant.insert(NonZero::<usize>::MIN),
            Entry::Occupied(mut occupied) => {
                let more = occupied.get().checked_add(1).filter(|more| more.get() <= counts.most)?;
                occupied.insert(more);
            }
        }
        drop(shard);
        Some(Counted { counts: counts.clone(), key })
    }

    fn end(&self, key: AddressKey) {
        let mut shard = self.shard(key);
        if let Entry::Occupied(mut occupied) = shard.entry(key) {
            match NonZero::new(occupied.get().get() - 1) {
                Some(fewer) => _ = occupied.insert(fewer),
                None => _ = occupied.remove(),
            }
        }
    }

    fn shard(&self, key: AddressKey) -> MutexGuard<'_, Shard> {
        let place = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.end(self.key);
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Counted").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::AddressRules;
    use super::*;

    fn key(address: &str) -> AddressKey {
        AddressRules::default().key(address.parse().unwrap()).unwrap()
    }

    #[test]
    fn an_address_has_an_eighth_and_is_forgotten_when_all_is_over() {
        let crowd = Crowd::new(32);
        let held: Vec<_> = (0..4).map(|_| crowd.enter(key("203.0.113.9")).unwrap()).collect();
        let failure = crowd.enter(key("203.0.113.9")).unwrap_err();
        assert_eq!((failure.kind(), failure.retry_after()), (ErrorKind::Throttled, Some(RETRY_AFTER)));
        let other = crowd.clone().enter(key("203.0.113.10")).unwrap();
        assert_eq!(crowd.len(), 2);
        drop(held);
        assert_eq!(crowd.len(), 1);
        drop((crowd.enter(key("203.0.113.9")).unwrap(), other));
        assert!(crowd.is_empty());
        // However few places there are, everybody may have one.
        assert!(Crowd::new(1).enter(key("203.0.113.9")).is_ok());
    }

    #[test]
    fn a_site_has_a_quarter_however_many_networks_it_takes() {
        let crowd = Crowd::new(32);
        let held: Vec<_> =
            (0..8).map(|network| crowd.enter(key(&format!("2001:db8:1:{network}::1"))).unwrap()).collect();
        assert!(crowd.enter(key("2001:db8:1:ffff::1")).is_err());
        assert_eq!(crowd.len(), 9, "who was turned away is not remembered");
        assert!(crowd.enter(key("2001:db8:2::1")).is_ok());
        drop(held);
        assert!(crowd.is_empty());
    }
}
