//! Tokens: what is made is understood, what is forged is refused, what is remembered still ends.

mod cache;
mod forged;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use battlearena_proto::{ErrorKind, Failure, PlayerId};
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::caller::{Caller, Key, Player, SessionId};
use crate::credential::{ApiKey, ServiceKey};
use crate::keys::{FolderRules, KeyRing, PublicKeys, testing};
use crate::revocations::Revocations;
use crate::scope::{Role, Scope, Scopes};

/// When the tokens of the tests are made, in seconds; they live for 300.
const NOW: i64 = 1_900_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ada() -> Player {
    Player {
        id: PlayerId(7),
        session: SessionId(42),
        name: "Ada \"the\" 🐉".into(),
        tier: battlearena_proto::Tier::Premium,
    }
}

/// A verifier that trusts the key 1. Its cache is small, since some tests make thousands.
fn verifier() -> Verifier {
    verifier_with(VerifierOptions { most_cached_tokens: 100, ..VerifierOptions::default() })
}

fn verifier_with(options: VerifierOptions) -> Verifier {
    let keys = PublicKeys::empty();
    keys.learn(&testing::document(&[1])).unwrap();
    Verifier::new(keys, Revocations::new(), options)
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": testing::key_id(1)})
}

fn claims() -> Value {
    json!({"iss": "battlearena", "aud": "battlearena", "sub": "7", "role": "player", "sid": "42", "name": "ada",
           "tier": "premium", "iat": NOW, "nbf": NOW, "exp": NOW + 300})
}

/// A token of any text, signed.
fn signed(header: &str, claims: &str, key: &SigningKey) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).to_bytes());
    format!("{message}.{signature}")
}

fn token(claims: &Value) -> String {
    signed(&header().to_string(), &claims.to_string(), &testing::key(1))
}

/// Some members of an object replaced; `null` takes one out.
fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(*name)),
            value => object[*name] = value.clone(),
        }
    }
    object
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn what_is_made_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let ring = KeyRing::open(folder.path(), Duration::ZERO, FolderRules::Lenient, at(NOW)).unwrap();
    let ring = Arc::new(ring);
    let signer = Signer::new(ring.clone(), Duration::from_millis(300_900));
    let keys = PublicKeys::empty();
    let document = serde_json::to_string(&ring.public_keys().document()).unwrap();
    keys.learn(&serde_json::from_str(&document).unwrap()).unwrap();
    let verifier = Verifier::new(keys, Revocations::new(), VerifierOptions::default());

    let token = signer.for_player(&ada(), at(NOW)).unwrap();
    assert_eq!(token.expires_in, Duration::from_secs(300));
    assert!(token.text.expose().len() < 512 && format!("{token:?}").contains("[redacted]"));
    let caller = verifier.authenticate(Some(&bearer(token.text.expose())), at(NOW)).unwrap();
    assert_eq!(caller, Caller::Player(ada()));
    assert_eq!(verifier.verify(token.text.expose(), at(NOW)), Ok(caller));

    let key = Key { id: "k1".into(), scopes: Scopes::NONE.with(Scope::MatchesWrite).with(Scope::StatsRead) };
    let token = signer.for_game_server(&key, at(NOW)).unwrap();
    assert_eq!(verifier.verify(token.text.expose(), at(NOW)), Ok(Caller::GameServer(key.clone())));
    let token = signer.for_operator(&key, at(NOW)).unwrap();
    assert_eq!(verifier.verify(token.text.expose(), at(NOW)), Ok(Caller::Operator(key)));
}

#[test]
fn the_payload_is_what_the_contract_says() {
    let folder = tempfile::tempdir().unwrap();
    let ring = KeyRing::open(folder.path(), Duration::ZERO, FolderRules::Lenient, at(NOW)).unwrap();
    let key_id = ring.public_keys().document().keys[0].kid.clone().unwrap();
    let signer = Signer::new(Arc::new(ring), Duration::from_secs(300));
    let player = Player { name: "ada".into(), ..ada() };
    let token = signer.for_player(&player, at(NOW)).unwrap();
    let part = |place| -> Value {
        let part = token.text.expose().split('.').nth(place).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0), with(header(), &[("kid", json!(key_id))]));
    assert_eq!(part(1), claims());
}

#[test]
fn a_token_holds_from_its_beginning_with_a_grace_to_its_end_without() {
    let refusal = |second, from| {
        let token = token(&with(claims(), &[("nbf", json!(from))]));
        verifier().verify(&token, at(second)).err()
    };
    assert_eq!(refusal(NOW - 6, NOW), Some(Refusal::NotYetValid));
    assert_eq!(refusal(NOW - 5, NOW), None);
    assert_eq!(refusal(NOW, NOW + 6), Some(Refusal::NotYetValid));
    assert_eq!(refusal(NOW + 299, NOW), None);
    let last_moment = at(NOW + 300).checked_sub(Duration::from_nanos(1)).unwrap();
    assert!(verifier().verify(&token(&claims()), last_moment).is_ok());
    assert_eq!(refusal(NOW + 300, NOW), Some(Refusal::Expired));
}

#[test]
fn rotation_logs_nobody_out() {
    use std::os::unix::fs::PermissionsExt as _;

    use ed25519_dalek::pkcs8::EncodePrivateKey as _;
    let folder = tempfile::tempdir().unwrap();
    let put = |seed: u8| {
        let path = folder.path().join(format!("{seed}.pem"));
        std::fs::write(&path, testing::key(seed).to_pkcs8_pem(Default::default()).unwrap().as_bytes())
            .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(1);
    let refuse = FolderRules::Strict { setting: "keys" };
    let ring = Arc::new(KeyRing::open(folder.path(), Duration::from_secs(120), refuse, at(NOW)).unwrap());
    let signer = Signer::new(ring.clone(), Duration::from_secs(300));
    // Another service, which learns by the document alone.
    let keys = PublicKeys::empty();
    keys.learn(&ring.public_keys().document()).unwrap();
    let elsewhere = Verifier::new(keys.clone(), Revocations::new(), VerifierOptions::default());
    let old = signer.for_player(&ada(), at(NOW)).unwrap().text;

    put(2);
    ring.reload(at(NOW)).unwrap();
    let still_old = signer.for_player(&ada(), at(NOW + 119)).unwrap().text;
    assert!(elsewhere.verify(still_old.expose(), at(NOW + 119)).is_ok());
    let new = signer.for_player(&ada(), at(NOW + 120)).unwrap().text;
    assert_eq!(elsewhere.verify(new.expose(), at(NOW + 120)), Err(Refusal::WrongKey));
    keys.learn(&ring.public_keys().document()).unwrap();
    for token in [&old, &still_old, &new] {
        assert!(elsewhere.verify(token.expose(), at(NOW + 121)).is_ok());
    }
}

#[test]
fn who_shows_nothing_is_anonymous() {
    assert_eq!(verifier().authenticate(None, at(NOW)), Ok(Caller::Anonymous));
    assert_eq!(verifier().authenticate(Some(""), at(NOW)), Err(Refusal::Malformed));
    assert_eq!(verifier().authenticate(Some("Bearer nonsense"), at(NOW)), Err(Refusal::Malformed));
}

#[test]
fn the_service_key_makes_a_service_and_no_other_does() {
    let key = ServiceKey::generate();
    let knows =
        verifier_with(VerifierOptions { service_key: Some(key.clone()), ..VerifierOptions::default() });
    let header = key.authorization();
    assert_eq!(knows.authenticate(Some(header.expose()), at(NOW)), Ok(Caller::Service));
    let other = ServiceKey::generate().authorization();
    assert_eq!(knows.authenticate(Some(other.expose()), at(NOW)), Err(Refusal::WrongKey));
    assert_eq!(knows.authenticate(Some("Bearer svc_"), at(NOW)), Err(Refusal::WrongKey));
    // Without a key nobody is a service, not even who guesses the empty one.
    assert_eq!(verifier().authenticate(Some(header.expose()), at(NOW)), Err(Refusal::WrongKey));
    assert_eq!(verifier().authenticate(Some("Bearer svc_"), at(NOW)), Err(Refusal::WrongKey));
    let api_key = bearer(ApiKey::generate().text().expose());
    assert_eq!(knows.authenticate(Some(&api_key), at(NOW)), Err(Refusal::Malformed));
}

#[test]
fn before_keys_are_known_nothing_can_be_told() {
    let verifier = Verifier::new(PublicKeys::empty(), Revocations::new(), VerifierOptions::default());
    let refusal = verifier.verify(&token(&claims()), at(NOW)).unwrap_err();
    assert_eq!((refusal, Failure::from(refusal).kind()), (Refusal::NoKeysYet, ErrorKind::Unavailable));
    assert_eq!(verifier.authenticate(None, at(NOW)), Ok(Caller::Anonymous));
}

#[test]
fn keys_that_nobody_confirmed_for_long_tell_nothing_either_not_even_of_a_token_seen_before() {
    let keys = PublicKeys::empty();
    keys.learn(&testing::document(&[1])).unwrap();
    keys.trust_until(at(NOW + 10));
    let verifier = Verifier::new(keys.clone(), Revocations::new(), VerifierOptions::default());
    let token = token(&claims());
    let authorization = bearer(&token);
    verifier.verify(&token, at(NOW)).unwrap();
    assert!(verifier.recall(Some(&authorization), at(NOW)).is_some());
    let refusal = verifier.verify(&token, at(NOW + 10)).unwrap_err();
    assert_eq!((refusal, Failure::from(refusal).kind()), (Refusal::StaleKeys, ErrorKind::Unavailable));
    assert!(verifier.recall(Some(&authorization), at(NOW + 10)).is_none());
    keys.trust_until(at(NOW + 20));
    verifier.verify(&token, at(NOW + 10)).unwrap();
}

#[test]
fn every_refusal_has_the_same_answer_without_a_reason() {
    for refusal in [
        Refusal::Malformed,
        Refusal::WrongKey,
        Refusal::BadSignature,
        Refusal::Expired,
        Refusal::NotYetValid,
        Refusal::WrongAudience,
        Refusal::WrongIssuer,
        Refusal::Revoked,
    ] {
        let failure = Failure::from(refusal);
        assert_eq!(failure.kind(), ErrorKind::Unauthenticated);
        assert_eq!(failure.chain(), "unauthenticated: a valid access token is needed");
    }
}

#[test]
fn a_token_grants_no_more_than_its_role_may_have() {
    let everything = Scopes::ALL.to_string();
    let key = |role: &str| with(claims(), &[("role", json!(role)), ("scope", json!(everything))]);
    let caller = verifier().verify(&token(&key("game_server")), at(NOW)).unwrap();
    assert_eq!(caller, Caller::GameServer(Key { id: "7".into(), scopes: Role::GameServer.scopes() }));
    let caller = verifier().verify(&token(&key("operator")), at(NOW)).unwrap();
    assert_eq!(caller, Caller::Operator(Key { id: "7".into(), scopes: Scopes::ALL }));
}
