//! Roles, and the scopes that a key may carry. Closed sets: each word is written in tokens, in the key table and in
//! the policy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whose token or key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Somebody who plays.
    Player,
    /// A machine that runs matches.
    GameServer,
    /// A person or tool that runs the platform.
    Operator,
}

/// One thing that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Start, complete and crash matches, and send their heartbeats.
    MatchesWrite,
    /// Read every match.
    MatchesRead,
    /// Post system events.
    EventsWrite,
    /// Read the event log.
    EventsRead,
    /// Read every player.
    PlayersRead,
    /// Ban and mute players.
    PlayersModerate,
    /// Read statistics and the leaderboard.
    StatsRead,
    /// Read every room's messages.
    ChatRead,
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u16);

/// A scope that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope \"{0}\", expected some of {known}", known = Scopes::ALL)]
pub struct UnknownScope(String);

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Player, Self::GameServer, Self::Operator];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::GameServer => "game_server",
            Self::Operator => "operator",
        }
    }

    /// What a key of this role may do when nothing else was asked for, and at most. Players have no keys.
    pub const fn scopes(self) -> Scopes {
        match self {
            Self::Player => Scopes::NONE,
            Self::GameServer => Scopes::NONE
                .with(Scope::MatchesWrite)
                .with(Scope::MatchesRead)
                .with(Scope::EventsWrite)
                .with(Scope::PlayersRead)
                .with(Scope::StatsRead),
            Self::Operator => Scopes::ALL,
        }
    }
}

impl Scope {
    /// Every scope, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::MatchesWrite,
        Self::MatchesRead,
        Self::EventsWrite,
        Self::EventsRead,
        Self::PlayersRead,
        Self::PlayersModerate,
        Self::StatsRead,
        Self::ChatRead,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MatchesWrite => "matches:write",
            Self::MatchesRead => "matches:read",
            Self::EventsWrite => "events:write",
            Self::EventsRead => "events:read",
            Self::PlayersRead => "players:read",
            Self::PlayersModerate => "players:moderate",
            Self::StatsRead => "stats:read",
            Self::ChatRead => "chat:read",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Everything.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);

    /// These and one more.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// Whether a scope is among them.
    pub const fn contain(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of these are among `others`.
    pub const fn are_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contain(*scope))
    }

    /// The known ones of a list separated by spaces. What a newer release added grants nothing here.
    pub fn known_of(text: &str) -> Self {
        text.split(' ').filter_map(|word| word.parse().ok()).fold(Self::NONE, Self::with)
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == word);
        found.ok_or_else(|| UnknownScope(word.chars().take(50).collect()))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Scopes {
    /// Separated by spaces, as in a token (RFC 8693).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{}", scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_scope_has_a_place_and_a_word_of_its_own() {
        for (place, scope) in Scope::ALL.into_iter().enumerate() {
            assert_eq!(scope as usize, place);
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        let error = "matches:erase".parse::<Scope>().unwrap_err().to_string();
        assert!(
            error.starts_with("unknown scope \"matches:erase\", expected some of matches:write "),
            "{error}"
        );
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let scopes = Scopes::known_of("events:write nonsense  matches:read events:write");
        assert_eq!(scopes.to_string(), "matches:read events:write");
        assert!(scopes.contain(Scope::EventsWrite) && !scopes.contain(Scope::MatchesWrite));
        assert!(scopes.are_within(Scopes::ALL) && !Scopes::ALL.are_within(scopes));
        assert_eq!(Scopes::ALL.iter().collect::<Scopes>(), Scopes::ALL);
    }

    #[test]
    fn a_game_server_never_moderates_nor_reads_along() {
        for scope in [Scope::PlayersModerate, Scope::EventsRead, Scope::ChatRead] {
            assert!(!Role::GameServer.scopes().contain(scope));
        }
        assert_eq!(Role::Player.scopes(), Scopes::NONE);
    }

    proptest! {
        #[test]
        fn any_text_grants_at_most_what_it_names(text in ".{0,100}") {
            for scope in Scopes::known_of(&text).iter() {
                prop_assert!(text.contains(scope.as_str()));
            }
        }
    }
}
