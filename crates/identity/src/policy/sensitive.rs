//! The doors that do harm when they stand open, each with everybody who may go through it: written by hand from the
//! design. The table is not asked, so that a line that is wrong or missing there is found here.

use battlearena_proto::PlayerId;

use super::*;
use crate::caller::{Key, Player, SessionId};
use crate::scope::{Scope, Scopes};

/// A door that does harm when it stands open, and everybody who may go through it. Every scope that is not named here
/// opens nothing, and a door that is missing in the table is missed here.
struct Sensitive {
    door: Door<'static>,
    player: bool,
    game_server: Option<Scope>,
    operator: Option<Scope>,
    service: bool,
    open: bool,
}

/// Nobody.
const SHUT: Sensitive = Sensitive {
    door: Door::Socket(""),
    player: false,
    game_server: None,
    operator: None,
    service: false,
    open: false,
};

#[test]
fn sensitive_doors_open_for_whom_they_must_and_for_nobody_else() {
    let policy = Policy::new();
    for Sensitive { door, player, game_server, operator, service, open } in sensitive() {
        let opens = |caller: &Caller| policy.check(door, caller).is_ok();
        let ada = Player {
            id: PlayerId(7),
            session: SessionId(1),
            name: "ada".into(),
            tier: battlearena_proto::Tier::Free,
        };
        assert!(!opens(&Caller::Anonymous), "{door:?}");
        assert_eq!(opens(&Caller::Player(ada)), player, "{door:?}");
        assert_eq!((opens(&Caller::Service), opens(&Caller::Open)), (service, open), "{door:?}");
        for scope in Scope::ALL {
            let key = held(Scopes::NONE.with(scope));
            assert_eq!(
                opens(&Caller::GameServer(key.clone())),
                game_server == Some(scope),
                "{door:?} {scope:?}"
            );
            assert_eq!(opens(&Caller::Operator(key)), operator == Some(scope), "{door:?} {scope:?}");
        }
        for keyless in [Caller::GameServer(held(Scopes::NONE)), Caller::Operator(held(Scopes::NONE))] {
            assert!(!opens(&keyless), "{door:?} {keyless:?}");
        }
    }
}

/// Written by hand from the design; the table is not asked.
fn sensitive() -> Vec<Sensitive> {
    let http = |method, path| Sensitive { door: Door::Http(method, path), ..SHUT };
    let rpc = |method| Sensitive { door: Door::Rpc(method), ..SHUT };
    // Accounts: the player alone. In open mode there is no way to a credential.
    let own = |door: Sensitive| Sensitive { player: true, open: true, ..door };
    let credential = |door: Sensitive| Sensitive { player: true, ..door };
    let moderator = |door: Sensitive| Sensitive { operator: Some(Scope::PlayersModerate), ..door };
    let matches = |door: Sensitive| Sensitive { game_server: Some(Scope::MatchesWrite), open: true, ..door };
    let both = |scope, door: Sensitive| Sensitive {
        game_server: Some(scope),
        operator: Some(scope),
        open: true,
        ..door
    };
    vec![
        own(http("POST", "/api/transactions/create")),
        own(http("PATCH", "/api/players/{player_id}")),
        own(http("DELETE", "/api/players/{player_id}")),
        own(http("GET", "/api/players/{player_id}/export")),
        credential(http("POST", "/api/players/{player_id}/password")),
        credential(http("POST", "/api/players/{player_id}/devices")),
        credential(http("DELETE", "/api/players/{player_id}/devices")),
        moderator(http("POST", "/api/players/{player_id}/ban")),
        moderator(http("DELETE", "/api/players/{player_id}/ban")),
        moderator(http("POST", "/api/players/{player_id}/mute")),
        moderator(http("DELETE", "/api/players/{player_id}/mute")),
        moderator(http("GET", "/api/players/{player_id}/sanctions")),
        matches(http("POST", "/api/matches/start")),
        matches(http("POST", "/api/matches/complete")),
        matches(http("POST", "/api/matches/crash")),
        matches(http("POST", "/api/matches/{match_id}/heartbeat")),
        both(Scope::EventsWrite, http("POST", "/api/system/event")),
        own(both(Scope::PlayersRead, http("GET", "/api/players/{player_id}"))),
        own(both(Scope::PlayersRead, http("GET", "/api/players/{player_id}/transactions"))),
        Sensitive { service: true, ..own(both(Scope::MatchesRead, http("GET", "/api/matches/{match_id}"))) },
        Sensitive { service: true, ..own(both(Scope::StatsRead, http("GET", "/api/stats/revenue"))) },
        Sensitive { service: true, operator: Some(Scope::ChatRead), ..own(http("GET", "/history")) },
        Sensitive {
            service: true,
            operator: Some(Scope::ChatRead),
            ..own(http("GET", "/api/chat/{room}/history"))
        },
        Sensitive { service: true, ..matches(rpc("battlearena.match.v1.MatchService/StartMatch")) },
        Sensitive { service: true, ..matches(rpc("battlearena.match.v1.MatchService/CompleteMatch")) },
        Sensitive { service: true, ..matches(rpc("battlearena.match.v1.MatchService/CrashMatch")) },
        Sensitive { service: true, open: true, ..rpc("battlearena.events.v1.EventLogService/Append") },
        Sensitive {
            service: true,
            open: true,
            ..rpc("battlearena.events.v1.EventLogService/GetSourcePosition")
        },
        Sensitive {
            service: true,
            open: true,
            ..rpc("battlearena.analytics.v1.AnalyticsService/ExportPoints")
        },
        Sensitive {
            service: true,
            open: true,
            operator: Some(Scope::EventsRead),
            ..rpc("battlearena.events.v1.EventLogService/Subscribe")
        },
        Sensitive {
            service: true,
            open: true,
            game_server: Some(Scope::EventsWrite),
            ..rpc("battlearena.events.v1.EventLogService/Record")
        },
        Sensitive {
            service: true,
            open: true,
            operator: Some(Scope::ChatRead),
            ..rpc("battlearena.realtime.v1.RealtimeService/ListMessages")
        },
        own(Sensitive { door: Door::Socket("message"), ..SHUT }),
    ]
}

#[test]
fn a_key_is_exchanged_by_its_holder_alone() {
    let (policy, door) = (Policy::new(), Door::Http("POST", "/api/keys/token"));
    let ada = Player {
        id: PlayerId(7),
        session: SessionId(1),
        name: "ada".into(),
        tier: battlearena_proto::Tier::Free,
    };
    for outsider in [Caller::Anonymous, Caller::Player(ada), Caller::Service, Caller::Open] {
        assert!(policy.check(door, &outsider).is_err(), "{outsider:?}");
    }
    for holder in [Caller::GameServer(held(Scopes::NONE)), Caller::Operator(held(Scopes::NONE))] {
        assert!(policy.check(door, &holder).is_ok(), "{holder:?}");
    }
}

#[test]
fn no_other_door_stands_open_to_strangers() {
    let policy = Policy::new();
    let open: Vec<String> = TABLE
        .iter()
        .filter(|entry| policy.check(entry.door, &Caller::Anonymous).is_ok())
        .map(|entry| entry.door.to_string())
        .collect();
    let expected = [
        "GET /livez",
        "GET /readyz",
        "GET /health",
        "GET /metrics",
        "GET /",
        "GET /docs",
        "GET /docs/{file}",
        "GET /openapi.json",
        "GET /.well-known/jwks.json",
        "POST /api/players/register",
        "POST /api/players/login",
        "POST /api/players/refresh",
        "POST /api/players/logout",
        "GET /ws",
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "hello",
    ];
    assert_eq!(open, expected);
}

fn held(scopes: Scopes) -> Key {
    Key { id: "key".into(), scopes }
}
