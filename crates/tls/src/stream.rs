//! A connection, plain or over TLS, which can move from one runtime to another.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// An accepted connection. What was written over TLS is on its way only after a flush.
pub struct Stream(Kind);

enum Kind {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<Slot>>),
}

/// Who is on the other side. gRPC handlers find it among the extensions of a request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where the connection comes from.
    pub address: Option<SocketAddr>,
    /// The certificate that was shown and checked.
    pub certificate: Option<Arc<CertificateDer<'static>>>,
}

/// A connection that belongs to no runtime.
pub struct Detached {
    connection: std::net::TcpStream,
    session: Option<Box<TlsStream<Slot>>>,
}

/// The connection under a TLS session; empty while it moves.
pub(crate) struct Slot(Option<TcpStream>);

impl Stream {
    pub(crate) fn plain(connection: TcpStream) -> Self {
        Self(Kind::Plain(connection))
    }

    pub(crate) fn encrypted(stream: TlsStream<Slot>) -> Self {
        Self(Kind::Encrypted(Box::new(stream)))
    }

    /// Who is on the other side.
    pub fn peer(&self) -> Peer {
        let (connection, certificates) = match &self.0 {
            Kind::Plain(connection) => (Some(connection), None),
            Kind::Encrypted(stream) => {
                let (slot, session) = stream.get_ref();
                (slot.0.as_ref(), session.peer_certificates())
            }
        };
        Peer {
            address: connection.and_then(|connection| connection.peer_addr().ok()),
            certificate: certificates.and_then(|chain| chain.first()).cloned().map(Arc::new),
        }
    }

    /// Takes the connection from the runtime that it was accepted on. Nothing that was received is lost.
    ///
    /// # Errors
    /// The system does not let go of it.
    pub fn detach(self) -> io::Result<Detached> {
        match self.0 {
            Kind::Plain(connection) => Ok(Detached { connection: connection.into_std()?, session: None }),
            Kind::Encrypted(mut session) => {
                let connection = session.get_mut().0.0.take().ok_or(io::ErrorKind::NotConnected)?;
                Ok(Detached { connection: connection.into_std()?, session: Some(session) })
            }
        }
    }
}

impl Detached {
    /// Gives the connection to the current runtime.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub fn attach(self) -> io::Result<Stream> {
        let connection = TcpStream::from_std(self.connection)?;
        Ok(Stream(match self.session {
            None => Kind::Plain(connection),
            Some(mut session) => {
                session.get_mut().0.0 = Some(connection);
                Kind::Encrypted(session)
            }
        }))
    }
}

/// For socket options.
impl AsFd for Detached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Connected for Stream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer()
    }
}

impl From<TcpStream> for Slot {
    fn from(connection: TcpStream) -> Self {
        Self(Some(connection))
    }
}

impl Slot {
    fn get(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Slot {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Slot {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get()?.poll_shutdown(context)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Kind::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Kind::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Kind::Encrypted(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(context),
            Kind::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Kind::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
