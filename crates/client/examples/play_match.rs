//! Plays a whole match against a running platform: two players register, meet in a room and chat, a game server starts
//! their match, keeps it alive and ends it, and the winner shows on the leaderboard.
//!
//! `cargo run --example play_match -- KEY_FILE`, where the file holds the key of a game server (`arena up` says where its
//! own is), or `open` for a platform in open mode; then the addresses of the gateway, the match service's gRPC port and the
//! socket-gateway when they are not the usual ones.

#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::error::Error;
use std::time::Duration;

use battlearena_client::calls::{self, LogIn, NewPlayer, Registered};
use battlearena_client::grpc::{GameServer, Outcome};
use battlearena_client::socket::{Event, Events, Socket, SocketSettings};
use battlearena_client::{Credentials, Gateway, Retry, SecretString};
use battlearena_proto::matches::ParticipantStats;
use battlearena_proto::{MatchType, PlayerId};
use tokio::time::{sleep, timeout};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

type Failed = Box<dyn Error + Send + Sync>;

/// Where the platform is, and what it wants to see.
pub(crate) struct Addresses {
    /// The key of a game server; none for open mode, where nobody shows anything.
    pub(crate) key: Option<SecretString>,
    pub(crate) gateway: String,
    pub(crate) matches: String,
    pub(crate) sockets: String,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let key = match arguments.next().as_deref() {
        Some("open") => None,
        Some(path) => Some(SecretString::from(std::fs::read_to_string(path)?)),
        None => return Err("which key? Give a file, or the word open".into()),
    };
    let mut address = |usual: &str| arguments.next().unwrap_or_else(|| usual.to_owned());
    let addresses = Addresses {
        key,
        gateway: address("http://127.0.0.1:8000"),
        matches: address("http://127.0.0.1:9006"),
        sockets: address("ws://127.0.0.1:8002/ws"),
    };
    play(&addresses).await
}

/// Plays the match.
pub(crate) async fn play(addresses: &Addresses) -> Result<(), Failed> {
    let gateway = Gateway::new(&addresses.gateway.parse()?, Retry::default())?;
    let ann = Person::register(&gateway, "ann").await?;
    let bob = Person::register(&gateway, "bob").await?;
    chat(addresses, &ann, &bob).await?;

    let mut server = GameServer::new(&addresses.matches.parse()?, Retry::default());
    if let Some(key) = &addresses.key {
        server = server.with_credentials(Credentials::key(&gateway, key));
    }
    let players = [ann.player_id, bob.player_id];
    let started = server.start(MatchType::Solo, &players, "eu-west").await?;
    println!("match {} has started", started.match_id);
    let outcome = tokio::select! {
        outcome = game(&players) => outcome,
        over = server.keep_alive(started.match_id) => return Err(over.into()),
    };
    server.complete(started.match_id, outcome).await?;
    println!("match {} is over", started.match_id);

    let as_ann = gateway.with_credentials(ann.session.clone());
    let (place, points) = timeout(PATIENCE, place(&as_ann, ann.player_id)).await??;
    println!("{} has {points} points and place {place}", ann.username);
    Ok(())
}

/// The leaderboard follows within a second.
async fn place(gateway: &Gateway, player_id: PlayerId) -> Result<(i64, i64), Failed> {
    loop {
        let rank = gateway.send(calls::player_rank(player_id)).await?;
        if let (Some(place), 1..) = (rank.rank, rank.points) {
            return Ok((place, rank.points));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Somebody with an account.
struct Person {
    player_id: PlayerId,
    username: String,
    session: Credentials,
}

impl Person {
    async fn register(gateway: &Gateway, name: &str) -> Result<Self, Failed> {
        // Names are unique on the platform, and this program may run twice.
        let username = format!("{name} {:x}", rand::random::<u32>());
        // A real program keeps it: by this secret its player comes back.
        let device = SecretString::from(format!("{:032x}", rand::random::<u128>()));
        let new = NewPlayer { device_id: Some(&device), ..NewPlayer::named(&username, "player@example.com") };
        let Registered { player_id, tokens, .. } = gateway.send(calls::register(&new)).await?;
        println!("{username} is player {player_id}");
        let tokens = match tokens {
            Some(tokens) => tokens,
            None => gateway.send(calls::log_in(LogIn::Device(&device))).await?.tokens.ok_or("no session")?,
        };
        Ok(Self { player_id, username, session: Credentials::session(gateway, tokens) })
    }
}

/// The two meet in a room: ann greets, bob hears it.
async fn chat(addresses: &Addresses, ann: &Person, bob: &Person) -> Result<(), Failed> {
    let open = |who: &Person| {
        Socket::open(match addresses.key {
            Some(_) => SocketSettings::of(&addresses.sockets, who.session.clone()),
            None => SocketSettings::new(&addresses.sockets, who.player_id, &who.username),
        })
    };
    let (speaker, mut said) = open(ann);
    let (listener, mut heard) = open(bob);
    let room = format!("match-of-{}", ann.player_id);
    listener.join(&room, None)?;
    until(&mut heard, |event| matches!(event, Event::Entered(_))).await?;
    speaker.join(&room, None)?;
    speaker.say(&room, "good luck!")?;
    until(&mut said, |event| matches!(event, Event::Acknowledged(_))).await?;
    until(&mut heard, |event| match event {
        Event::Message(message) => {
            println!("{} says: {}", message.username, message.text);
            true
        }
        _ => false,
    })
    .await
}

/// Reads events up to one that is waited for.
async fn until(events: &mut Events, mut is: impl FnMut(&Event) -> bool) -> Result<(), Failed> {
    while let Some(event) = timeout(PATIENCE, events.next()).await? {
        if is(&event) {
            return Ok(());
        }
    }
    Err("the socket has ended".into())
}

/// Stands for the game.
async fn game(players: &[PlayerId; 2]) -> Outcome {
    let duration = Duration::from_secs(1);
    sleep(duration).await;
    let stats =
        |player: PlayerId, score| ParticipantStats { player_id: player.get(), score, kills: 3, deaths: 1 };
    let participant_stats = vec![stats(players[0], 1200), stats(players[1], 800)];
    Outcome { winner_id: players[0], duration, participant_stats }
}
