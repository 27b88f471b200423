//! Finds out who is calling. Every service has one; it makes no call and takes no lock that a signature is checked
//! under.

use std::sync::Arc;
use std::time::Duration;

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
    /// How many tokens are remembered, at some 150 bytes each.
    pub most_cached_tokens: usize,
    /// How long a token may be made for. A revocation is remembered for that long, so that a token which lives longer
    /// would outlive it, whoever signed it.
    pub longest_life: Duration,
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
        Self { service_key: None, most_cached_tokens: 100_000, longest_life: Duration::from_secs(300) }
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

    /// Who sent a request, if that can be said without checking a signature: by a token that was checked before, or by
    /// the key of the services. `None` says nothing: [`Verifier::authenticate`] decides.
    pub fn recall(&self, authorization: Option<&str>, now: Timestamp) -> Option<Caller> {
        self.0.recall(authorization, now)
    }

    /// Whom a bare token names.
    ///
    /// # Errors
    /// [`Refusal`], counted.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        self.verify_until(token, now).map(|(caller, _)| caller)
    }

    /// Whom a bare token names, and until when: for sockets, whose `hello` carries it, and which stay open.
    ///
    /// # Errors
    /// [`Refusal`], counted.
    pub fn verify_until(&self, token: &str, now: Timestamp) -> Result<(Caller, Timestamp), Refusal> {
        self.counted(self.0.verify(token, now)).map(|verified| (verified.caller, verified.expires))
    }

    /// What is refused; an open socket asks again from time to time whether its caller still may.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    fn counted<T>(&self, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
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
            None => Ok(Caller::Anonymous),
            Some(Bearer::Token(token)) => Ok(self.verify(token, now)?.caller),
            Some(Bearer::ServiceKey(presented)) => match &self.options.service_key {
                Some(key) if key.matches(presented) => Ok(Caller::Service),
                Some(_) | None => Err(Refusal::WrongKey),
            },
            Some(Bearer::ApiKey(_)) => Err(Refusal::Malformed),
        }
    }

    fn recall(&self, authorization: Option<&str>, now: Timestamp) -> Option<Caller> {
        match Bearer::of(authorization).ok()?? {
            Bearer::Token(token) => {
                let generation = self.keys.current(now).ok()?.generation();
                let verified = self.cache.recall(&TokenCache::key(token), generation)?;
                let holds = verified.expires > now && !self.revocations.refuse(&verified.caller, now);
                holds.then_some(verified.caller)
            }
            Bearer::ServiceKey(presented) => self
                .options
                .service_key
                .as_ref()
                .filter(|key| key.matches(presented))
                .map(|_| Caller::Service),
            Bearer::ApiKey(_) => None,
        }
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, Refusal> {
        if token.len() > super::MOST_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let keys = self.keys.current(now)?;
        let place = TokenCache::key(token);
        let verified = match self.cache.get(&place, keys.generation()) {
            Some(verified) => verified,
            None => {
                let token = Unverified::parse(token)?;
                let key = keys.find(&token.key_id).ok_or_else(|| self.keys.miss())?;
                let payload = token.verify(key)?;
                let claims = jws::object::<Claims<'_>>(&payload)?;
                let (caller, expires) = claims.check(now, self.options.longest_life)?;
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
        Ok(verified)
    }
}
