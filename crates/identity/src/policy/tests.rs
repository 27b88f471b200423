//! The table against the contracts, and every door against every caller. The expectations are written out by hand: the
//! table is not asked what the table says.

use std::collections::{BTreeMap, BTreeSet};

use battlearena_proto::{ErrorKind, FILE_DESCRIPTOR_SET, PlayerId};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::caller::{Key, Player, SessionId};
use crate::scope::{Role, Scope, Scopes};

fn key(scopes: Scopes) -> Key {
    Key { id: "key".into(), scopes }
}

fn callers() -> [(&'static str, Caller); 8] {
    let player = Player {
        id: PlayerId(7),
        session: SessionId(1),
        name: "ada".into(),
        tier: battlearena_proto::Tier::Free,
    };
    [
        ("anonymous", Caller::Anonymous),
        ("player", Caller::Player(player)),
        ("game server", Caller::GameServer(key(Role::GameServer.scopes()))),
        ("game server without scopes", Caller::GameServer(key(Scopes::NONE))),
        ("operator", Caller::Operator(key(Role::Operator.scopes()))),
        ("operator without scopes", Caller::Operator(key(Scopes::NONE))),
        ("service", Caller::Service),
        ("open", Caller::Open),
    ]
}

/// The sorts of doors, each with who is let in, in the order of [`callers`]: `+` in, `-` forbidden, `?` who are you.
const SORTS: &[(&str, &str)] = &[
    ("public", "++++++++"),
    ("statistics", "?++-+-++"),
    ("own matches", "?++-+-++"),
    ("chat", "?+--+-++"),
    ("one player", "?++-+--+"),
    ("own player", "?+-----+"),
    ("own credentials", "?+------"),
    ("players", "?+-----+"),
    ("matches", "?-+----+"),
    ("match calls", "?-+---++"),
    ("reads", "?-+-+-++"),
    ("events", "?-+-+--+"),
    ("record", "?-+---++"),
    ("services", "?-----++"),
    ("operators or services", "?---+-++"),
    ("moderators", "?---+---"),
    ("keys", "?-++++--"),
];

fn sort_of(door: Door<'_>) -> &'static str {
    match door {
        Door::Http(method, path) => match (method, path) {
            ("GET", "/livez" | "/readyz" | "/health" | "/metrics" | "/ws") => "public",
            ("GET", "/" | "/docs" | "/docs/{file}" | "/openapi.json" | "/.well-known/jwks.json") => "public",
            ("POST", "/api/players/register" | "/api/players/login") => "public",
            ("POST", "/api/players/refresh" | "/api/players/logout") => "public",
            ("GET", "/api/stats/players" | "/api/stats/matches" | "/api/stats/revenue") => "statistics",
            ("GET", "/api/leaderboard") => "statistics",
            ("GET", "/history" | "/api/chat/{room}/history") => "chat",
            ("GET", "/api/matches/{match_id}") => "own matches",
            ("POST", "/api/players/{player_id}/password") => "own credentials",
            ("POST" | "DELETE", "/api/players/{player_id}/devices") => "own credentials",
            ("GET", "/api/players/{player_id}/export") => "own player",
            ("GET", "/api/players/{player_id}/sanctions") => "moderators",
            ("GET", "/api/players/{player_id}" | "/api/players/{player_id}/matches") => "one player",
            ("GET", "/api/players/{player_id}/transactions" | "/api/players/{player_id}/rank") => {
                "one player"
            }
            ("POST", "/api/matches/start" | "/api/matches/complete" | "/api/matches/crash") => "matches",
            ("POST", "/api/matches/{match_id}/heartbeat") => "matches",
            ("POST", "/api/transactions/create") => "own player",
            ("POST", "/api/system/event") => "events",
            ("POST" | "DELETE", "/api/players/{player_id}/ban" | "/api/players/{player_id}/mute") => {
                "moderators"
            }
            ("POST", "/api/keys/token") => "keys",
            ("PATCH" | "DELETE", "/api/players/{player_id}") => "own player",
            other => panic!("no expectation for {other:?}"),
        },
        Door::Rpc(method) => match method.split_once('/').unwrap() {
            ("grpc.health.v1.Health", _) => "public",
            (service, _) if service.starts_with("grpc.reflection.") => "public",
            ("battlearena.match.v1.MatchService", "GetMatch" | "ListPlayerMatches") => "reads",
            ("battlearena.match.v1.MatchService", _) => "match calls",
            ("battlearena.events.v1.EventLogService", "Record") => "record",
            ("battlearena.events.v1.EventLogService", "Subscribe") => "operators or services",
            ("battlearena.events.v1.EventLogService", _) => "services",
            ("battlearena.analytics.v1.AnalyticsService", "ExportPoints") => "services",
            ("battlearena.analytics.v1.AnalyticsService", _) => "reads",
            ("battlearena.realtime.v1.RealtimeService", "ListMessages") => "operators or services",
            ("battlearena.realtime.v1.RealtimeService", "ListPlayerMessages") => "services",
            other => panic!("no expectation for {other:?}"),
        },
        Door::Socket("hello") => "public",
        Door::Socket(_) => "players",
    }
}

#[test]
fn every_door_lets_in_whom_it_should() {
    let (policy, sorts) = (Policy::new(), SORTS.iter().copied().collect::<BTreeMap<_, _>>());
    for Entry { door, .. } in TABLE {
        let expected = sorts[sort_of(*door)];
        for ((name, caller), expected) in callers().iter().zip(expected.chars()) {
            let outcome = policy.check(*door, caller).map_err(|failure| failure.kind());
            let expected = match expected {
                '+' => Ok(()),
                '-' => Err(ErrorKind::Forbidden),
                _ => Err(ErrorKind::Unauthenticated),
            };
            assert_eq!(outcome, expected, "{door:?} for {name}");
        }
    }
}

#[test]
fn every_single_scope_opens_only_what_needs_it() {
    let policy = Policy::new();
    for Entry { door, access } in TABLE {
        for scope in Scope::ALL {
            let scopes = Scopes::NONE.with(scope);
            let opens = |needed: KeyAccess| match needed {
                KeyAccess::No => false,
                KeyAccess::With(needed) => needed == scope,
                KeyAccess::Yes => true,
            };
            let operator = policy.check(*door, &Caller::Operator(key(scopes))).is_ok();
            assert_eq!(operator, opens(access.operator), "{door:?} {scope:?}");
            let server = policy.check(*door, &Caller::GameServer(key(scopes))).is_ok();
            assert_eq!(server, opens(access.game_server), "{door:?} {scope:?}");
        }
    }
}

#[test]
fn what_has_no_entry_is_closed_to_everybody() {
    let policy = Policy::new();
    for door in [
        Door::Http("GET", "/api/secrets"),
        Door::Http("DELETE", "/api/leaderboard"),
        Door::Http("get", "/"),
        Door::Http("GET", "/api/players/7"),
        Door::Rpc("battlearena.match.v1.MatchService/Erase"),
        Door::Rpc("/battlearena.match.v1.MatchService/GetMatch"),
        Door::Rpc("hello"),
        Door::Socket("shout"),
        Door::Socket("/"),
    ] {
        for (name, caller) in callers() {
            let kind = policy.check(door, &caller).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::Forbidden, "{door:?} for {name}");
        }
    }
}

#[test]
fn a_door_that_is_written_twice_is_closed() {
    let twice = |access| Entry { door: Door::Socket("join"), access };
    let policy = Policy::of(&[twice(Access::PUBLIC), twice(Access::PUBLIC)]);
    for (name, caller) in callers() {
        assert!(policy.check(Door::Socket("join"), &caller).is_err(), "{name}");
    }
    let doors: BTreeSet<String> = TABLE.iter().map(|entry| format!("{:?}", entry.door)).collect();
    assert_eq!(doors.len(), TABLE.len());
}

#[test]
fn every_rpc_of_the_contracts_has_an_entry_and_no_other_of_ours() {
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let contracts: BTreeSet<String> = files
        .iter()
        .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
        .flat_map(|(package, service)| {
            service.method.iter().map(move |method| format!("{package}.{}/{}", service.name(), method.name()))
        })
        .collect();
    let table: BTreeSet<String> = TABLE
        .iter()
        .filter_map(|entry| match entry.door {
            Door::Rpc(method) if method.starts_with("battlearena.") => Some(method.to_owned()),
            Door::Rpc(_) | Door::Http(..) | Door::Socket(_) => None,
        })
        .collect();
    assert_eq!(table, contracts);
}

#[test]
fn a_table_can_name_no_scope_that_its_role_may_not_have() {
    for Entry { door, access } in TABLE {
        if let KeyAccess::With(scope) = access.game_server {
            assert!(Role::GameServer.scopes().contain(scope), "{door:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_opens_a_door(method in "\\PC{0,12}", path in "\\PC{0,40}") {
        let policy = Policy::new();
        for door in [Door::Http(&method, &path), Door::Http("GET", &path), Door::Rpc(&path), Door::Socket(&path)] {
            let known = TABLE.iter().any(|entry| format!("{:?}", entry.door) == format!("{door:?}"));
            prop_assert_eq!(policy.check(door, &Caller::Open).is_ok(), known);
        }
    }
}
