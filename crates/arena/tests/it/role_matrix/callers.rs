//! Who comes to a door, and what each shows there: everything that is good, and everything that only looks like it.

use serde_json::{Value, json};

use super::table::{Guests, Keys, Players};
use crate::door::forge::{Forge, claims_of, during, with};
use crate::door::member::Member;

/// Who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    /// The player whom it is about.
    Itself,
    Another,
    GameServer,
    Operator,
    Service,
}

/// What it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    Nothing,
    /// A token, or the key of the services.
    Token,
    /// A token with every scope of its role but the one that the door asks for.
    AllScopesBut(&'static str),
    /// A token without a scope.
    NoScope,
    /// An API key itself, which the gateway takes as well.
    Key,
    /// What is no good, and why not.
    Bad(&'static str),
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It comes in: what it asks for is another question.
    In,
    /// 401, and what other wires have for it.
    Unknown,
    /// 403, and what other wires have for it.
    Forbidden,
}

/// Somebody at a door.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) who: Who,
    pub(super) shows: Shows,
    /// The credential, as it follows `Bearer `.
    pub(super) credential: Option<String>,
}

impl Caller {
    /// What must become of it at a door.
    pub(super) fn expected(&self, guests: &Guests) -> Verdict {
        if guests.anybody {
            return Verdict::In;
        }
        let is_in = match (self.who, self.shows) {
            (Who::Nobody, _) | (_, Shows::Nothing | Shows::Bad(_)) => return Verdict::Unknown,
            (Who::Itself, _) => guests.player != Players::None,
            (Who::Another, _) => guests.player == Players::All,
            (Who::Service, _) => guests.service,
            (Who::GameServer, shows) => match opens(guests.game_server, shows) {
                Some(is_in) => is_in,
                None => return Verdict::Unknown,
            },
            (Who::Operator, shows) => match opens(guests.operator, shows) {
                Some(is_in) => is_in,
                None => return Verdict::Unknown,
            },
        };
        if is_in { Verdict::In } else { Verdict::Forbidden }
    }

    /// The `authorization` header.
    pub(super) fn authorization(&self) -> Option<String> {
        self.credential.as_ref().map(|credential| format!("Bearer {credential}"))
    }
}

/// Whether a key comes in; `None` when it is not even known at the door.
fn opens(keys: Keys, shows: Shows) -> Option<bool> {
    match (keys, shows) {
        (Keys::None, _) => Some(false),
        (Keys::Themselves, Shows::Key) => Some(true),
        (Keys::Themselves, _) => None,
        (Keys::With(_), Shows::Token | Shows::Key) => Some(true),
        (Keys::With(_), _) => Some(false),
    }
}

/// A good API key, one that was revoked, and the token that the good one was exchanged for.
pub(super) struct Holder {
    pub(super) key: String,
    pub(super) revoked: String,
    pub(super) token: String,
}

/// Everybody but the players, who are others at each door.
pub(super) struct Crowd {
    pub(super) forge: Forge,
    pub(super) game_server: Holder,
    pub(super) operator: Holder,
    /// The secret that the services share.
    pub(super) service_key: String,
}

impl Crowd {
    /// Everybody who comes to a door with something in the `authorization` header. Those who must be let in come last:
    /// some of them leave nothing behind for others.
    pub(super) fn at(&self, guests: &Guests, itself: &Member, another: &Member) -> Vec<Caller> {
        let nobody = Caller { who: Who::Nobody, shows: Shows::Nothing, credential: None };
        let mut callers = vec![nobody];
        callers.extend(self.with_tokens(Who::Itself, &itself.access));
        callers.extend(self.with_tokens(Who::Another, &another.access));
        for (who, holder, keys) in [
            (Who::GameServer, &self.game_server, guests.game_server),
            (Who::Operator, &self.operator, guests.operator),
        ] {
            callers.extend(self.with_tokens(who, &holder.token));
            callers.extend(self.with_fewer_scopes(who, &holder.token, keys));
            callers.extend(with_keys(who, holder));
        }
        callers.extend(self.services());
        callers.sort_by_key(|caller| caller.expected(guests) == Verdict::In);
        callers
    }

    /// The same without API keys: for the services that do not look them up.
    pub(super) fn with_tokens_at(&self, guests: &Guests, itself: &Member, another: &Member) -> Vec<Caller> {
        let all = self.at(guests, itself, another).into_iter();
        // Whoever shows a key there is as good as one who shows nonsense.
        all.map(|caller| match caller.shows {
            Shows::Key => Caller { shows: Shows::Bad("an API key"), ..caller },
            _ => caller,
        })
        .collect()
    }

    /// With a good token, and with three that are not.
    pub(super) fn with_tokens(&self, who: Who, good: &str) -> Vec<Caller> {
        let claims = claims_of(good);
        let elsewhere = json!("another-cluster");
        let foreign = with(claims.clone(), &[("iss", elsewhere.clone()), ("aud", elsewhere)]);
        let shown = [
            (Shows::Token, good.to_owned()),
            (Shows::Bad("expired"), self.forge.token(&during(claims.clone(), -200, -1))),
            (Shows::Bad("forged"), self.forge.outside().token(&claims)),
            (Shows::Bad("foreign"), self.forge.token(&foreign)),
        ];
        shown.map(|(shows, token)| Caller { who, shows, credential: Some(token) }).into()
    }

    fn with_fewer_scopes(&self, who: Who, good: &str, keys: Keys) -> Vec<Caller> {
        let claims = claims_of(good);
        let scopes = claims["scope"].as_str().unwrap().to_owned();
        let narrow =
            |scopes: String| Some(self.forge.token(&with(claims.clone(), &[("scope", scopes.into())])));
        let mut callers = vec![Caller { who, shows: Shows::NoScope, credential: narrow(String::new()) }];
        if let Keys::With(needed) = keys {
            assert!(scopes.split(' ').any(|scope| scope == needed), "{who:?} never has {needed}");
            let others: Vec<&str> = scopes.split(' ').filter(|scope| *scope != needed).collect();
            let shows = Shows::AllScopesBut(needed);
            callers.push(Caller { who, shows, credential: narrow(others.join(" ")) });
        }
        callers
    }

    fn services(&self) -> Vec<Caller> {
        let another_cluster = format!("svc_{:064x}", rand::random::<u128>());
        [(Shows::Token, format!("svc_{}", self.service_key)), (Shows::Bad("foreign"), another_cluster)]
            .map(|(shows, credential)| Caller { who: Who::Service, shows, credential: Some(credential) })
            .into()
    }
}

/// With a good key, and with three that are not.
fn with_keys(who: Who, holder: &Holder) -> Vec<Caller> {
    let (id, secret) = parts(&holder.key);
    let unknown: String = id.chars().rev().collect();
    let shown = [
        (Shows::Key, holder.key.clone()),
        (Shows::Bad("a revoked key"), holder.revoked.clone()),
        (Shows::Bad("another key's secret"), format!("ak_{id}_{}", parts(&holder.revoked).1)),
        (Shows::Bad("an unknown key"), format!("ak_{unknown}_{secret}")),
    ];
    shown.map(|(shows, key)| Caller { who, shows, credential: Some(key) }).into()
}

/// The id and the secret of an API key.
pub(super) fn parts(key: &str) -> (&str, &str) {
    key.strip_prefix("ak_").unwrap().split_once('_').unwrap()
}

/// What a request at a door says besides: as much as whoever is let in needs to be answered.
pub(super) fn body(door: &str, itself: &Member, match_id: i64) -> Option<Value> {
    let Member { id, name, device, refresh, .. } = itself;
    Some(match door {
        "POST /api/players/register" => {
            json!({"username": format!("{name}-too"), "email": "a@players.test", "device_id": format!("{device}-too")})
        }
        "POST /api/players/login" => json!({"device_id": device}),
        "POST /api/players/refresh" | "POST /api/players/logout" => json!({"refresh_token": refresh}),
        "PATCH /api/players/{player_id}" => json!({"region": "eu-west"}),
        "POST /api/players/{player_id}/password" => json!({"new_password": "staple in the stable"}),
        "POST /api/players/{player_id}/devices" => json!({"device_id": format!("{device}-too")}),
        "DELETE /api/players/{player_id}/devices" => json!({"device_id": device}),
        "POST /api/players/{player_id}/ban" | "POST /api/players/{player_id}/mute" => {
            json!({"reason": "a test"})
        }
        "POST /api/transactions/create" => {
            json!({"player_id": id, "item_type": "skin", "item_name": "Dragon Armor", "amount": 9.99})
        }
        "POST /api/matches/start" => json!({"match_type": "solo", "player_ids": [id]}),
        "POST /api/matches/complete" => {
            json!({"match_id": match_id, "winner_id": id, "duration_seconds": 1, "participant_stats": []})
        }
        "POST /api/matches/crash" => json!({"match_id": match_id, "error_message": "a test"}),
        "POST /api/system/event" => json!({"event_type": "test", "severity": "info", "message": "a test"}),
        _ => return None,
    })
}
