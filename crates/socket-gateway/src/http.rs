//! The HTTP port: health and metrics, and the handshake of sockets. A connection that becomes a socket leaves the HTTP
//! server for good: it is handed over bare, and the server's buffers go.

mod entrance;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_codec::{Framed, FramedParts};
use actix_http::h1::{Codec, SendResponse};
use actix_http::{HttpService, Request};
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, web};
use anyhow::Context as _;
use battlearena_host::careful;
use battlearena_host::http::listen;
use battlearena_identity::http::Guard;
use battlearena_identity::limits::Slot;
use battlearena_telemetry::http::{Handshakes, Instrument, Operations, not_found, operations};
use battlearena_telemetry::trace::current_traceparent;
use battlearena_tls::{Acceptor, Detached, Stream};
use bytes::Bytes;
use tokio::sync::mpsc;

pub(crate) use entrance::Entrance;
use entrance::Ticket;

use crate::metrics::{HandshakeRefusal, Metrics};

/// Where sockets are opened.
const PATH: &str = "/ws";

/// Handshakes that may wait to become sockets.
const MOST_WAITING: usize = 1024;

/// A connection that asked to become a socket, and may.
pub(crate) struct Upgraded {
    pub(crate) stream: Detached,
    /// What came right behind the handshake.
    pub(crate) early: Bytes,
    /// The answer to the handshake.
    pub(crate) response: Vec<u8>,
    /// The trace context of the handshake, when it is sampled.
    pub(crate) traceparent: Option<String>,
    /// The socket's place among those that may be open.
    pub(crate) place: Slot,
}

/// A running HTTP server.
pub(crate) struct Http {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) upgraded: mpsc::Receiver<Upgraded>,
}

/// Binds the port and serves; with health and metrics, unless these have a port of their own.
///
/// # Errors
/// When the port cannot be had.
pub(crate) fn serve(
    address: SocketAddr,
    acceptor: Acceptor,
    entrance: Entrance,
    operations_are_here: bool,
) -> anyhow::Result<Http> {
    let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let (sender, upgraded) = mpsc::channel(MOST_WAITING);
    let entrance = Arc::new(entrance);
    let is_encrypted = !acceptor.is_plain();
    let server = Server::build()
        // Probes, scrapes and handshakes only; sockets live on the main runtime.
        .workers(1)
        .disable_signals()
        .shutdown_timeout(2)
        .listen("http", listener, move || {
            let (entrance, sender) = (entrance.clone(), sender.clone());
            let readiness = entrance.readiness.clone();
            let guard = Guard::new(entrance.gatekeeper.clone());
            let handshakes = Rc::new(Handshakes::new(PATH));
            let upgrade = fn_service(move |(request, framed)| {
                upgrade(request, framed, handshakes.clone(), entrance.clone(), sender.clone())
            });
            let instrument =
                Instrument::new().with_readiness(readiness.clone()).with_routes([(Method::GET, PATH)]);
            let shown = Operations { readiness, service: "socket-gateway" };
            let app = App::new()
                .configure(|config| {
                    if operations_are_here {
                        operations(config, shown);
                    }
                })
                .route(PATH, web::get().to(async || HttpResponse::UpgradeRequired().finish()))
                .default_service(not_found())
                .wrap(guard)
                .wrap(from_fn(move |request, next| careful(is_encrypted, request, next)))
                .wrap(instrument)
                .into_factory()
                .map_err(|error: actix_web::Error| error.error_response());
            let http =
                HttpService::build().upgrade(upgrade).finish(map_config(app, move |()| AppConfig::default()));
            acceptor.clone().connections().and_then(http)
        })?
        .run();
    Ok(Http { server, address, upgraded })
}

async fn upgrade(
    request: Request,
    framed: Framed<Stream, Codec>,
    handshakes: Rc<Handshakes>,
    entrance: Arc<Entrance>,
    sender: mpsc::Sender<Upgraded>,
) -> Result<(), actix_web::Error> {
    let handshake = handshakes.begin(request.head());
    let Ticket { response, place } = match entrance.check(&request) {
        Ok(ticket) => ticket,
        Err(refusal) => {
            handshake.answered(refusal.status().as_u16());
            return Ok(SendResponse::new(framed, refusal).await.map(drop)?);
        }
    };
    let traceparent = handshake.span().in_scope(current_traceparent);
    let FramedParts { io, read_buf, .. } = framed.into_parts();
    let upgraded = Upgraded { stream: io.detach()?, early: read_buf.freeze(), response, traceparent, place };
    let status = if sender.send(upgraded).await.is_ok() {
        StatusCode::SWITCHING_PROTOCOLS
    } else {
        // The service ends: the connection is closed, and the client comes back later.
        Metrics::get().handshake_refused(HandshakeRefusal::Draining);
        StatusCode::SERVICE_UNAVAILABLE
    };
    handshake.answered(status.as_u16());
    Ok(())
}
