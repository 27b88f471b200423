//! What a token says, and the caller that follows from it. Conversions only: no key, no clock.

use std::borrow::Cow;
use std::time::Duration;

use battlearena_proto::{PlayerId, Tier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AUDIENCE, ISSUER, Refusal};
use crate::caller::{Caller, Key, Player, SessionId};
use crate::scope::{Role, Scopes};

/// How far the clocks of two services may lie apart, in seconds. For the beginning of a token only: at its end there is
/// no grace, a client renews in time, and a revocation need not be remembered longer than a token lives.
const LEEWAY_SECONDS: i64 = 5;

/// The payload of an access token. Ids are text, since a JSON number of 64 bits does not survive every client; times
/// are whole seconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    aud: Cow<'a, str>,
    /// The player's id, or the key's.
    #[serde(borrow)]
    sub: Cow<'a, str>,
    role: Role,
    /// The session, for players.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Cow<'a, str>>,
    /// What a key may do, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Cow<'a, str>>,
    /// The name of a player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    /// What a player pays for the service; free where it is not said, or not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<Cow<'a, str>>,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl<'a> Claims<'a> {
    pub(super) fn of_player(player: &'a Player, from: Timestamp, until: Timestamp) -> Self {
        Self {
            sid: Some(player.session.0.to_string().into()),
            name: Some((&*player.name).into()),
            tier: Some(player.tier.as_str().into()),
            ..Self::new(player.id.to_string().into(), Role::Player, from, until)
        }
    }

    pub(super) fn of_key(key: &'a Key, role: Role, from: Timestamp, until: Timestamp) -> Self {
        let scope = Some(key.scopes.to_string().into());
        Self { scope, ..Self::new((&*key.id).into(), role, from, until) }
    }

    fn new(sub: Cow<'a, str>, role: Role, from: Timestamp, until: Timestamp) -> Self {
        let from = from.as_second();
        Self {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub,
            role,
            sid: None,
            scope: None,
            name: None,
            tier: None,
            iat: from,
            nbf: from,
            exp: until.as_second(),
        }
    }

    /// Who it is about, and when it ends, if it holds at `now` and was made for no longer than `longest_life`.
    pub(super) fn check(
        &self,
        now: Timestamp,
        longest_life: Duration,
    ) -> Result<(Caller, Timestamp), Refusal> {
        let Self { iss, aud, sub: _, role: _, sid: _, scope: _, name: _, tier: _, iat, nbf, exp } = self;
        if iss != ISSUER {
            return Err(Refusal::WrongIssuer);
        }
        if aud != AUDIENCE {
            return Err(Refusal::WrongAudience);
        }
        let expires = Timestamp::from_second(*exp).map_err(|_| Refusal::Malformed)?;
        if expires <= now {
            return Err(Refusal::Expired);
        }
        if (*nbf).max(*iat) > now.as_second().saturating_add(LEEWAY_SECONDS) {
            return Err(Refusal::NotYetValid);
        }
        if exp.saturating_sub(*iat) > i64::try_from(longest_life.as_secs()).unwrap_or(i64::MAX) {
            return Err(Refusal::Malformed);
        }
        Ok((self.caller().ok_or(Refusal::Malformed)?, expires))
    }

    fn caller(&self) -> Option<Caller> {
        let number = |text: &str| text.parse::<i64>().ok().filter(|id| *id >= 1);
        let key = || {
            // A token never grants more than its role may have, whatever was signed.
            let scopes = Scopes::known_of(self.scope.as_deref()?);
            let scopes = scopes.iter().filter(|scope| self.role.scopes().contain(*scope)).collect();
            (!self.sub.is_empty()).then(|| Key { id: (&*self.sub).into(), scopes })
        };
        match self.role {
            Role::Player => Some(Caller::Player(Player {
                id: PlayerId(number(&self.sub)?),
                session: SessionId(number(self.sid.as_deref()?)?),
                name: self.name.as_deref()?.into(),
                tier: self.tier.as_deref().and_then(|word| word.parse().ok()).unwrap_or(Tier::Free),
            })),
            Role::GameServer => key().map(Caller::GameServer),
            Role::Operator => key().map(Caller::Operator),
        }
    }
}
