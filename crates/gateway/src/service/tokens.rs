//! The tokens that a log-in and a refresh hand out. Signs, and makes refresh tokens; stores nothing.

use std::time::Duration;

use battlearena_identity::credential::RefreshToken;
use battlearena_identity::token::AccessToken;
use battlearena_identity::{Player, Signer};
use battlearena_proto::Failure;
use jiff::Timestamp;

use crate::store::log_ins::NewSession;

/// What a player gets to show from now on.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access: AccessToken,
    pub(crate) refresh: RefreshToken,
}

/// Makes tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    pub(crate) signer: Signer,
    /// How long a session lives without a refresh.
    pub(crate) session_life: Duration,
    /// How long a used refresh token is still good for a sibling.
    pub(crate) refresh_grace: Duration,
}

impl Issuer {
    /// A session to be stored, and its first refresh token.
    pub(crate) fn session(&self) -> (RefreshToken, NewSession) {
        let refresh = RefreshToken::generate();
        let new = NewSession { refresh_hash: refresh.hash(), life_seconds: self.session_life.as_secs_f64() };
        (refresh, new)
    }

    /// The tokens of a session that is stored.
    ///
    /// # Errors
    /// Internal, beyond the year 9999.
    pub(crate) fn tokens(&self, player: &Player, refresh: RefreshToken) -> Result<Tokens, Failure> {
        let access = self.signer.for_player(player, Timestamp::now()).map_err(Failure::internal)?;
        Ok(Tokens { access, refresh })
    }

    /// How long an access token is accepted, in seconds.
    pub(crate) fn token_life_seconds(&self) -> f64 {
        self.signer.life().as_secs_f64()
    }

    /// When the last access token that was made until now will have expired.
    pub(crate) fn last_token_ends(&self, now: Timestamp) -> Timestamp {
        now.checked_add(self.signer.life()).unwrap_or(Timestamp::MAX)
    }
}
