//! Certificates: loaded, checked, reloaded; server and client configurations for HTTP, WebSocket and gRPC. Knows no
//! service and decides nothing about callers: it says which certificate they showed.
//!
//! A configuration is made once and holds no certificate: each handshake looks up what was loaded last ([`Tls`]). A
//! connection keeps what it was opened with.

mod acceptor;
mod actix;
mod client;
mod current;
mod error;
mod fetch;
mod files;
mod incoming;
mod metrics;
mod server;
mod settings;
mod stream;
mod tls;
mod watch;

pub use acceptor::Acceptor;
pub use error::{Problem, TlsError};
pub use fetch::{FetchError, Fetched, Fetcher};
pub use incoming::Incoming;
pub use rustls;
pub use settings::Settings;
pub use stream::{Detached, Peer, Stream};
pub use tls::Tls;
