//! The table. A route, RPC or socket command comes with its line here; the tests of the services compare theirs with it.

use super::{Access, Door, Entry, KeyAccess};
use crate::scope::Scope;

/// Who may read one player: itself, game servers, operators.
const ONE_PLAYER: Access =
    Access::OWN_PLAYER.or_game_server(Scope::PlayersRead).or_operator(Scope::PlayersRead);

/// Who may run matches. Between services the gateway vouches for whom it let in.
const MATCHES: Access = Access::NOBODY.or_game_server(Scope::MatchesWrite);
const MATCH_CALLS: Access = Access::SERVICES.or_game_server(Scope::MatchesWrite);

/// Who may read matches by RPC; over HTTP players may as well.
const MATCH_READS: Access =
    Access::SERVICES.or_game_server(Scope::MatchesRead).or_operator(Scope::MatchesRead);

/// Who may read statistics by RPC; over HTTP players may as well.
const STATISTICS: Access = Access::SERVICES.or_game_server(Scope::StatsRead).or_operator(Scope::StatsRead);

/// Who may read along by RPC; over HTTP players may as well.
const CHAT_READS: Access = Access::SERVICES.or_operator(Scope::ChatRead);

/// A player's way in.
const OWN_CREDENTIALS: Access = Access::OWN_PLAYER.changing_credentials();

/// Who may ban and mute.
const MODERATORS: Access = Access::NOBODY.or_operator(Scope::PlayersModerate);

/// An API key of any scopes, which is exchanged for a token.
const KEY_HOLDERS: Access =
    Access { game_server: KeyAccess::Yes, operator: KeyAccess::Yes, ..Access::NOBODY }.changing_credentials();

/// Every door of the platform.
pub const TABLE: &[Entry] = &[
    // Operations, of every service. They say nothing of players; `--admin-addr` moves them.
    http("GET", "/livez", Access::PUBLIC),
    http("GET", "/readyz", Access::PUBLIC),
    http("GET", "/health", Access::PUBLIC),
    http("GET", "/metrics", Access::PUBLIC),
    // The gateway. Log-in, refresh and log-out bring their credential in the body.
    http("GET", "/", Access::PUBLIC),
    http("GET", "/docs", Access::PUBLIC),
    http("GET", "/docs/{file}", Access::PUBLIC),
    http("GET", "/openapi.json", Access::PUBLIC),
    http("GET", "/.well-known/jwks.json", Access::PUBLIC),
    http("POST", "/api/players/register", Access::PUBLIC),
    http("POST", "/api/players/login", Access::PUBLIC),
    http("POST", "/api/players/refresh", Access::PUBLIC),
    http("POST", "/api/players/logout", Access::PUBLIC),
    http("GET", "/api/stats/players", STATISTICS.or_players()),
    http("GET", "/api/stats/matches", STATISTICS.or_players()),
    http("GET", "/api/stats/revenue", STATISTICS.or_players()),
    http("GET", "/api/leaderboard", STATISTICS.or_players()),
    http("GET", "/history", CHAT_READS.or_players()),
    http("GET", "/api/chat/{room}/history", CHAT_READS.or_players()),
    http("GET", "/api/players/{player_id}", ONE_PLAYER),
    http("GET", "/api/players/{player_id}/matches", ONE_PLAYER),
    http("GET", "/api/players/{player_id}/transactions", ONE_PLAYER),
    http("GET", "/api/players/{player_id}/rank", ONE_PLAYER),
    // A player sees the matches that it played in: the handler looks.
    http("GET", "/api/matches/{match_id}", MATCH_READS.or_players()),
    http("POST", "/api/matches/start", MATCHES),
    http("POST", "/api/matches/complete", MATCHES),
    http("POST", "/api/matches/crash", MATCHES),
    http("POST", "/api/matches/{match_id}/heartbeat", MATCHES),
    http("POST", "/api/transactions/create", Access::OWN_PLAYER),
    http(
        "POST",
        "/api/system/event",
        Access::NOBODY.or_game_server(Scope::EventsWrite).or_operator(Scope::EventsWrite),
    ),
    // The account.
    http("PATCH", "/api/players/{player_id}", Access::OWN_PLAYER),
    http("DELETE", "/api/players/{player_id}", Access::OWN_PLAYER),
    http("GET", "/api/players/{player_id}/export", Access::OWN_PLAYER),
    http("POST", "/api/players/{player_id}/password", OWN_CREDENTIALS),
    http("POST", "/api/players/{player_id}/devices", OWN_CREDENTIALS),
    http("DELETE", "/api/players/{player_id}/devices", OWN_CREDENTIALS),
    // Moderation.
    http("POST", "/api/players/{player_id}/ban", MODERATORS),
    http("DELETE", "/api/players/{player_id}/ban", MODERATORS),
    http("POST", "/api/players/{player_id}/mute", MODERATORS),
    http("DELETE", "/api/players/{player_id}/mute", MODERATORS),
    http("GET", "/api/players/{player_id}/sanctions", MODERATORS),
    // API keys. They are made and revoked on the database alone: `arena keys`.
    http("POST", "/api/keys/token", KEY_HOLDERS),
    // The socket-gateway: `hello` carries the token.
    http("GET", "/ws", Access::PUBLIC),
    // RPCs.
    rpc("battlearena.match.v1.MatchService/StartMatch", MATCH_CALLS),
    rpc("battlearena.match.v1.MatchService/CompleteMatch", MATCH_CALLS),
    rpc("battlearena.match.v1.MatchService/CrashMatch", MATCH_CALLS),
    rpc("battlearena.match.v1.MatchService/Heartbeat", MATCH_CALLS),
    rpc("battlearena.match.v1.MatchService/GetMatch", MATCH_READS),
    rpc("battlearena.match.v1.MatchService/ListPlayerMatches", MATCH_READS),
    rpc("battlearena.events.v1.EventLogService/Append", Access::SERVICES),
    rpc("battlearena.events.v1.EventLogService/GetSourcePosition", Access::SERVICES),
    rpc("battlearena.events.v1.EventLogService/Subscribe", Access::SERVICES.or_operator(Scope::EventsRead)),
    rpc("battlearena.events.v1.EventLogService/Record", Access::SERVICES.or_game_server(Scope::EventsWrite)),
    rpc("battlearena.analytics.v1.AnalyticsService/GetPlayerStats", STATISTICS),
    rpc("battlearena.analytics.v1.AnalyticsService/GetMatchStats", STATISTICS),
    rpc("battlearena.analytics.v1.AnalyticsService/GetRevenueStats", STATISTICS),
    rpc("battlearena.analytics.v1.AnalyticsService/GetTotals", STATISTICS),
    rpc("battlearena.analytics.v1.AnalyticsService/GetLeaderboard", STATISTICS),
    rpc("battlearena.analytics.v1.AnalyticsService/GetPlayerRank", STATISTICS),
    rpc("battlearena.analytics.v1.AnalyticsService/ExportPoints", Access::SERVICES),
    rpc("battlearena.realtime.v1.RealtimeService/ListMessages", CHAT_READS),
    rpc("battlearena.realtime.v1.RealtimeService/ListPlayerMessages", Access::SERVICES),
    rpc("grpc.health.v1.Health/Check", Access::PUBLIC),
    rpc("grpc.health.v1.Health/Watch", Access::PUBLIC),
    rpc("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::PUBLIC),
    rpc("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::PUBLIC),
    // Socket commands.
    socket("hello", Access::PUBLIC),
    socket("subscribe", Access::PLAYERS),
    socket("unsubscribe", Access::PLAYERS),
    socket("join", Access::PLAYERS),
    socket("leave", Access::PLAYERS),
    socket("message", Access::PLAYERS),
    socket("history", Access::PLAYERS),
    socket("presence", Access::PLAYERS),
    socket("ping", Access::PLAYERS),
    socket("refresh", Access::PLAYERS),
    socket("block", Access::PLAYERS),
    socket("unblock", Access::PLAYERS),
    socket("blocks", Access::PLAYERS),
];

const fn http(method: &'static str, pattern: &'static str, access: Access) -> Entry {
    Entry { door: Door::Http(method, pattern), access }
}

const fn rpc(method: &'static str, access: Access) -> Entry {
    Entry { door: Door::Rpc(method), access }
}

const fn socket(command: &'static str, access: Access) -> Entry {
    Entry { door: Door::Socket(command), access }
}
