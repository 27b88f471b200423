//! gRPC: channels with settings that survive a restart of the other side, the generated clients on them, and the life
//! of a match as a game server sees it. A channel connects with its first call and again after a loss.

mod game_server;

use std::task::{Context, Poll};
use std::time::Duration;

use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use http::Uri;
use http::uri::Scheme;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use crate::tls::Tls;

pub use game_server::{GameServer, Outcome, StartedMatch};

/// A connection attempt that takes longer has failed; the next call tries again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is checked, and how long the other side may take: a dead one is noticed within seven seconds,
/// also by a stream that waits for its next message.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(2));

/// A channel to `http://host:port` or `https://host:port`. Clones share the connection. It sets no deadline: a call has its
/// own (`tonic::Request::set_timeout`), a stream has none.
pub fn channel(address: &Uri, tls: &Tls) -> Channel {
    let (interval, timeout) = KEEP_ALIVE;
    let scheme = address.scheme().unwrap_or(&Scheme::HTTP);
    let connector =
        Connector { to: tls.connector(scheme, "h2", HttpConnector::new()), address: address.clone() };
    // Tonic refuses to leave an https address to a connector when it was built with TLS of its own.
    Endpoint::from(Uri::from_static("http://platform"))
        .origin(address.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector)
}

/// Statistics, totals and the leaderboard, on analytics' gRPC port.
pub fn analytics(address: &Uri, tls: &Tls) -> AnalyticsServiceClient<Channel> {
    AnalyticsServiceClient::new(channel(address, tls))
}

/// The event log, on analytics' gRPC port.
pub fn event_log(address: &Uri, tls: &Tls) -> EventLogServiceClient<Channel> {
    EventLogServiceClient::new(channel(address, tls))
}

/// Matches, on the match service's gRPC port.
pub fn matches(address: &Uri, tls: &Tls) -> MatchServiceClient<Channel> {
    MatchServiceClient::new(channel(address, tls))
}

/// Connects to one address, whatever the endpoint says.
#[derive(Clone)]
struct Connector {
    to: HttpsConnector<HttpConnector>,
    address: Uri,
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = <HttpsConnector<HttpConnector> as Service<Uri>>::Error;
    type Future = <HttpsConnector<HttpConnector> as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.to.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.to.call(self.address.clone())
    }
}
