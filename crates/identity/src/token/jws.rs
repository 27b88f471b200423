//! The compact serialisation of a signed token (RFC 7515): `header.payload.signature`, each base64url. Reads one form
//! only: EdDSA, `at+jwt`, a key id, and no other header field, so that nothing in the header can choose how the token is
//! checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{MOST_TOKEN_BYTES, Refusal};

/// The one algorithm.
const ALGORITHM: &str = "EdDSA";

/// The type of an access token (RFC 9068): no other token that the keys may sign one day passes for one.
const TYPE: &str = "at+jwt";

/// A token whose signature has not been checked.
pub(super) struct Unverified<'a> {
    /// Which key is said to have signed it.
    pub(super) key_id: String,
    signed: &'a str,
    payload: &'a str,
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

impl<'a> Unverified<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MOST_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        if payload.contains('.') {
            return Err(Refusal::Malformed);
        }
        let header = decode(header)?;
        let header: Header<'_> = object(&header)?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return Err(Refusal::Malformed);
        }
        let mut bytes = [0; SIGNATURE_LENGTH];
        match URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes) {
            Ok(SIGNATURE_LENGTH) => {}
            Ok(_) | Err(_) => return Err(Refusal::Malformed),
        }
        let key_id = header.kid.to_owned();
        Ok(Self { key_id, signed, payload, signature: Signature::from_bytes(&bytes) })
    }

    /// The payload, a JSON object in bytes, if `key` signed it. Strict verification: of the several signatures that a
    /// key of low order would let through, none is accepted.
    pub(super) fn verify(&self, key: &VerifyingKey) -> Result<Vec<u8>, Refusal> {
        key.verify_strict(self.signed.as_bytes(), &self.signature).map_err(|_| Refusal::BadSignature)?;
        decode(self.payload)
    }
}

/// Reads a JSON object, and nothing else: serde would take an array of the values too.
pub(super) fn object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Refusal> {
    if json.first() != Some(&b'{') {
        return Err(Refusal::Malformed);
    }
    serde_json::from_slice(json).map_err(|_| Refusal::Malformed)
}

/// Signs a payload, which is a JSON object.
pub(super) fn sign(payload: &impl Serialize, key_id: &str, key: &SigningKey) -> serde_json::Result<String> {
    let header = serde_json::to_vec(&Header { alg: ALGORITHM, typ: TYPE, kid: key_id })?;
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(payload)?, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
    Ok(token)
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}
