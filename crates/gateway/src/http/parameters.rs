//! What a request says outside of its body: ids in the path, pages in the query, the idempotency key in a header.
//! Every mistake is answered in the one error shape, with the name of the parameter.

use std::collections::HashMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use battlearena_identity::Caller;
use battlearena_proto::{Failure, MatchId, PlayerId};
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_telemetry::http::HttpFailure;
use sha2::{Digest as _, Sha256};

use crate::domain::page::Page;

/// The header with the idempotency key.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// `{player_id}` of the path.
pub(super) struct PlayerPath(pub(super) PlayerId);

/// `{match_id}` of the path.
pub(super) struct MatchPath(pub(super) MatchId);

/// `limit` and `before` of the query.
pub(super) struct PageQuery(pub(super) Page);

/// The idempotency key of a mutation, if it has one.
pub(super) struct Key(pub(super) Option<IdempotencyKey>);

macro_rules! extracted {
    ($($name:ident: $read:expr;)+) => {
        $(impl FromRequest for $name {
            type Error = HttpFailure;
            type Future = Ready<Result<Self, HttpFailure>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let read: fn(&HttpRequest) -> Result<Self, Failure> = $read;
                ready(read(request).map_err(HttpFailure))
            }
        })+
    };
}

extracted! {
    PlayerPath: |request| Ok(Self(PlayerId(path_id(request, "player_id")?)));
    MatchPath: |request| Ok(Self(MatchId(path_id(request, "match_id")?)));
    PageQuery: |request| Ok(Self(page(request.query_string())?));
    Key: |request| Ok(Self(key(request)?));
}

fn path_id(request: &HttpRequest, name: &'static str) -> Result<i64, Failure> {
    integer(name, request.match_info().get(name).unwrap_or_default())
}

fn page(query: &str) -> Result<Page, Failure> {
    let query = web::Query::<HashMap<String, String>>::from_query(query)
        .map_err(|_| Failure::invalid("limit", "the query cannot be read"))?;
    let number = |name| query.get(name).map(|text| integer(name, text)).transpose();
    Page::new(number("limit")?, number("before")?)
}

fn key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Failure> {
    let Some(header) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    // What is not visible ASCII is not text to the HTTP library; the key's own rule then refuses the same.
    let key = IdempotencyKey::parse(header.to_str().unwrap_or("\u{fffd}"))?;
    match (key, request.extensions().get::<Caller>()) {
        (Some(key), Some(Caller::GameServer(holder) | Caller::Operator(holder))) => {
            of_holder(&key, &holder.id)
        }
        (key, _) => Ok(key),
    }
}

/// Two game servers may choose the same key and mean different things. Players' keys are kept apart where they are
/// stored. The hash keeps it short enough.
fn of_holder(key: &IdempotencyKey, holder: &str) -> Result<Option<IdempotencyKey>, Failure> {
    let digest = Sha256::digest(key.as_str());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    IdempotencyKey::parse(&format!("{holder}/{hex}"))
}

fn integer(name: &str, text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| Failure::invalid(name, format!("{name} must be an integer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_of_api_keys_do_not_share_idempotency_keys() {
        let of = |key: &str, holder: &str| {
            let key = IdempotencyKey::parse(key).unwrap().unwrap();
            of_holder(&key, holder).unwrap().unwrap().as_str().to_owned()
        };
        assert_eq!(of("match-1", "one"), of("match-1", "one"));
        assert_ne!(of("match-1", "one"), of("match-1", "two"));
        assert_ne!(of("match-1", "one"), of("match-2", "one"));
        assert!(of(&"x".repeat(255), "k7m2p9qxr4t6wz3b").len() <= 255);
    }

    #[test]
    fn pages_are_read_from_the_query() {
        assert_eq!(page("").unwrap(), Page { limit: 10, before: None });
        assert_eq!(page("limit=3&before=9&other=1").unwrap(), Page { limit: 3, before: Some(9) });
        for (query, field) in
            [("limit=x", "limit"), ("limit=", "limit"), ("limit=0", "limit"), ("before=1.5", "before")]
        {
            assert_eq!(page(query).unwrap_err().field(), Some(field), "{query}");
        }
    }
}
