//! Makes access tokens. The gateway alone has one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::claims::Claims;
use super::jws;
use crate::caller::{Key, Player};
use crate::keys::KeyRing;
use crate::scope::Role;
use crate::secret::Secret;

/// Makes access tokens.
#[derive(Debug, Clone)]
pub struct Signer {
    ring: Arc<KeyRing>,
    life: Duration,
}

/// A fresh access token.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token itself.
    pub text: Secret,
    /// How long it will be accepted; the `expires_in` of an answer, in whole seconds.
    pub expires_in: Duration,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It would end after the last time that can be written.
    #[error("the end of the token cannot be written")]
    Time(#[source] jiff::Error),
    /// Its claims cannot be written.
    #[error("the claims of the token cannot be written")]
    Claims(#[source] serde_json::Error),
}

impl Signer {
    /// Signs with the keys of `ring`. A token lives for `life`, in whole seconds.
    pub fn new(ring: Arc<KeyRing>, life: Duration) -> Self {
        Self { ring, life: Duration::from_secs(life.as_secs()) }
    }

    /// How long a token lives: what a revocation has to outlive.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// The same, for tokens that must not outlive something that ends in `left`.
    #[must_use]
    pub fn for_at_most(&self, left: Duration) -> Self {
        Self::new(self.ring.clone(), self.life.min(left))
    }

    /// A token for a player.
    ///
    /// # Errors
    /// [`SignError`], which happens for times beyond the year 9999 only.
    pub fn for_player(&self, player: &Player, now: Timestamp) -> Result<AccessToken, SignError> {
        self.sign(&Claims::of_player(player, now, self.end(now)?), now)
    }

    /// A token for a game server, in exchange for its key.
    ///
    /// # Errors
    /// See [`Signer::for_player`].
    pub fn for_game_server(&self, key: &Key, now: Timestamp) -> Result<AccessToken, SignError> {
        self.sign(&Claims::of_key(key, Role::GameServer, now, self.end(now)?), now)
    }

    /// A token for an operator, in exchange for its key.
    ///
    /// # Errors
    /// See [`Signer::for_player`].
    pub fn for_operator(&self, key: &Key, now: Timestamp) -> Result<AccessToken, SignError> {
        self.sign(&Claims::of_key(key, Role::Operator, now, self.end(now)?), now)
    }

    fn end(&self, now: Timestamp) -> Result<Timestamp, SignError> {
        now.checked_add(self.life).map_err(SignError::Time)
    }

    fn sign(&self, claims: &Claims<'_>, now: Timestamp) -> Result<AccessToken, SignError> {
        let text = self.ring.with_signing_key(now, |key_id, key| jws::sign(claims, key_id, key));
        Ok(AccessToken { text: Secret::from(text.map_err(SignError::Claims)?), expires_in: self.life })
    }
}
