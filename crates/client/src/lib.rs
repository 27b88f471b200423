//! The client of the platform, for players, tools, tests and game servers. It knows the wire contracts and nothing of
//! the services.
//!
//! | what | how |
//! |---|---|
//! | HTTP of the gateway | a [`Gateway`] sends [`calls`], which are values: one function a route, typed both ways |
//! | gRPC | [`grpc::GameServer`] for the life of a match; generated clients for the rest |
//! | sockets | a [`socket::Socket`] commands, its [`socket::Events`] are read |
//!
//! Three promises hold everywhere:
//!
//! - **A change is made once.** It carries an idempotency key (in chat, the name of the message) and is sent until it is
//!   answered, always under the same one. Only a log-in has none, because each accepted log-in counts.
//! - **Errors are of three kinds** that mean different things ([`Error`]): refused, where nothing has changed;
//!   unanswered, where something may have; and unreadable.
//! - **Nothing waits for ever.** An attempt has a bound, and so has the time in which attempts are made ([`Retry`]). Pauses
//!   between them grow and are jittered, and what the platform says about when to come back is honoured.
//!
//! # A worked example
//!
//! ```no_run
//! use battlearena_client::calls::{self, NewPlayer};
//! use battlearena_client::grpc::{GameServer, Outcome};
//! use battlearena_client::socket::{Event, Socket, SocketSettings};
//! use battlearena_client::{Error, Gateway, Retry};
//! use battlearena_proto::{ErrorKind, MatchType};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Accounts and the store: HTTP.
//! let gateway = Gateway::new(&"http://127.0.0.1:8000".parse()?, Retry::default())?;
//! let ann = gateway.send(calls::register(&NewPlayer::named("ann", "ann@example.com"))).await?.player_id;
//! match gateway.send(calls::register(&NewPlayer::named("ann", "other@example.com"))).await {
//!     Err(Error::Refused(refusal)) if refusal.kind == ErrorKind::Conflict => println!("{}", refusal.message),
//!     other => println!("{other:?}"),
//! }
//!
//! // Chat and the live feed: a socket, which reconnects and recovers by itself.
//! let (socket, mut events) = Socket::open(SocketSettings::new("ws://127.0.0.1:8002/ws", ann, "ann"));
//! socket.join("lobby", None)?;
//! socket.say("lobby", "anyone for a match?")?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Message(message) => println!("{}: {}", message.username, message.text),
//!         Event::Acknowledged(_) => break,
//!         _ => {}
//!     }
//! }
//!
//! // Matches: a game server's gRPC.
//! let server = GameServer::new(&"http://127.0.0.1:9006".parse()?, Retry::default());
//! let started = server.start(MatchType::Solo, &[ann], "eu-west").await?;
//! let duration = std::time::Duration::from_secs(90);
//! tokio::select! {
//!     () = tokio::time::sleep(duration) => {}
//!     over = server.keep_alive(started.match_id) => return Err(over.into()),
//! }
//! let outcome = Outcome { winner_id: ann, duration, participant_stats: vec![] };
//! server.complete(started.match_id, outcome).await?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/play_match.rs` is the same as a program.
//!
//! # Who is calling
//!
//! A platform in its usual, *required* mode wants an access token with nearly everything. [`Credentials`] hold one and
//! renew it in time: the session of a player, which registration and log-in begin, or the API key of a game server. They
//! go with HTTP ([`Gateway::with_credentials`]), gRPC ([`grpc::GameServer::with_credentials`]) and sockets
//! ([`socket::SocketSettings::of`]).
//!
//! ```no_run
//! use battlearena_client::calls::{self, NewPlayer};
//! use battlearena_client::grpc::GameServer;
//! use battlearena_client::socket::{Socket, SocketSettings};
//! use battlearena_client::{Credentials, Gateway, Retry, SecretString};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::new(&"http://127.0.0.1:8000".parse()?, Retry::default())?;
//! let password = SecretString::from("quite a long password");
//! let ann = NewPlayer { password: Some(&password), ..NewPlayer::named("ann", "ann@example.com") };
//! let registered = gateway.send(calls::register(&ann)).await?;
//! let session = Credentials::session(&gateway, registered.tokens.ok_or("no session")?);
//! let as_ann = gateway.clone().with_credentials(session.clone());
//! println!("{:?}", as_ann.send(calls::player(registered.player_id)).await?);
//! let (socket, events) = Socket::open(SocketSettings::of("ws://127.0.0.1:8002/ws", session));
//!
//! let key = SecretString::from(std::fs::read_to_string("game-server.key")?);
//! let server = GameServer::new(&"http://127.0.0.1:9006".parse()?, Retry::default())
//!     .with_credentials(Credentials::key(&gateway, &key));
//! # Ok(())
//! # }
//! ```
//!
//! # TLS
//!
//! Addresses with `https` and `wss` are spoken to over TLS, and checked against the authorities that the system trusts, or
//! those of a file ([`Tls::trusting`]). A game server on a platform whose gRPC ports take known callers only shows a
//! certificate ([`Tls::mutual`]).
//!
//! ```no_run
//! use battlearena_client::grpc::GameServer;
//! use battlearena_client::socket::SocketSettings;
//! use battlearena_client::{Gateway, Retry, Tls};
//! use battlearena_proto::PlayerId;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = Tls::mutual("ca.crt".as_ref(), "game-server.crt".as_ref(), "game-server.key.pem".as_ref())?;
//! let gateway = Gateway::new(&"https://arena.example:8000".parse()?, Retry::default())?.with_tls(&tls);
//! let server = GameServer::new(&"https://arena.example:9006".parse()?, Retry::default()).with_tls(&tls);
//! let ann = SocketSettings { tls, ..SocketSettings::new("wss://arena.example:8002/ws", PlayerId(1), "ann") };
//! # Ok(())
//! # }
//! ```
//!
//! # Traces, and who counts what is sent
//!
//! A client given [`Hooks`] sends the W3C trace context of its caller: as a header, as gRPC metadata, in the frame of a
//! socket's command. Attempts after the first carry the same, and what a socket tells names the trace that it belongs to
//! ([`socket::Message::traceparent`]). An [`Observer`] is told of every attempt, with its route and how it was answered.
//!
//! ```no_run
//! use battlearena_client::grpc::GameServer;
//! use battlearena_client::socket::SocketSettings;
//! use battlearena_client::{Gateway, Hooks, Retry};
//! use battlearena_proto::PlayerId;
//!
//! /// As the program's own tracing tells it.
//! fn traceparent() -> Option<String> {
//!     Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned())
//! }
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let hooks = Hooks::default().with_trace_context(traceparent);
//! let gateway = Gateway::new(&"http://127.0.0.1:8000".parse()?, Retry::default())?.with_hooks(hooks.clone());
//! let server =
//!     GameServer::new(&"http://127.0.0.1:9006".parse()?, Retry::default()).with_hooks(hooks.clone());
//! let ann = SocketSettings { hooks, ..SocketSettings::new("ws://127.0.0.1:8002/ws", PlayerId(1), "ann") };
//! # Ok(())
//! # }
//! ```

pub mod calls;
mod credentials;
mod error;
pub mod grpc;
mod hooks;
mod http;
mod retry;
pub mod socket;
mod tls;

pub use credentials::{Credentials, Tokens};
pub use error::{Error, Fault, Refusal};
pub use hooks::{Hooks, Observer, Sent, TraceContext};
pub use http::{AddressError, Call, Delivery, Gateway};
pub use retry::{Patience, Retry};
pub use secrecy::{ExposeSecret, SecretString};
pub use tls::{Tls, TlsError};
