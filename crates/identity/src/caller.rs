//! Who is calling, as far as it was proven. Made by [`crate::Verifier`], checked by [`crate::Policy`].

use std::sync::Arc;

use battlearena_proto::{ErrorKind, Failure, PlayerId, Tier};

use crate::scope::Scopes;

/// A session of a player: one log-in on one device, kept alive by its refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

/// A player who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// Who.
    pub id: PlayerId,
    /// By which session.
    pub session: SessionId,
    /// The name that others see, as it was when the token was made.
    pub name: Arc<str>,
    /// What the player pays for the service, as it was then.
    pub tier: Tier,
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its public part.
    pub id: Arc<str>,
    /// What it may do.
    pub scopes: Scopes,
}

/// Who is calling. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who showed nothing.
    Anonymous,
    /// A player.
    Player(Player),
    /// A machine that runs matches.
    GameServer(Key),
    /// Somebody who runs the platform.
    Operator(Key),
    /// Another service of the platform.
    Service,
    /// Somebody who showed nothing, in open mode, where nobody has to.
    Open,
}

impl Caller {
    /// The player who is calling.
    ///
    /// # Errors
    /// `unauthenticated` for who showed nothing, `forbidden` for whoever is no player. In open mode nobody is a
    /// player: the request itself says whom it is about.
    pub fn player(&self) -> Result<&Player, Failure> {
        match self {
            Self::Player(player) => Ok(player),
            Self::Anonymous => Err(unauthenticated()),
            Self::GameServer(_) | Self::Operator(_) | Self::Service | Self::Open => {
                Err(Failure::new(ErrorKind::Forbidden, "this is for players"))
            }
        }
    }

    /// The caller as the event log names it: `player:7`, `operator:<id of the key>`, `anonymous`.
    pub fn name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Player(player) => format!("player:{}", player.id),
            Self::GameServer(key) => format!("game_server:{}", key.id),
            Self::Operator(key) => format!("operator:{}", key.id),
            Self::Service => "service".to_owned(),
            Self::Open => "open".to_owned(),
        }
    }

    /// Lets a player touch its own things only. Keys and services were let in, or not, by the policy.
    ///
    /// # Errors
    /// `forbidden` for another player, `unauthenticated` for who showed nothing.
    pub fn own(&self, player_id: PlayerId) -> Result<(), Failure> {
        match self {
            Self::Player(player) if player.id == player_id => Ok(()),
            Self::Player(_) => Err(Failure::new(ErrorKind::Forbidden, "this belongs to another player")),
            Self::Anonymous => Err(unauthenticated()),
            Self::GameServer(_) | Self::Operator(_) | Self::Service | Self::Open => Ok(()),
        }
    }
}

/// The one answer to whoever has not proven who they are: it does not say what was wrong with what they showed.
pub(crate) fn unauthenticated() -> Failure {
    Failure::new(ErrorKind::Unauthenticated, "a valid access token is needed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key { id: "k".into(), scopes: Scopes::NONE }
    }

    #[test]
    fn a_player_owns_its_own_and_nothing_else() {
        let player = Player { id: PlayerId(7), session: SessionId(1), name: "ada".into(), tier: Tier::Free };
        let kind = |caller: &Caller, id| caller.own(PlayerId(id)).err().map(|failure| failure.kind());
        let ada = Caller::Player(player.clone());
        assert_eq!((kind(&ada, 7), kind(&ada, 8)), (None, Some(ErrorKind::Forbidden)));
        assert_eq!(kind(&Caller::Anonymous, 7), Some(ErrorKind::Unauthenticated));
        for caller in [Caller::GameServer(key()), Caller::Operator(key()), Caller::Service, Caller::Open] {
            assert_eq!(kind(&caller, 7), None);
            assert_eq!(caller.player().unwrap_err().kind(), ErrorKind::Forbidden);
        }
        assert_eq!(ada.player().unwrap(), &player);
        assert_eq!(Caller::Anonymous.player().unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
}
