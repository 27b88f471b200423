//! The three checks, each once as a player's program would do it, without a second try: what has to be tried again is not in
//! order. They return why not; how long they may take is for the caller.

use battlearena_client::calls::{self, CompletedMatch, LogIn, NewPlayer};
use battlearena_client::socket::{Event, Events, Socket, SocketSettings};
use battlearena_client::{Credentials, Error, Gateway, Tls, Tokens};
use battlearena_proto::{ErrorKind, MatchType, PlayerId};
use std::time::Duration;

use crate::cast::Player;

/// A player who is in.
#[derive(Clone)]
pub(crate) struct Entered {
    pub(crate) player_id: PlayerId,
    pub(crate) session: Credentials,
}

/// Where to chat.
pub(crate) struct Room {
    /// `ws://host:port/ws`.
    pub(crate) url: String,
    pub(crate) tls: Tls,
    /// How long a connection may take.
    pub(crate) patience: Duration,
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the player is let in without a session")]
    NoSession,
    #[error("{what} is not answered as it should be")]
    Call {
        what: &'static str,
        #[source]
        source: Error,
    },
    #[error("the socket was refused or ended: {0}")]
    Socket(String),
}

/// Where and how long players of the canary play.
const REGION: &str = "eu-west";
const PLAY_SECONDS: u32 = 5;

/// The name of the room in which the canary talks to itself.
const ROOM: &str = "canary";

/// Logs in, at the first time after an account was made, and looks at the own profile.
pub(crate) async fn log_in(gateway: &Gateway, player: &Player) -> Result<Entered, Failed> {
    let (player_id, tokens) = enter(gateway, player).await?;
    let session = Credentials::session(gateway, tokens.ok_or(Failed::NoSession)?);
    let profile = gateway.clone().with_credentials(session.clone()).send(calls::player(player_id)).await;
    profile.map_err(failed("the own profile"))?;
    Ok(Entered { player_id, session })
}

/// Starts a match of one player and completes it.
pub(crate) async fn play(server: &Gateway, player_id: PlayerId) -> Result<(), Failed> {
    let start = server.send(calls::start_match(MatchType::Solo, &[player_id], REGION)).await;
    let match_id = start.map_err(failed("a match start"))?.match_id;
    let result = CompletedMatch {
        match_id,
        winner_id: player_id,
        duration_seconds: PLAY_SECONDS,
        participant_stats: &[],
    };
    server.send(calls::complete_match(&result)).await.map_err(failed("a match's end"))?;
    Ok(())
}

/// Opens a socket, joins a room, says something there and hears it.
pub(crate) async fn chat(room: &Room, entered: Entered) -> Result<(), Failed> {
    let settings = SocketSettings {
        tls: room.tls.clone(),
        connect_timeout: room.patience,
        ..SocketSettings::of(&room.url, entered.session)
    };
    let (socket, mut events) = Socket::open(settings);
    let given = socket.join(ROOM, None).and_then(|()| socket.say(ROOM, "chirp"));
    let name = given.map_err(|not_taken| Failed::Socket(not_taken.to_string()))?;
    hear(&mut events, &name).await?;
    // A socket that just ends is counted as lost, and a dozen of those a minute would be an alarm.
    socket.close();
    while events.next().await.is_some() {}
    Ok(())
}

/// Waits for a message.
async fn hear(events: &mut Events, name: &str) -> Result<(), Failed> {
    while let Some(event) = events.next().await {
        match event {
            Event::Message(message) if message.client_id == name => return Ok(()),
            Event::Refused(refused) => return Err(Failed::Socket(refused.message)),
            Event::Disconnected { cause, .. } => return Err(Failed::Socket(format!("{cause:?}"))),
            Event::Ended { reason } => return Err(Failed::Socket(reason)),
            _ => {}
        }
    }
    Err(Failed::Socket("it was closed".to_owned()))
}

async fn enter(gateway: &Gateway, player: &Player) -> Result<(PlayerId, Option<Tokens>), Failed> {
    match gateway.send(calls::log_in(LogIn::Device(&player.device))).await {
        Ok(entered) => Ok((entered.player_id, entered.tokens)),
        Err(error) if error.kind() == ErrorKind::Unauthenticated => {
            let new = NewPlayer {
                device_id: Some(&player.device),
                ..NewPlayer::named(&player.name, &player.email)
            };
            let registered = gateway.send(calls::register(&new)).await.map_err(failed("a registration"))?;
            Ok((registered.player_id, registered.tokens))
        }
        Err(source) => Err(Failed::Call { what: "a log-in", source }),
    }
}

fn failed(what: &'static str) -> impl Fn(Error) -> Failed {
    move |source| Failed::Call { what, source }
}
