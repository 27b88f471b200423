//! Who may go through which door, written by hand from the design: the platform's own table is not asked, so that what is
//! wrong there is found here.

use serde_json::{Value, json};

/// Who is let in at a door.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guests {
    /// Whoever comes, whatever it shows.
    pub(super) anybody: bool,
    pub(super) player: Players,
    pub(super) game_server: Keys,
    pub(super) operator: Keys,
    /// The platform's own services.
    pub(super) service: bool,
}

/// Which players.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Players {
    None,
    /// The one whom it is about.
    Itself,
    All,
}

/// Which keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// Those with the scope, and the tokens that they were exchanged for.
    With(&'static str),
    /// The keys themselves, whatever their scopes, and no tokens.
    Themselves,
}

const NOBODY: Guests = Guests {
    anybody: false,
    player: Players::None,
    game_server: Keys::None,
    operator: Keys::None,
    service: false,
};
const ANYBODY: Guests = Guests { anybody: true, ..NOBODY };
const ITSELF: Guests = Guests { player: Players::Itself, ..NOBODY };
const SERVICES: Guests = Guests { service: true, ..NOBODY };
const STATISTICS: Guests = SERVICES.game_server("stats:read").operator("stats:read");
const MATCH: Guests = SERVICES.game_server("matches:read").operator("matches:read");
const CHAT: Guests = SERVICES.operator("chat:read");
const ONE_PLAYER: Guests = ITSELF.game_server("players:read").operator("players:read");
const GAME_SERVERS: Guests = NOBODY.game_server("matches:write");
const MODERATORS: Guests = NOBODY.operator("players:moderate");

impl Guests {
    const fn all_players(self) -> Self {
        Self { player: Players::All, ..self }
    }

    const fn itself(self) -> Self {
        Self { player: Players::Itself, ..self }
    }

    const fn game_server(self, scope: &'static str) -> Self {
        Self { game_server: Keys::With(scope), ..self }
    }

    const fn operator(self, scope: &'static str) -> Self {
        Self { operator: Keys::With(scope), ..self }
    }
}

/// What every service serves.
pub(super) const OPERATIONS: [&str; 4] = ["GET /livez", "GET /readyz", "GET /health", "GET /metrics"];

/// The routes.
pub(super) const HTTP: &[(&str, Guests)] = &[
    ("GET /livez", ANYBODY),
    ("GET /readyz", ANYBODY),
    ("GET /health", ANYBODY),
    ("GET /metrics", ANYBODY),
    ("GET /", ANYBODY),
    ("GET /docs", ANYBODY),
    ("GET /docs/{file}", ANYBODY),
    ("GET /openapi.json", ANYBODY),
    ("GET /.well-known/jwks.json", ANYBODY),
    ("GET /ws", ANYBODY),
    ("POST /api/players/register", ANYBODY),
    ("POST /api/players/login", ANYBODY),
    ("POST /api/players/refresh", ANYBODY),
    ("POST /api/players/logout", ANYBODY),
    ("GET /api/stats/players", STATISTICS.all_players()),
    ("GET /api/stats/matches", STATISTICS.all_players()),
    ("GET /api/stats/revenue", STATISTICS.all_players()),
    ("GET /api/leaderboard", STATISTICS.all_players()),
    ("GET /history", CHAT.all_players()),
    ("GET /api/chat/{room}/history", CHAT.all_players()),
    ("GET /api/players/{player_id}", ONE_PLAYER),
    ("GET /api/players/{player_id}/matches", ONE_PLAYER),
    ("GET /api/players/{player_id}/transactions", ONE_PLAYER),
    ("GET /api/players/{player_id}/rank", ONE_PLAYER),
    ("PATCH /api/players/{player_id}", ITSELF),
    ("DELETE /api/players/{player_id}", ITSELF),
    ("GET /api/players/{player_id}/export", ITSELF),
    ("POST /api/players/{player_id}/password", ITSELF),
    ("POST /api/players/{player_id}/devices", ITSELF),
    ("DELETE /api/players/{player_id}/devices", ITSELF),
    ("POST /api/players/{player_id}/ban", MODERATORS),
    ("DELETE /api/players/{player_id}/ban", MODERATORS),
    ("POST /api/players/{player_id}/mute", MODERATORS),
    ("DELETE /api/players/{player_id}/mute", MODERATORS),
    ("GET /api/players/{player_id}/sanctions", MODERATORS),
    ("POST /api/transactions/create", ITSELF),
    ("GET /api/matches/{match_id}", MATCH.itself()),
    ("POST /api/matches/start", GAME_SERVERS),
    ("POST /api/matches/complete", GAME_SERVERS),
    ("POST /api/matches/crash", GAME_SERVERS),
    ("POST /api/matches/{match_id}/heartbeat", GAME_SERVERS),
    ("POST /api/system/event", NOBODY.game_server("events:write").operator("events:write")),
    ("POST /api/keys/token", Guests { game_server: Keys::Themselves, operator: Keys::Themselves, ..NOBODY }),
];

/// The methods, each at the services that have it.
pub(super) const RPC: &[(&str, &[&str], Guests)] = &[
    ("battlearena.match.v1.MatchService/StartMatch", &["match"], SERVICES.game_server("matches:write")),
    ("battlearena.match.v1.MatchService/CompleteMatch", &["match"], SERVICES.game_server("matches:write")),
    ("battlearena.match.v1.MatchService/CrashMatch", &["match"], SERVICES.game_server("matches:write")),
    ("battlearena.match.v1.MatchService/Heartbeat", &["match"], SERVICES.game_server("matches:write")),
    ("battlearena.match.v1.MatchService/GetMatch", &["match"], MATCH),
    ("battlearena.match.v1.MatchService/ListPlayerMatches", &["match"], MATCH),
    ("battlearena.events.v1.EventLogService/Append", &["analytics"], SERVICES),
    ("battlearena.events.v1.EventLogService/GetSourcePosition", &["analytics"], SERVICES),
    ("battlearena.events.v1.EventLogService/Subscribe", &["analytics"], SERVICES.operator("events:read")),
    ("battlearena.events.v1.EventLogService/Record", &["analytics"], SERVICES.game_server("events:write")),
    ("battlearena.analytics.v1.AnalyticsService/GetPlayerStats", &["analytics"], STATISTICS),
    ("battlearena.analytics.v1.AnalyticsService/GetMatchStats", &["analytics"], STATISTICS),
    ("battlearena.analytics.v1.AnalyticsService/GetRevenueStats", &["analytics"], STATISTICS),
    ("battlearena.analytics.v1.AnalyticsService/GetTotals", &["analytics"], STATISTICS),
    ("battlearena.analytics.v1.AnalyticsService/GetLeaderboard", &["analytics"], STATISTICS),
    ("battlearena.analytics.v1.AnalyticsService/GetPlayerRank", &["analytics"], STATISTICS),
    ("battlearena.analytics.v1.AnalyticsService/ExportPoints", &["analytics"], SERVICES),
    ("battlearena.realtime.v1.RealtimeService/ListMessages", &["socket-gateway"], CHAT),
    ("battlearena.realtime.v1.RealtimeService/ListPlayerMessages", &["socket-gateway"], SERVICES),
    ("grpc.health.v1.Health/Check", EVERYWHERE, ANYBODY),
    ("grpc.health.v1.Health/Watch", EVERYWHERE, ANYBODY),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", EVERYWHERE, ANYBODY),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", EVERYWHERE, ANYBODY),
];

const EVERYWHERE: &[&str] = &["match", "analytics", "socket-gateway"];

/// The commands of a socket, `hello` and `refresh` with the token that is shown; all are for players alone.
pub(super) fn commands(token: &str, bystander: i64) -> Vec<Value> {
    vec![
        json!({"type": "hello", "protocol": 1, "token": token}),
        json!({"type": "refresh", "token": token}),
        json!({"type": "subscribe", "channel": "feed"}),
        json!({"type": "unsubscribe", "channel": "feed"}),
        json!({"type": "join", "room": "a"}),
        json!({"type": "leave", "room": "a"}),
        json!({"type": "message", "room": "a", "client_id": "1", "text": "x"}),
        json!({"type": "history", "room": "a"}),
        json!({"type": "presence", "room": "a"}),
        json!({"type": "block", "player_id": bystander}),
        json!({"type": "unblock", "player_id": bystander}),
        json!({"type": "blocks"}),
        json!({"type": "ping"}),
    ]
}
