//! Who plays, and how each of them shows it. In open mode nobody shows anything. Otherwise a game server has its key, and
//! every player an account of its own, a device and a session.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use battlearena_client::calls::{self, LogIn, LoggedIn, NewPlayer, Registered};
use battlearena_client::socket::SocketSettings;
use battlearena_client::{Call, Credentials, ExposeSecret, Gateway, SecretString, Tls, Tokens};
use battlearena_proto::{ErrorKind, PlayerId};
use sha2::{Digest, Sha256};

/// Everybody who plays.
#[derive(Debug)]
pub(crate) struct Cast {
    /// Shows nothing by itself.
    gateway: Gateway,
    tls: Tls,
    /// None in open mode.
    server: Option<GameServer>,
    actors: RwLock<HashMap<PlayerId, Actor>>,
}

/// The game server: its key opens matches, and makes the players' devices.
struct GameServer {
    key: SecretString,
    credentials: Credentials,
}

/// A player with an account of its own.
#[derive(Clone)]
struct Actor {
    device: SecretString,
    session: Credentials,
}

/// The account of a player before it has a number.
pub(crate) struct Account {
    name: String,
    device: SecretString,
}

impl Cast {
    /// Everybody plays open mode without a key, and the usual mode with the key of a game server.
    pub(crate) fn new(gateway: Gateway, tls: Tls, key: Option<SecretString>) -> Self {
        let server = key.map(|key| GameServer { credentials: Credentials::key(&gateway, &key), key });
        Self { gateway, tls, server, actors: RwLock::default() }
    }

    /// What the game server shows where it calls by itself; nothing in open mode.
    pub(crate) fn key(&self) -> Option<&Credentials> {
        self.server.as_ref().map(|server| &server.credentials)
    }

    /// The gateway, as the game server calls it.
    pub(crate) fn server(&self) -> Gateway {
        self.calling(self.key())
    }

    /// The gateway, as a player calls it.
    pub(crate) fn player(&self, player_id: PlayerId) -> Gateway {
        self.calling(self.actor(player_id).map(|actor| actor.session).as_ref())
    }

    /// The gateway, as somebody calls it who has not logged in.
    pub(crate) fn nobody(&self) -> &Gateway {
        &self.gateway
    }

    fn calling(&self, credentials: Option<&Credentials>) -> Gateway {
        let gateway = self.gateway.clone();
        credentials.cloned().into_iter().fold(gateway, Gateway::with_credentials)
    }

    /// The account of the player with that place in the cast; none in open mode. The same key gives the same accounts,
    /// so that the next run finds them, and who does not have the key cannot make their devices.
    pub(crate) fn account(&self, place: i64) -> Option<Account> {
        let key = self.server.as_ref()?.key.expose_secret();
        let cast = digest(&["cast", key]);
        let name = format!("sim-{}-{place}", &cast[..16]);
        let device = digest(&["device", key, &name]).into();
        Some(Account { name, device })
    }

    /// A player with an account is in.
    pub(crate) fn enter(&self, player_id: PlayerId, account: &Account, tokens: Tokens) {
        let session = Credentials::session(&self.gateway, tokens);
        let actor = Actor { device: account.device.clone(), session };
        self.actors.write().unwrap_or_else(PoisonError::into_inner).insert(player_id, actor);
    }

    /// How a player logs in.
    pub(crate) fn log_in(&self, player_id: PlayerId) -> Call<LoggedIn> {
        match self.actor(player_id) {
            Some(actor) => calls::log_in(LogIn::Device(&actor.device)),
            None => calls::log_in(LogIn::Number(player_id)),
        }
    }

    /// A player has logged in again.
    pub(crate) fn logged_in(&self, player_id: PlayerId, tokens: Option<Tokens>) {
        if let (Some(actor), Some(tokens)) = (self.actor(player_id), tokens) {
            actor.session.replace(tokens);
        }
    }

    /// How somebody logs in whom the platform does not know, and how it is refused. By number it leaves no trace.
    pub(crate) fn unknown_player(&self, unknown: PlayerId) -> (Call<LoggedIn>, ErrorKind) {
        if self.server.is_none() {
            return (calls::log_in(LogIn::Number(unknown)), ErrorKind::NotFound);
        }
        let device =
            SecretString::from(format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()));
        (calls::log_in(LogIn::Device(&device)), ErrorKind::Unauthenticated)
    }

    /// How somebody guesses at the password of the player with that place, who has none; in open mode there is not even
    /// such a player.
    pub(crate) fn wrong_password(&self, place: i64) -> Call<LoggedIn> {
        let name = self.account(place).map_or_else(|| format!("sim-nobody-{place}"), |account| account.name);
        let guess = SecretString::from(format!("guess {:x}", rand::random::<u64>()));
        calls::log_in(LogIn::Password { username: &name, password: &guess })
    }

    /// A player's socket.
    pub(crate) fn socket(&self, url: &str, player_id: PlayerId) -> SocketSettings {
        let settings = match self.actor(player_id) {
            Some(actor) => SocketSettings::of(url, actor.session),
            None => SocketSettings::new(url, player_id, format!("player {player_id}")),
        };
        SocketSettings { tls: self.tls.clone(), ..settings }
    }

    fn actor(&self, player_id: PlayerId) -> Option<Actor> {
        self.actors.read().unwrap_or_else(PoisonError::into_inner).get(&player_id).cloned()
    }
}

impl Account {
    /// Its registration, with the rest of a new player.
    pub(crate) fn register(&self, new: &NewPlayer<'_>) -> Call<Registered> {
        let email = format!("{}@players.example", self.name);
        calls::register(&NewPlayer {
            username: &self.name,
            email: &email,
            device_id: Some(&self.device),
            ..*new
        })
    }

    /// Its log-in, before its number is known.
    pub(crate) fn log_in(&self) -> Call<LoggedIn> {
        calls::log_in(LogIn::Device(&self.device))
    }
}

impl fmt::Debug for GameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GameServer")
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actor")
    }
}

/// The SHA-256 of some texts, none of which holds a zero, as 64 hexadecimal digits.
fn digest(texts: &[&str]) -> String {
    let hash = texts.iter().fold(Sha256::new(), |hash, text| hash.chain_update(text).chain_update([0]));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use battlearena_client::Retry;

    use super::*;

    fn cast(key: Option<&str>) -> Cast {
        let gateway = Gateway::new(&"http://127.0.0.1:9".parse().unwrap(), Retry::default()).unwrap();
        Cast::new(gateway, Tls::default(), key.map(SecretString::from))
    }

    #[test]
    fn the_same_key_finds_its_players_again() {
        let account = |key, place| {
            let account = cast(Some(key)).account(place).unwrap();
            (account.name.clone(), account.device.expose_secret().to_owned())
        };
        assert_eq!(account("ak_one", 1), account("ak_one", 1));
        let (name, device) = account("ak_one", 1);
        assert!(name.len() <= 50 && device.len() == 64, "{name}");
        for (other, other_device) in [account("ak_one", 2), account("ak_two", 1)] {
            assert!(other != name && other_device != device);
        }
        assert!(cast(None).account(1).is_none());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let cast = cast(Some("ak_one"));
        let account = cast.account(1).unwrap();
        let device = account.device.expose_secret().to_owned();
        let tokens = Tokens { access_token: "t0ken".into(), refresh_token: "t0ken".into(), expires_in: 9 };
        let register = account.register(&NewPlayer::named("", ""));
        cast.enter(PlayerId(1), &account, tokens);
        let shown =
            format!("{cast:?} {register:?} {:?} {:?}", cast.log_in(PlayerId(1)), cast.player(PlayerId(1)));
        assert!(!shown.contains("ak_one") && !shown.contains(&device) && !shown.contains("t0ken"), "{shown}");
        assert!(String::from_utf8_lossy(register.body()).contains(&device), "but to the platform");
    }
}
