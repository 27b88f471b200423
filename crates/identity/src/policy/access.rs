//! Who may go through a door: written with constants and `const` methods, so that a line of the table reads like a
//! sentence.

use crate::caller::{Caller, Key};
use crate::scope::Scope;

/// Who may go through a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Whoever comes, with a credential or without.
    pub anybody: bool,
    /// Players.
    pub player: PlayerAccess,
    /// Keys of game servers.
    pub game_server: KeyAccess,
    /// Keys of operators.
    pub operator: KeyAccess,
    /// The platform's own services.
    pub service: bool,
    /// Whether a credential is made or taken away behind it. Open mode does without credentials, and one that somebody
    /// made in it, for whatever player, would be good when it ends.
    pub changes_credentials: bool,
}

/// What a player may do behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayerAccess {
    /// Stays outside.
    No,
    /// Comes in for itself alone: the handler asks [`Caller::own`].
    Own,
    /// Comes in.
    Yes,
}

/// What a key needs at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAccess {
    /// Stays outside.
    No,
    /// Comes in with this scope.
    With(Scope),
    /// Comes in, whatever its scopes.
    Yes,
}

impl Access {
    /// Closed.
    pub const NOBODY: Self = Self {
        anybody: false,
        player: PlayerAccess::No,
        game_server: KeyAccess::No,
        operator: KeyAccess::No,
        service: false,
        changes_credentials: false,
    };

    /// Open to everybody: what it needs is checked behind it, if anything.
    pub const PUBLIC: Self = Self {
        anybody: true,
        player: PlayerAccess::Yes,
        game_server: KeyAccess::Yes,
        operator: KeyAccess::Yes,
        service: true,
        changes_credentials: false,
    };

    /// For players.
    pub const PLAYERS: Self = Self { player: PlayerAccess::Yes, ..Self::NOBODY };

    /// For a player, about itself.
    pub const OWN_PLAYER: Self = Self { player: PlayerAccess::Own, ..Self::NOBODY };

    /// For the platform's own services.
    pub const SERVICES: Self = Self { service: true, ..Self::NOBODY };

    /// And for players.
    #[must_use]
    pub const fn or_players(self) -> Self {
        Self { player: PlayerAccess::Yes, ..self }
    }

    /// Credentials are made or taken away behind it.
    #[must_use]
    pub const fn changing_credentials(self) -> Self {
        Self { changes_credentials: true, ..self }
    }

    /// And for game servers whose key has a scope.
    #[must_use]
    pub const fn or_game_server(self, scope: Scope) -> Self {
        Self { game_server: KeyAccess::With(scope), ..self }
    }

    /// And for operators whose key has a scope.
    #[must_use]
    pub const fn or_operator(self, scope: Scope) -> Self {
        Self { operator: KeyAccess::With(scope), ..self }
    }

    /// Whether a caller may go through.
    pub fn admits(self, caller: &Caller) -> bool {
        let Self { anybody, player, game_server, operator, service, changes_credentials } = self;
        match caller {
            Caller::Anonymous => anybody,
            Caller::Player(_) => player != PlayerAccess::No,
            Caller::GameServer(key) => game_server.admits(key),
            Caller::Operator(key) => operator.admits(key),
            Caller::Service => service,
            Caller::Open => self != Self::NOBODY && !changes_credentials && !self.is_for_operators_alone(),
        }
    }

    /// A ban that somebody made in open mode would stay when it ends.
    fn is_for_operators_alone(self) -> bool {
        let Self { anybody, player, game_server, operator: _, service, changes_credentials: _ } = self;
        !anybody && player == PlayerAccess::No && game_server == KeyAccess::No && !service
    }
}

impl KeyAccess {
    fn admits(self, key: &Key) -> bool {
        match self {
            Self::No => false,
            Self::With(scope) => key.scopes.contain(scope),
            Self::Yes => true,
        }
    }
}
