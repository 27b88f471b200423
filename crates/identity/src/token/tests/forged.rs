//! Everything that is not a token of ours, and that it is refused as what it is.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

fn with_header(header: &Value) -> String {
    signed(&header.to_string(), &claims().to_string(), &testing::key(1))
}

fn refuse(token: &str, expected: Refusal) {
    let verifier = verifier();
    let shown = &token[..token.len().min(300)];
    assert_eq!(verifier.verify(token, at(NOW)), Err(expected), "{shown}");
    if token.len() <= MOST_TOKEN_BYTES && !token.is_empty() {
        assert_eq!(verifier.authenticate(Some(&bearer(token)), at(NOW)), Err(expected), "{shown}");
    }
    assert_eq!(verifier.cached(), 0);
}

#[test]
fn foreign_signatures() {
    let parts = token(&claims());
    let (message, _) = parts.rsplit_once('.').unwrap();
    refuse(&signed(&header().to_string(), &claims().to_string(), &testing::key(2)), Refusal::BadSignature);
    let stranger = with(header(), &[("kid", json!(testing::key_id(2)))]);
    refuse(&signed(&stranger.to_string(), &claims().to_string(), &testing::key(2)), Refusal::WrongKey);
    refuse(&format!("{message}."), Refusal::Malformed);
    refuse(message, Refusal::Malformed);
    for signature in [[0; 64], [0xff; 64], [1; 64]] {
        refuse(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)), Refusal::BadSignature);
    }
    // The same signature with the order of the group added to its second half: another text, which a lenient check takes.
    let good = URL_SAFE_NO_PAD.decode(parts.rsplit_once('.').unwrap().1).unwrap();
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (mut malleable, mut carry) = (good, 0);
    for (place, byte) in order.iter().enumerate() {
        let sum = u16::from(malleable[32 + place]) + u16::from(*byte) + carry;
        malleable[32 + place] = sum as u8;
        carry = sum >> 8;
    }
    refuse(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(malleable)), Refusal::BadSignature);
}

#[test]
fn other_algorithms() {
    let public = testing::key(1).verifying_key();
    let x = testing::document(&[1]).keys[0].x.clone().unwrap();
    for alg in
        ["HS256", "HS384", "HS512", "RS256", "ES256", "none", "None", "NONE", "nOnE", "Ed25519", "eddsa", ""]
    {
        let header = with(header(), &[("alg", json!(alg))]);
        refuse(&with_header(&header), Refusal::Malformed);
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        );
        refuse(&format!("{message}."), Refusal::Malformed);
        // The public key as the secret of a MAC: as bytes, and as it stands in the document.
        for secret in [public.as_bytes().as_slice(), x.as_bytes()] {
            let mac = hmac(secret, message.as_bytes());
            refuse(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac)), Refusal::Malformed);
            let padded = [mac, [0; 32]].concat();
            refuse(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(padded)), Refusal::Malformed);
        }
    }
}

#[test]
fn other_headers() {
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("")),
        ("typ", Value::Null),
        ("alg", Value::Null),
        ("alg", json!(["EdDSA"])),
        ("kid", Value::Null),
        ("kid", json!(1)),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jwk", json!(testing::document(&[2]).keys[0])),
        ("jku", json!("http://127.0.0.1/keys.json")),
        ("x5u", json!("http://127.0.0.1/keys.pem")),
        ("cty", json!("JWT")),
    ] {
        refuse(&with_header(&with(header(), &[(name, value)])), Refusal::Malformed);
    }
    for kid in ["", "../../etc/passwd", "' or 1=1", &"k".repeat(1000)] {
        refuse(&with_header(&with(header(), &[("kid", json!(kid))])), Refusal::WrongKey);
    }
    let claims = claims().to_string();
    let id = testing::key_id(1);
    for header in [
        format!(r#"["EdDSA","at+jwt","{id}"]"#),
        format!(r#" {{"alg":"EdDSA","typ":"at+jwt","kid":"{id}"}}"#),
        format!(r#"{{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"{id}"}}"#),
        format!(r#"{{"alg":"EdDSA","alg":"EdDSA","typ":"at+jwt","kid":"{id}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{id}"}}{{}}"#),
        "null".into(),
        String::new(),
    ] {
        refuse(&signed(&header, &claims, &testing::key(1)), Refusal::Malformed);
    }
}

#[test]
fn swapped_parts() {
    let (one, other) = (token(&claims()), token(&with(claims(), &[("sub", json!("8"))])));
    let split = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (split(&one), split(&other));
    refuse(&[&*one[0], &*other[1], &*one[2]].join("."), Refusal::BadSignature);
    refuse(&[&*one[0], &*one[1], &*other[2]].join("."), Refusal::BadSignature);
    refuse(&[&*one[1], &*one[0], &*one[2]].join("."), Refusal::Malformed);
    // The same header in other bytes is another header.
    let id = testing::key_id(1);
    let same = URL_SAFE_NO_PAD.encode(format!(r#"{{"kid":"{id}","typ":"at+jwt","alg":"EdDSA"}}"#));
    assert_ne!(same, one[0]);
    refuse(&[&*same, &*one[1], &*one[2]].join("."), Refusal::BadSignature);
    refuse(&[&*one[0], &*one[1], &*one[2], &*one[2]].join("."), Refusal::Malformed);
    refuse(&format!("{}.{}.{}.{}.{}", one[0], one[1], one[2], one[1], one[2]), Refusal::Malformed);
}

#[test]
fn other_claims() {
    let cases: &[(&str, Value, Refusal)] = &[
        ("iss", json!("battlearena.example"), Refusal::WrongIssuer),
        ("iss", json!("Battlearena"), Refusal::WrongIssuer),
        ("aud", json!("somebody"), Refusal::WrongAudience),
        ("aud", json!(""), Refusal::WrongAudience),
        ("aud", json!(["battlearena"]), Refusal::Malformed),
        ("exp", json!(NOW), Refusal::Expired),
        ("exp", json!(NOW - 1), Refusal::Expired),
        ("exp", json!(0), Refusal::Expired),
        ("exp", json!(-1), Refusal::Expired),
        ("exp", json!(i64::MAX), Refusal::Malformed),
        ("exp", json!(u64::MAX), Refusal::Malformed),
        ("exp", json!(NOW as f64 + 300.5), Refusal::Malformed),
        ("exp", json!((NOW + 300).to_string()), Refusal::Malformed),
        ("nbf", json!(NOW + 6), Refusal::NotYetValid),
        ("nbf", json!(i64::MAX), Refusal::NotYetValid),
        ("iat", json!(NOW + 6), Refusal::NotYetValid),
        ("sub", json!(7), Refusal::Malformed),
        ("sub", json!("0"), Refusal::Malformed),
        ("sub", json!("-7"), Refusal::Malformed),
        ("sub", json!("7 "), Refusal::Malformed),
        ("sub", json!("9223372036854775808"), Refusal::Malformed),
        ("sub", json!(""), Refusal::Malformed),
        ("sid", json!(42), Refusal::Malformed),
        ("sid", json!("x"), Refusal::Malformed),
        ("role", json!("admin"), Refusal::Malformed),
        ("role", json!(["player"]), Refusal::Malformed),
        ("role", json!("game_server"), Refusal::Malformed),
        ("role", json!("operator"), Refusal::Malformed),
        ("name", json!(7), Refusal::Malformed),
        ("scope", json!(["stats:read"]), Refusal::Malformed),
    ];
    for (name, value, expected) in cases {
        refuse(&token(&with(claims(), &[(name, value.clone())])), *expected);
    }
    for name in ["iss", "aud", "sub", "role", "sid", "name", "iat", "nbf", "exp"] {
        refuse(&token(&with(claims(), &[(name, Value::Null)])), Refusal::Malformed);
    }
    // Claims that a newer gateway adds are not understood, and do no harm.
    assert!(verifier().verify(&token(&with(claims(), &[("new", json!({"a": 1}))])), at(NOW)).is_ok());
}

#[test]
fn claims_that_stand_twice() {
    let text = claims().to_string();
    for (claim, value) in [("exp", json!(NOW + 9000)), ("sub", json!("8")), ("role", json!("operator"))] {
        for text in [
            text.replacen('{', &format!(r#"{{"{claim}":{value},"#), 1),
            format!(r#"{},"{claim}":{value}}}"#, &text[..text.len() - 1]),
        ] {
            refuse(&signed(&header().to_string(), &text, &testing::key(1)), Refusal::Malformed);
        }
    }
    for text in ["[]", "null", "7", "\"\"", "", "{", &format!("{text}{text}"), &format!("[{text}]")] {
        refuse(&signed(&header().to_string(), text, &testing::key(1)), Refusal::Malformed);
    }
}

#[test]
fn truncated_at_every_length() {
    let good = token(&claims());
    for end in 0..good.len() {
        refuse(&good[..end], Refusal::Malformed);
        refuse(&good[end + 1..], Refusal::Malformed);
    }
}

#[test]
fn every_single_character_changed() {
    let good = token(&claims());
    let verifier = verifier();
    assert!(verifier.verify(&good, at(NOW)).is_ok());
    for place in 0..good.len() {
        for letter in ["A", "B", "_", "=", ".", "\n", " "] {
            let mut changed = good.clone();
            changed.replace_range(place..=place, letter);
            assert!(changed == good || verifier.verify(&changed, at(NOW)).is_err(), "{place} {letter}");
        }
    }
}

#[test]
fn longer_than_any_token() {
    let padded = |length: usize| token(&with(claims(), &[("pad", json!("x".repeat(length)))]));
    let fits = padded(1100);
    assert!(fits.len() <= MOST_TOKEN_BYTES && verifier().verify(&fits, at(NOW)).is_ok());
    let too_long = padded(1500);
    assert!(too_long.len() > MOST_TOKEN_BYTES);
    refuse(&too_long, Refusal::Malformed);
    assert_eq!(verifier().authenticate(Some(&bearer(&too_long)), at(NOW)), Err(Refusal::Malformed));
    for huge in ["x".repeat(1 << 20), ".".repeat(1 << 20), format!("svc_{}", "x".repeat(1 << 20))] {
        refuse(&huge, Refusal::Malformed);
        assert_eq!(verifier().authenticate(Some(&bearer(&huge)), at(NOW)), Err(Refusal::Malformed));
    }
}

#[test]
fn other_authorization_headers() {
    let good = token(&claims());
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "bearer\tx", &good, &format!("Token {good}")] {
        assert_eq!(verifier().authenticate(Some(header), at(NOW)), Err(Refusal::Malformed), "{header}");
    }
    for header in [
        format!("Bearer  {good}"),
        format!(" Bearer {good}"),
        format!("Bearer {good} "),
        format!("Bearer {good},{good}"),
    ] {
        assert!(verifier().authenticate(Some(&header), at(NOW)).is_err(), "{header}");
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert!(verifier().authenticate(Some(&format!("{scheme} {good}")), at(NOW)).is_ok());
    }
}

/// RFC 8037, appendix A.4: a good signature of a key that we would trust, on something that is no token.
#[test]
fn a_signature_on_something_else() {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let key = SigningKey::from_bytes(seed.as_slice().try_into().unwrap());
    let rfc = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWb\
               hijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    // The signature is the one that our library makes, so that the refusal is due to the header alone.
    assert_eq!(signed(r#"{"alg":"EdDSA"}"#, "Example of Ed25519 signing", &key), rfc);
    refuse(rfc, Refusal::Malformed);
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in "\\PC{0,200}", parts in "[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,4}") {
        let verifier = verifier();
        for text in [&text, &parts] {
            prop_assert!(verifier.verify(text, at(NOW)).is_err());
            prop_assert!(verifier.authenticate(Some(text), at(NOW)).is_err());
            prop_assert!(verifier.authenticate(Some(&bearer(text)), at(NOW)).is_err());
        }
    }

    /// Whatever is signed by a key of ours: accepted only if it says who it is.
    #[test]
    fn no_signed_text_makes_it_panic(header in "\\PC{0,60}", claims in "\\PC{0,100}") {
        let verifier = verifier();
        let good_header = super::header().to_string();
        prop_assert!(verifier.verify(&signed(&header, &claims, &testing::key(1)), at(NOW)).is_err());
        prop_assert!(verifier.verify(&signed(&good_header, &claims, &testing::key(1)), at(NOW)).is_err());
    }

    #[test]
    fn no_times_make_it_panic(iat: i64, nbf: i64, exp: i64, now in -9_000_000_000i64..9_000_000_000) {
        let times = [("iat", json!(iat)), ("nbf", json!(nbf)), ("exp", json!(exp))];
        if verifier().verify(&token(&with(claims(), &times)), at(now)).is_ok() {
            prop_assert!(exp > now && iat.max(nbf) <= now + 5);
        }
    }

    #[test]
    fn bytes_changed_anywhere_are_noticed(place in 0usize..400, byte in 0x21u8..0x7f) {
        let good = token(&claims());
        let mut changed = good.clone().into_bytes();
        let place = place % changed.len();
        changed[place] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(changed == good || verifier().verify(&changed, at(NOW)).is_err());
    }
}

#[test]
fn lives_that_would_outlast_a_revocation() {
    let lasting = |from: i64, until: i64| {
        token(&with(claims(), &[("iat", json!(from)), ("nbf", json!(from)), ("exp", json!(until))]))
    };
    for (from, until) in [(NOW, NOW + 301), (NOW - 1, NOW + 300), (0, NOW + 1), (i64::MIN, NOW + 1)] {
        refuse(&lasting(from, until), Refusal::Malformed);
    }
    for (from, until) in [(NOW, NOW + 300), (NOW - 299, NOW + 1)] {
        assert!(verifier().verify(&lasting(from, until), at(NOW)).is_ok(), "{from} {until}");
    }
    let longer = verifier_with(VerifierOptions {
        longest_life: Duration::from_secs(600),
        ..VerifierOptions::default()
    });
    assert!(longer.verify(&lasting(NOW, NOW + 600), at(NOW)).is_ok());
    assert_eq!(longer.verify(&lasting(NOW, NOW + 601), at(NOW)), Err(Refusal::Malformed));
}
