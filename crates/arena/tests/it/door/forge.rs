//! Tokens, good and bad, put together by hand: the parts of a JSON Web Token, and what signs them.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Somebody who signs tokens with a key of Ed25519.
pub(crate) struct Forge {
    key: SigningKey,
    /// The id of the platform's key, which all say that they have.
    key_id: String,
}

impl Forge {
    /// Who has broken in: with the platform's own key, out of its folder, which signed this token.
    pub(crate) fn inside(folder: &Path, signed: &str) -> Self {
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [file] = &files[..] else { panic!("not one key: {files:?}") };
        let key = SigningKey::from_pkcs8_pem(&fs::read_to_string(file).unwrap()).unwrap();
        Self { key, key_id: header_of(signed)["kid"].as_str().unwrap().to_owned() }
    }

    /// Who has not: with a key of its own, in the name of the platform's.
    pub(crate) fn outside(&self) -> Self {
        Self { key: SigningKey::from_bytes(&rand::random()), key_id: self.key_id.clone() }
    }

    /// The header of the platform's own tokens.
    pub(crate) fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key_id})
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    /// A token with this header and these claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public half, as bytes.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

/// A token that claims to be authenticated with a shared secret (HS256).
pub(crate) fn with_shared_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac(secret, signed.as_bytes())))
}

/// A token without a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", encoded(header), encoded(claims))
}

/// What a token says.
pub(crate) fn claims_of(token: &str) -> Value {
    part(token, 1)
}

fn header_of(token: &str) -> Value {
    part(token, 0)
}

/// An object with some fields changed; those that become null are gone.
pub(crate) fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    let fields = object.as_object_mut().unwrap();
    for (name, value) in changes {
        if value.is_null() {
            fields.remove(*name);
        } else {
            fields.insert((*name).to_owned(), value.clone());
        }
    }
    object
}

/// Claims that begin and end so many seconds from now.
pub(crate) fn during(claims: Value, from: i64, until: i64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let at = |seconds: i64| json!(i64::try_from(now).unwrap() + seconds);
    with(claims, &[("iat", at(from)), ("nbf", at(from)), ("exp", at(until))])
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn part(token: &str, place: usize) -> Value {
    let text = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[test]
fn the_hash_is_that_of_the_standard() {
    // RFC 4231, test case 2.
    let hash = hmac(b"Jefe", b"what do ya want for nothing?");
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
