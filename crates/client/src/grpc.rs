//! gRPC: channels with settings that survive a restart of the other side, the generated clients on them, and the life
//! of a match as a game server sees it. A channel connects with its first call and again after a loss.

mod game_server;

use std::time::Duration;

use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::matches::match_service_client::MatchServiceClient;
use http::Uri;
use tonic::transport::{Channel, Endpoint};

pub use game_server::{GameServer, Outcome, StartedMatch};

/// A connection attempt that takes longer has failed; the next call tries again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is checked, and how long the other side may take: a dead one is noticed within seven seconds,
/// also by a stream that waits for its next message.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(2));

/// A channel to `http://host:port`. Clones share the connection. It sets no deadline: a call has its own
/// (`tonic::Request::set_timeout`), a stream has none.
pub fn channel(address: &Uri) -> Channel {
    let (interval, timeout) = KEEP_ALIVE;
    Endpoint::from(address.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .keep_alive_while_idle(true)
        .connect_lazy()
}

/// Statistics, totals and the leaderboard, on analytics' gRPC port.
pub fn analytics(address: &Uri) -> AnalyticsServiceClient<Channel> {
    AnalyticsServiceClient::new(channel(address))
}

/// The event log, on analytics' gRPC port.
pub fn event_log(address: &Uri) -> EventLogServiceClient<Channel> {
    EventLogServiceClient::new(channel(address))
}

/// Matches, on the match service's gRPC port.
pub fn matches(address: &Uri) -> MatchServiceClient<Channel> {
    MatchServiceClient::new(channel(address))
}
