//! What must not be accepted any more although its signature is good: sessions, players and API keys. Kept in memory,
//! for as long as a token made before could still live; filled from events. Reading takes no lock.

use std::hash::{Hash, RandomState};
use std::sync::Arc;

use battlearena_proto::PlayerId;
use jiff::Timestamp;
use papaya::{Equivalent, HashMap};
use tokio::sync::watch;

use crate::caller::{Caller, SessionId};

/// Who is locked out. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<Lists>);

#[derive(Debug, Default)]
struct Lists {
    sessions: HashMap<i64, Timestamp>,
    bans: HashMap<i64, Timestamp>,
    /// Apart from the bans: to lift one brings nobody back who is gone.
    deletions: HashMap<i64, Timestamp>,
    keys: HashMap<Box<str>, Timestamp>,
    changes: watch::Sender<u64>,
}

impl Revocations {
    /// Nobody is locked out.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses the tokens of a session. `until` is when the last of them will have expired: the time of the revocation
    /// and the life of an access token.
    pub fn revoke_session(&self, session: SessionId, until: Timestamp) {
        extend(&self.0.sessions, session.0, until);
        self.changed();
    }

    /// Refuses all tokens of a player: while the ban lasts, or until the last of them has expired.
    pub fn ban_player(&self, player: PlayerId, until: Timestamp) {
        extend(&self.0.bans, player.get(), until);
        self.changed();
    }

    /// The player may come back. Its revoked sessions stay revoked, and who is deleted stays out.
    pub fn lift_ban(&self, player: PlayerId) {
        self.0.bans.pin().remove(&player.get());
    }

    /// Refuses all tokens of a player who is gone, until the last of them has expired.
    pub fn delete_player(&self, player: PlayerId, until: Timestamp) {
        extend(&self.0.deletions, player.get(), until);
        self.changed();
    }

    /// Refuses the tokens of an API key, and the key itself where its row is remembered.
    pub fn revoke_key(&self, id: &str, until: Timestamp) {
        extend(&self.0.keys, id.into(), until);
        self.changed();
    }

    /// Whether an otherwise good caller is locked out at `now`.
    pub fn refuse(&self, caller: &Caller, now: Timestamp) -> bool {
        match caller {
            Caller::Player(player) => {
                holds(&self.0.sessions, &player.session.0, now)
                    || holds(&self.0.bans, &player.id.get(), now)
                    || holds(&self.0.deletions, &player.id.get(), now)
            }
            Caller::GameServer(key) | Caller::Operator(key) => holds(&self.0.keys, &*key.id, now),
            Caller::Anonymous | Caller::Service | Caller::Open => false,
        }
    }

    /// Wakes whoever holds something open for its caller: somebody was locked out, and [`Revocations::refuse`] is to be
    /// asked again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Forgets what has run out; to be called every minute or so.
    pub fn sweep(&self, now: Timestamp) {
        self.0.sessions.pin().retain(|_, until| *until > now);
        self.0.bans.pin().retain(|_, until| *until > now);
        self.0.deletions.pin().retain(|_, until| *until > now);
        self.0.keys.pin().retain(|_, until| *until > now);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.sessions.len() + self.0.bans.len() + self.0.deletions.len() + self.0.keys.len()
    }

    /// Whether nobody is locked out.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn changed(&self) {
        self.0.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Events come at least once and in any order: the later end holds.
fn extend<K: Hash + Eq>(list: &HashMap<K, Timestamp, RandomState>, key: K, until: Timestamp) {
    list.pin().update_or_insert(key, |known| (*known).max(until), until);
}

fn holds<K, Q>(list: &HashMap<K, Timestamp, RandomState>, key: &Q, now: Timestamp) -> bool
where
    K: Hash + Eq,
    Q: Hash + Equivalent<K> + ?Sized,
{
    list.pin().get(key).is_some_and(|until| *until > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Key, Player};
    use crate::scope::Scopes;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn player(id: i64, session: i64) -> Caller {
        Caller::Player(Player {
            id: PlayerId(id),
            session: SessionId(session),
            name: "ada".into(),
            tier: battlearena_proto::Tier::Free,
        })
    }

    #[test]
    fn a_revocation_holds_until_its_end_and_touches_nobody_else() {
        let revocations = Revocations::new();
        revocations.revoke_session(SessionId(5), at(100));
        assert!(revocations.refuse(&player(1, 5), at(99)));
        assert!(!revocations.refuse(&player(1, 5), at(100)) && !revocations.refuse(&player(1, 6), at(99)));
        // The same event again, or an older one, does not shorten it.
        revocations.revoke_session(SessionId(5), at(50));
        assert!(revocations.refuse(&player(1, 5), at(99)));
        assert!(!revocations.refuse(&Caller::Service, at(1)) && !revocations.refuse(&Caller::Open, at(1)));
    }

    #[test]
    fn a_ban_holds_for_every_session_until_it_is_lifted() {
        let revocations = Revocations::new();
        revocations.ban_player(PlayerId(1), at(100));
        assert!(revocations.refuse(&player(1, 5), at(1)) && revocations.refuse(&player(1, 6), at(1)));
        assert!(!revocations.refuse(&player(2, 1), at(1)));
        revocations.lift_ban(PlayerId(1));
        assert!(!revocations.refuse(&player(1, 5), at(1)));
    }

    #[test]
    fn lifting_a_ban_brings_nobody_back_who_is_deleted() {
        let revocations = Revocations::new();
        revocations.ban_player(PlayerId(1), at(200));
        revocations.delete_player(PlayerId(1), at(100));
        revocations.lift_ban(PlayerId(1));
        assert!(revocations.refuse(&player(1, 5), at(99)) && !revocations.refuse(&player(1, 5), at(100)));
        assert!(!revocations.refuse(&player(2, 5), at(99)));
        revocations.sweep(at(100));
        assert!(revocations.is_empty());
    }

    #[test]
    fn keys_are_revoked_by_their_id() {
        let revocations = Revocations::new();
        revocations.revoke_key("abc", at(100));
        let key = |id: &str| Key { id: id.into(), scopes: Scopes::ALL };
        assert!(revocations.refuse(&Caller::Operator(key("abc")), at(1)));
        assert!(revocations.refuse(&Caller::GameServer(key("abc")), at(1)));
        assert!(!revocations.refuse(&Caller::GameServer(key("abd")), at(1)));
    }

    #[test]
    fn sweeping_forgets_what_has_run_out() {
        let revocations = Revocations::new();
        for session in 0..1000 {
            revocations.revoke_session(SessionId(session), at(session));
        }
        revocations.ban_player(PlayerId(1), at(10));
        revocations.revoke_key("abc", at(2000));
        revocations.sweep(at(989));
        assert_eq!(revocations.len(), 10 + 1);
        assert!(revocations.refuse(&player(9, 999), at(989)));
    }
}
