//! Connections of an actix server: each makes its handshake in a task of its own, on the worker that serves it.

use std::io;
use std::net::SocketAddr;

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactory, fn_service};
use tokio::net::TcpStream;

use crate::acceptor::Acceptor;
use crate::stream::Stream;

/// A connection as `actix_http::HttpService` takes it.
type Connection = (Stream, Protocol, Option<SocketAddr>);

impl Acceptor {
    /// The first service of an HTTP/1.1 port; `HttpService` comes after it, by `and_then`.
    pub fn connections(
        self,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = Connection, Error = DispatchError, InitError = ()>
    {
        fn_service(move |connection: TcpStream| {
            let acceptor = self.clone();
            async move {
                let peer = connection.peer_addr().ok();
                let stream = open(&acceptor, connection).await.map_err(|error| {
                    tracing::debug!(?peer, %error, "a handshake failed");
                    DispatchError::Io(error)
                })?;
                Ok((stream, Protocol::Http1, peer))
            }
        })
    }
}

async fn open(acceptor: &Acceptor, connection: TcpStream) -> io::Result<Stream> {
    // Answers are written whole, and nothing is gained by holding them back.
    connection.set_nodelay(true)?;
    acceptor.accept(connection).await
}
