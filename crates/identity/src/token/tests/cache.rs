//! A token that is remembered is still asked whether it holds.

use super::*;

#[test]
fn a_token_seen_before_is_remembered_until_its_end() {
    let verifier = verifier();
    let token = token(&claims());
    assert_eq!(verifier.cached(), 0);
    let first = verifier.verify(&token, at(NOW)).unwrap();
    assert_eq!(verifier.cached(), 1);
    assert_eq!(verifier.verify(&token, at(NOW + 299)), Ok(first));
    assert_eq!(verifier.verify(&token, at(NOW + 300)), Err(Refusal::Expired));
    assert_eq!(verifier.cached(), 0);
    assert_eq!(verifier.verify(&token, at(NOW + 300)), Err(Refusal::Expired));
}

#[test]
fn what_is_revoked_after_it_was_remembered_is_refused() {
    let verifier = verifier();
    let (token, other) = (token(&claims()), token(&with(claims(), &[("sid", json!("43"))])));
    assert!(verifier.verify(&token, at(NOW)).is_ok() && verifier.verify(&other, at(NOW)).is_ok());
    verifier.revocations().revoke_session(SessionId(42), at(NOW + 300));
    assert_eq!(verifier.verify(&token, at(NOW)), Err(Refusal::Revoked));
    assert!(verifier.verify(&other, at(NOW)).is_ok());
    // Its own end comes before the revocation's.
    verifier.revocations().sweep(at(NOW + 300));
    assert_eq!(verifier.verify(&token, at(NOW + 300)), Err(Refusal::Expired));
    verifier.revocations().ban_player(PlayerId(7), at(NOW + 300));
    assert_eq!(verifier.verify(&other, at(NOW + 1)), Err(Refusal::Revoked));
    verifier.revocations().lift_ban(PlayerId(7));
    assert!(verifier.verify(&other, at(NOW + 1)).is_ok());
}

#[test]
fn a_key_of_a_game_server_is_revoked_by_its_id() {
    let verifier = verifier();
    let claims =
        with(claims(), &[("role", json!("game_server")), ("sub", json!("k1")), ("scope", json!(""))]);
    let token = token(&claims);
    assert!(verifier.verify(&token, at(NOW)).is_ok());
    verifier.revocations().revoke_key("k1", at(NOW + 300));
    assert_eq!(verifier.verify(&token, at(NOW)), Err(Refusal::Revoked));
}

#[test]
fn what_a_withdrawn_key_signed_is_not_remembered() {
    let keys = PublicKeys::empty();
    keys.learn(&testing::document(&[1])).unwrap();
    let verifier = Verifier::new(keys.clone(), Revocations::new(), VerifierOptions::default());
    let token = token(&claims());
    assert!(verifier.verify(&token, at(NOW)).is_ok());
    keys.learn(&testing::document(&[1, 2])).unwrap();
    assert!(verifier.verify(&token, at(NOW)).is_ok());
    keys.learn(&testing::document(&[2])).unwrap();
    assert_eq!(verifier.verify(&token, at(NOW)), Err(Refusal::WrongKey));
    keys.learn(&testing::document(&[1])).unwrap();
    assert!(verifier.verify(&token, at(NOW)).is_ok());
}

#[test]
fn the_cache_is_bounded_and_shared_by_clones() {
    let most_cached_tokens = 100;
    let verifier = verifier_with(VerifierOptions { most_cached_tokens, ..VerifierOptions::default() });
    for sid in 1..=1000 {
        let token = token(&with(claims(), &[("sid", json!(sid.to_string()))]));
        assert!(verifier.clone().verify(&token, at(NOW)).is_ok());
        assert!(verifier.cached() <= most_cached_tokens);
    }
    assert!(verifier.cached() > 50);
}

#[test]
fn refusals_and_lookups_are_counted() {
    let scraped = |series: &str| -> f64 {
        let text = battlearena_telemetry::render(battlearena_telemetry::Format::Text);
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series} is not there")).parse().unwrap()
    };
    let verifier = verifier();
    let series = [
        r#"credential_refusals_total{reason="expired"}"#,
        r#"credential_refusals_total{reason="revoked"}"#,
        r#"credential_refusals_total{reason="malformed"}"#,
        r#"cache_hits_total{cache="tokens"}"#,
        r#"cache_misses_total{cache="tokens"}"#,
    ];
    let before = series.map(scraped);
    let token = token(&with(claims(), &[("sid", json!("4711"))]));
    for _ in 0..2 {
        verifier.verify(&token, at(NOW)).unwrap();
    }
    verifier.verify(&token, at(NOW + 300)).unwrap_err();
    verifier.verify("nonsense", at(NOW)).unwrap_err();
    verifier.revocations().revoke_session(SessionId(4711), at(NOW + 300));
    verifier.authenticate(Some(&bearer(&token)), at(NOW)).unwrap_err();
    // Other tests count too.
    for (series, before) in series.iter().zip(before) {
        assert!(scraped(series) >= before + 1.0, "{series}");
    }
    assert!(scraped(r#"cache_size_bytes{cache="tokens"}"#) > 0.0);
}
