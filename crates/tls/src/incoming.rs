//! Connections of a gRPC port, each after its handshake. Handshakes go on side by side, and none holds up the next
//! connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpListener;
use tokio::time::Sleep;

use crate::acceptor::Acceptor;
use crate::stream::Stream;

/// Handshakes at the same time; further connections wait in the system's queue.
const HANDSHAKES: usize = 1024;

/// How long to wait when the system gives no connection: files have run out, and asking again at once would only spin.
const PAUSE: Duration = Duration::from_millis(250);

/// For `serve_with_incoming_shutdown` of tonic. Never ends and never yields an error.
pub struct Incoming {
    listener: TcpListener,
    acceptor: Acceptor,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Stream>>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// The connections of a listener.
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        Self { listener, acceptor, handshakes: FuturesUnordered::new(), pause: None }
    }

    /// The next connection, before its handshake.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<BoxFuture<'static, Option<Stream>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                futures::ready!(pause.poll_unpin(context));
                self.pause = None;
            }
            match futures::ready!(self.listener.poll_accept(context)) {
                Ok((connection, address)) => {
                    // Frames are small, and nothing is gained by holding them back.
                    if let Err(error) = connection.set_nodelay(true) {
                        tracing::debug!(%error, "a connection was lost before its handshake");
                        continue;
                    }
                    let acceptor = self.acceptor.clone();
                    let handshake = async move { shaken(acceptor.accept(connection).await, address) };
                    return Poll::Ready(handshake.boxed());
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                }
            }
        }
    }
}

impl futures::Stream for Incoming {
    type Item = io::Result<Stream>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.handshakes.poll_next_unpin(context) {
                Poll::Ready(Some(Some(stream))) => return Poll::Ready(Some(Ok(stream))),
                Poll::Ready(Some(None)) => continue,
                Poll::Ready(None) | Poll::Pending => {}
            }
            if self.handshakes.len() >= HANDSHAKES {
                return Poll::Pending;
            }
            let handshake = futures::ready!(self.poll_accept(context));
            self.handshakes.push(handshake);
        }
    }
}

/// A handshake that failed is the client's business: scanners and probes make many of them.
fn shaken(result: io::Result<Stream>, address: SocketAddr) -> Option<Stream> {
    result.inspect_err(|error| tracing::debug!(%address, %error, "a handshake failed")).ok()
}
