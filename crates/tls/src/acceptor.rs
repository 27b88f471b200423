//! Makes a [`Stream`] of an accepted connection, by a handshake that has a bound.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::stream::Stream;

/// How long a handshake may take: a few round trips on a bad line.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Accepts connections, over TLS when there is a certificate.
#[derive(Clone)]
pub struct Acceptor(Option<TlsAcceptor>);

impl Acceptor {
    pub(crate) fn new(config: Option<ServerConfig>) -> Self {
        Self(config.map(|config| TlsAcceptor::from(Arc::new(config))))
    }

    /// Whether connections are accepted without a handshake.
    pub fn is_plain(&self) -> bool {
        self.0.is_none()
    }

    /// Makes the handshake. Without a certificate there is none, and the result is immediate.
    ///
    /// # Errors
    /// The client speaks no TLS, or none that fits; it shows no certificate where it must; it is gone, or takes longer
    /// than five seconds.
    pub async fn accept(&self, connection: TcpStream) -> io::Result<Stream> {
        let Some(acceptor) = &self.0 else { return Ok(Stream::plain(connection)) };
        let handshake = acceptor.accept(connection.into());
        tokio::time::timeout(HANDSHAKE, handshake).await?.map(Stream::encrypted)
    }
}
