//! The players of the canary: a dozen, who take turns, so that none of them logs in as often as somebody who guesses. They
//! are made of the key of the game server: the same key finds them again after a restart, and nobody else makes their
//! devices.

use battlearena_client::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// How many.
const PLAYERS: usize = 12;

/// A player before its log-in.
pub(crate) struct Player {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) device: SecretString,
}

/// Everybody. They come round again and again.
pub(crate) struct Cast {
    players: Vec<Player>,
    next: usize,
}

impl Cast {
    /// The players of a key; without one, strangers who are registered anew by each canary.
    pub(crate) fn new(key: Option<&SecretString>) -> Self {
        let random = format!("{:032x}", rand::random::<u128>());
        let secret = key.map_or(random.as_str(), ExposeSecret::expose_secret);
        let cast = digest(&["canary", secret]);
        let players = (1..=PLAYERS).map(|place| {
            let name = format!("canary-{}-{place}", &cast[..16]);
            let email = format!("{name}@players.example");
            let device = digest(&["canary device", secret, &name]).into();
            Player { name, email, device }
        });
        Self { players: players.collect(), next: 0 }
    }

    /// Whose turn it is.
    pub(crate) fn next(&mut self) -> &Player {
        let turn = self.next;
        self.next = (turn + 1) % PLAYERS;
        &self.players[turn]
    }
}

/// The SHA-256 of some texts, none of which holds a zero, as 64 hexadecimal digits.
fn digest(texts: &[&str]) -> String {
    let hash = texts.iter().fold(Sha256::new(), |hash, text| hash.chain_update(text).chain_update([0]));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(key: Option<&str>, count: usize) -> Vec<String> {
        let mut cast = Cast::new(key.map(SecretString::from).as_ref());
        (0..count).map(|_| cast.next().name.clone()).collect()
    }

    #[test]
    fn the_same_key_finds_its_players_again_and_they_take_turns() {
        let two_rounds = names(Some("ak_one"), 2 * PLAYERS);
        assert_eq!(two_rounds, names(Some("ak_one"), 2 * PLAYERS));
        assert_eq!(two_rounds[..PLAYERS], two_rounds[PLAYERS..]);
        assert_eq!(two_rounds.iter().collect::<BTreeSet<_>>().len(), PLAYERS);
        assert!(two_rounds.iter().all(|name| name.len() <= 50));
        assert_ne!(names(Some("ak_two"), 1), names(Some("ak_one"), 1));
        assert_ne!(names(None, 1), names(None, 1));
    }
}
