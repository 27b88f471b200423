//! Public keys as JSON Web Keys (RFC 7517, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The document at `/.well-known/jwks.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// One key. Every member but the type may be absent: a document may hold keys of kinds that we do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Type: `OKP` for Ed25519.
    pub kty: String,
    /// Curve: `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The public key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Key id: the thumbprint of RFC 7638.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// What for: `sig`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Algorithm: `EdDSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
}

impl Jwk {
    pub(super) fn of(key_id: &str, key: &VerifyingKey) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            x: Some(encoded(key)),
            kid: Some(key_id.to_owned()),
            usage: Some("sig".to_owned()),
            alg: Some("EdDSA".to_owned()),
        }
    }

    /// The key and its id, if it is one that signs our tokens and is called by its thumbprint.
    pub(super) fn read(&self) -> Option<(String, VerifyingKey)> {
        let Self { kty, crv, x, kid, usage, alg } = self;
        let fits = kty == "OKP"
            && crv.as_deref() == Some("Ed25519")
            && usage.as_deref().is_none_or(|usage| usage == "sig")
            && alg.as_deref().is_none_or(|alg| alg == "EdDSA" || alg == "Ed25519");
        let bytes = URL_SAFE_NO_PAD.decode(x.as_deref()?).ok()?;
        let key = VerifyingKey::from_bytes(bytes.as_slice().try_into().ok()?).ok()?;
        let key_id = thumbprint(&key);
        // A weak key (of low order) has signatures that fit many messages.
        (fits && !key.is_weak() && kid.as_ref() == Some(&key_id)).then_some((key_id, key))
    }
}

/// The id of a key (RFC 7638): whoever has the key can compute it, and no two keys share one.
pub(super) fn thumbprint(key: &VerifyingKey) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encoded(key));
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

fn encoded(key: &VerifyingKey) -> String {
    URL_SAFE_NO_PAD.encode(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8037, appendix A.
    const RFC_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const RFC_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn rfc() -> Jwk {
        let bytes = URL_SAFE_NO_PAD.decode(RFC_X).unwrap();
        let key = VerifyingKey::from_bytes(bytes.as_slice().try_into().unwrap()).unwrap();
        Jwk::of(&thumbprint(&key), &key)
    }

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        assert_eq!(rfc().kid.as_deref(), Some(RFC_THUMBPRINT));
        assert_eq!(rfc().read().unwrap().0, RFC_THUMBPRINT);
    }

    #[test]
    fn the_document_survives_the_round_trip() {
        let document = Jwks { keys: vec![rfc()] };
        let json = serde_json::to_string(&document).unwrap();
        assert!(json.contains(r#""use":"sig""#) && !json.contains(r#""d""#), "{json}");
        assert_eq!(serde_json::from_str::<Jwks>(&json).unwrap(), document);
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let some = |text: &str| Some(text.to_owned());
        let others = [
            Jwk { kty: "RSA".into(), ..rfc() },
            Jwk { kty: "oct".into(), ..rfc() },
            Jwk { crv: some("X25519"), ..rfc() },
            Jwk { crv: None, ..rfc() },
            Jwk { usage: some("enc"), ..rfc() },
            Jwk { alg: some("HS256"), ..rfc() },
            Jwk { kid: some("another"), ..rfc() },
            Jwk { kid: None, ..rfc() },
            Jwk { x: None, ..rfc() },
            Jwk { x: some("AAAA"), ..rfc() },
            // The neutral element: every signature of zeros would fit it.
            Jwk { x: some("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ..rfc() },
        ];
        for other in others {
            assert_eq!(other.read(), None, "{other:?}");
        }
        let foreign = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","ext":true}]}"#;
        assert_eq!(serde_json::from_str::<Jwks>(foreign).unwrap().keys[0].read(), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", x in "[A-Za-z0-9_-]{43}") {
            let _refused = serde_json::from_str::<Jwks>(&text);
            // A point that happens to be on the curve still has another thumbprint.
            prop_assert_eq!(Jwk { x: Some(x), ..rfc() }.read(), None);
        }
    }
}
