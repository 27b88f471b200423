//! Which handshakes become sockets: those that are one, from a page that may, not too many from one address, and while
//! there is room.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use actix_http::ws::{hash_key, verify_handshake};
use actix_http::{Request, Response};
use actix_web::http::header::{HOST, HeaderName, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_KEY};
use actix_web::http::{Method, StatusCode};
use battlearena_identity::Gatekeeper;
use battlearena_identity::limits::{AddressLimiter, Decision, InFlight, Limit, Quota, Slot};
use battlearena_runtime::Readiness;

use super::PATH;
use crate::domain::Origins;
use crate::metrics::{HandshakeRefusal, Metrics};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// When who found no room may come back.
const NO_ROOM: Duration = Duration::from_secs(5);

/// When who came to a server that ends may come back: another one is there by then.
const DRAINING: Duration = Duration::from_secs(1);

/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 100_000;

/// What is asked of a handshake.
pub(crate) struct Entrance {
    pub(crate) readiness: Readiness,
    pub(crate) gatekeeper: std::sync::Arc<Gatekeeper>,
    pub(crate) origins: Origins,
    connects: AddressLimiter,
    places: InFlight,
}

/// A handshake that may become a socket.
pub(super) struct Ticket {
    /// The answer to it.
    pub(super) response: Vec<u8>,
    /// The socket's place, free again when this is dropped.
    pub(super) place: Slot,
}

/// A handshake that may not.
struct Refused {
    why: HandshakeRefusal,
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl Entrance {
    /// `connects` sockets may open from one address, and `places` may be open.
    pub(crate) fn new(
        readiness: Readiness,
        gatekeeper: std::sync::Arc<Gatekeeper>,
        origins: Origins,
        connects: Quota,
        places: usize,
    ) -> Self {
        let connects = AddressLimiter::new(Limit::Connect, connects, MOST_ADDRESSES, Instant::now());
        Self { readiness, gatekeeper, origins, connects, places: InFlight::new(places, NO_ROOM) }
    }

    /// Looks at a handshake. A refusal is counted.
    pub(super) fn check(&self, request: &Request) -> Result<Ticket, Response<()>> {
        self.ticket(request).map_err(|refused| {
            let Refused { why, status, retry_after } = refused;
            Metrics::get().handshake_refused(why);
            let mut response = Response::with_body(status, ());
            if let Some(after) = retry_after {
                // Whole seconds, upwards.
                let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response
        })
    }

    fn ticket(&self, request: &Request) -> Result<Ticket, Refused> {
        let refused = |why, status| Refused { why, status, retry_after: None };
        let malformed = || refused(HandshakeRefusal::Malformed, StatusCode::BAD_REQUEST);
        if request.path() != PATH {
            return Err(refused(HandshakeRefusal::NotFound, StatusCode::NOT_FOUND));
        }
        if self.readiness.is_draining() {
            let refused = refused(HandshakeRefusal::Draining, StatusCode::SERVICE_UNAVAILABLE);
            return Err(Refused { retry_after: Some(DRAINING), ..refused });
        }
        if request.method() != Method::GET {
            return Err(refused(HandshakeRefusal::Malformed, StatusCode::METHOD_NOT_ALLOWED));
        }
        if let Err(error) = verify_handshake(request.head()) {
            tracing::debug!(%error, "a broken handshake");
            return Err(malformed());
        }
        let headers = request.head().headers();
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(malformed)?;
        // An origin that is no text is an origin all the same.
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if !self.origins.admit(text(ORIGIN), text(HOST)) {
            return Err(refused(HandshakeRefusal::Origin, StatusCode::FORBIDDEN));
        }
        if let Decision::Wait(wait) = self.count_address(request) {
            let refused = refused(HandshakeRefusal::Throttled, StatusCode::TOO_MANY_REQUESTS);
            return Err(Refused { retry_after: Some(wait), ..refused });
        }
        let place = self.places.try_enter().map_err(|_full| {
            let refused = refused(HandshakeRefusal::Full, StatusCode::SERVICE_UNAVAILABLE);
            Refused { retry_after: Some(NO_ROOM), ..refused }
        })?;
        let accept = hash_key(key.as_bytes());
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
        Ok(Ticket { response: [&head[..], &accept[..], b"\r\n\r\n"].concat(), place })
    }

    /// In open mode nobody is counted.
    fn count_address(&self, request: &Request) -> Decision {
        let rules = self.gatekeeper.address_rules();
        let key = client(request, &self.gatekeeper).and_then(|client| rules.key(client));
        match key {
            Some(key) if !self.gatekeeper.is_open() => self.connects.take(key, Instant::now()),
            Some(_) | None => Decision::Allowed,
        }
    }
}

/// The address of a client, behind as many proxies as are trusted.
fn client(request: &Request, gatekeeper: &Gatekeeper) -> Option<IpAddr> {
    let forwarded = request.head().headers().get_all(X_FORWARDED_FOR);
    Some(gatekeeper.address_rules().client(request.peer_addr()?.ip(), forwarded))
}
