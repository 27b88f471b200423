//! Finds out who is calling. Every service has one; it makes no call and takes no lock that a signature is checked
//! under.

use std::sync::Arc;

use jiff::Timestamp;

use super::cache::{TokenCache, Verified};
use super::claims::Claims;
use super::jws::{self, Unverified};
use super::{Bearer, Refusal};
use crate::caller::Caller;
use crate::credential::ServiceKey;
use crate::keys::PublicKeys;
use crate::metrics::Refusals;
use crate::revocations::Revocations;

/// Finds out who is calling. Clones share the cache.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

/// What a verifier is told besides keys and revocations.
#[derive(Debug, Clone)]
pub struct VerifierOptions {
    /// The key that the services share; without one nobody is a service.
    pub service_key: Option<ServiceKey>,
    /// In open mode, who shows nothing is [`Caller::Open`] and not [`Caller::Anonymous`]. What is shown is checked all
    /// the same.
    pub open: bool,
    /// How many tokens are remembered, at some 150 bytes each.
    pub most_cached_tokens: usize,
}

struct Inner {
    keys: PublicKeys,
    revocations: Revocations,
    options: VerifierOptions,
    cache: TokenCache,
    refusals: Refusals,
}

impl Default for VerifierOptions {
    fn default() -> Self {
        Self { service_key: None, open: false, most_cached_tokens: 100_000 }
    }
}

impl Verifier {
    /// Trusts what `keys` signed and `revocations` does not refuse.
    pub fn new(keys: PublicKeys, revocations: Revocations, options: VerifierOptions) -> Self {
        let cache = TokenCache::new(options.most_cached_tokens);
        Self(Arc::new(Inner { keys, revocations, options, cache, refusals: Refusals::new() }))
    }

    /// Who sent a request with this `authorization` header. A header that is there and not text is to be passed as an
    /// empty one, and one that is there twice as well: both are refused.
    ///
    /// # Errors
    /// [`Refusal`], counted. An API key is refused too: whoever takes those reads [`Bearer`] first.
    pub fn authenticate(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Refusal> {
        self.counted(self.0.authenticate(authorization, now))
    }

    /// Whom a bare token names: for sockets, whose `hello` carries it.
    ///
    /// # Errors
    /// [`Refusal`], counted.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        self.counted(self.0.verify(token, now))
    }

    /// What is refused; an open socket asks again from time to time whether its caller still may.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    fn counted(&self, outcome: Result<Caller, Refusal>) -> Result<Caller, Refusal> {
        outcome.inspect_err(|refusal| self.0.refusals.count(*refusal))
    }

    #[cfg(test)]
    pub(super) fn cached(&self) -> usize {
        self.0.cache.len()
    }
}

impl Inner {
    fn authenticate(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Refusal> {
        match Bearer::of(authorization)? {
            None if self.options.open => Ok(Caller::Open),
            None => Ok(Caller::Anonymous),
            Some(Bearer::Token(token)) => self.verify(token, now),
            Some(Bearer::ServiceKey(presented)) => match &self.options.service_key {
                Some(key) if key.matches(presented) => Ok(Caller::Service),
                Some(_) | None => Err(Refusal::WrongKey),
            },
            Some(Bearer::ApiKey(_)) => Err(Refusal::Malformed),
        }
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        if token.len() > super::MOST_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let keys = self.keys.current().ok_or(Refusal::NoKeysYet)?;
        let place = TokenCache::key(token);
        let verified = match self.cache.get(&place, keys.generation()) {
            Some(verified) => verified,
            None => {
                let token = Unverified::parse(token)?;
                let key = keys.find(&token.key_id).ok_or_else(|| self.keys.miss())?;
                let payload = token.verify(key)?;
                let (caller, expires) = jws::object::<Claims<'_>>(&payload)?.check(now)?;
                let verified = Verified { caller, expires, generation: keys.generation() };
                self.cache.insert(place, verified.clone());
                verified
            }
        };
        if verified.expires <= now {
            self.cache.remove(&place);
            return Err(Refusal::Expired);
        }
        if self.revocations.refuse(&verified.caller, now) {
            return Err(Refusal::Revoked);
        }
        Ok(verified.caller)
    }
}
