//! Credentials come back as they were made, and nothing else passes for one.

use battlearena_proto::ErrorKind;
use proptest::prelude::*;

use super::*;
use crate::secret::{Secret, Weakness};
use crate::token::{Bearer, Refusal};

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

#[test]
fn an_api_key_comes_back_and_matches_its_own_hash_alone() {
    let key = ApiKey::generate();
    let text = key.text();
    assert_eq!(text.expose().len(), 3 + 16 + 1 + 43);
    let back = ApiKey::parse(text.expose()).unwrap();
    assert_eq!(back.id(), key.id());
    let stored = CredentialHash::try_from(key.hash().as_bytes().as_slice()).unwrap();
    assert!(back.matches(&stored) && !ApiKey::generate().matches(&stored));
    assert!(matches!(Bearer::of(Some(&format!("Bearer {}", text.expose()))), Ok(Some(Bearer::ApiKey(_)))));
    let shown = format!("{key:?}");
    assert!(!shown.contains(&text.expose()[20..]) && shown.contains(key.id().as_str()), "{shown}");
}

#[test]
fn ids_are_spread() {
    let ids: std::collections::HashSet<_> = (0..1000).map(|_| ApiKey::generate().id().to_string()).collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn what_is_no_api_key_is_refused() {
    let good = ApiKey::generate().text();
    let good = good.expose();
    for end in 0..good.len() {
        assert_eq!(ApiKey::parse(&good[..end]).unwrap_err(), Refusal::Malformed, "{end}");
    }
    for bad in [&format!("{good}A"), &good.replacen("ak_", "AK_", 1), &good.replacen("ak_", "ak__", 1)] {
        assert_eq!(ApiKey::parse(bad).unwrap_err(), Refusal::Malformed, "{bad}");
    }
}

#[test]
fn a_refresh_token_comes_back_and_is_shown_nowhere() {
    let token = RefreshToken::generate();
    let back = RefreshToken::parse(token.text().clone()).unwrap();
    assert_eq!(back.hash(), token.hash());
    assert_ne!(RefreshToken::generate().hash(), token.hash());
    assert_eq!(format!("{token:?}"), "RefreshToken([redacted])");
    assert_eq!(format!("{:?}", token.hash()), "[hash]");
    let text = token.text().expose();
    for end in 0..text.len() {
        assert_eq!(RefreshToken::parse(secret(&text[..end])).unwrap_err(), Refusal::Malformed);
    }
    assert_eq!(RefreshToken::parse(secret(&format!("{text}A"))).unwrap_err(), Refusal::Malformed);
}

#[test]
fn a_device_secret_has_bounds() {
    let parse = |text: &str| DeviceSecret::parse(secret(text));
    let good = "0123456789abcdef0123456789abcdef";
    assert_eq!(parse(good).unwrap().hash(), parse(good).unwrap().hash());
    assert_ne!(parse(good).unwrap().hash(), parse(&good.to_uppercase()).unwrap().hash());
    for bad in ["", &good[1..], &"0123456789abcdef".repeat(17), &"0".repeat(32)] {
        let failure = parse(bad).unwrap_err();
        assert_eq!((failure.kind(), failure.field()), (ErrorKind::Invalid, Some("device_id")), "{bad}");
        assert!(bad.is_empty() || !failure.chain().contains(bad));
    }
    assert!(parse(&"0123456789abcdef".repeat(16)).is_ok());
}

#[test]
fn the_service_key_matches_itself_alone() {
    let key = ServiceKey::generate();
    let header = key.authorization();
    let Ok(Some(Bearer::ServiceKey(presented))) = Bearer::of(Some(header.expose())) else {
        panic!("not read as a service key");
    };
    assert!(key.matches(presented) && !key.matches("") && !key.matches(&presented[1..]));
    assert!(!ServiceKey::generate().matches(presented));
    assert_eq!(format!("{key:?} {header}"), "ServiceKey([redacted]) [redacted]");
    let weak = ServiceKey::new(secret("changeme")).unwrap_err();
    assert!(weak.to_string().contains("ARENA_SERVICE_KEY"), "{weak}");
    assert!(matches!(weak, crate::secret::SecretError::Weak { weakness: Weakness::Placeholder, .. }));
}

proptest! {
    #[test]
    fn random_text_is_no_credential(text in "\\PC{0,100}", tail in "[A-Za-z0-9_-]{0,80}") {
        for text in [text.clone(), format!("ak_{text}"), format!("ak_23456789bcdfghjk_{text}"), format!("ak_{tail}")] {
            // What is accepted is exactly of the form, and comes back as it was.
            if let Ok(key) = ApiKey::parse(&text) {
                prop_assert!(key.text().expose() == text);
            }
        }
        for text in [text.clone(), format!("rt_{text}"), format!("rt_{tail}")] {
            if let Ok(token) = RefreshToken::parse(secret(&text)) {
                prop_assert_eq!(token.text().expose().len(), 3 + 43);
            }
        }
        if let Ok(device) = DeviceSecret::parse(secret(&text)) {
            prop_assert!(text.len() >= 32);
            prop_assert_eq!(device.hash(), DeviceSecret::parse(secret(&text)).unwrap().hash());
        }
        prop_assert!(!ServiceKey::generate().matches(&text));
    }
}
