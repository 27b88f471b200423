//! Secrets: text that no log, error or answer shows by accident, and that is wiped from memory when it is dropped.
//! [`Secret::expose`] is the only way to the text.

mod setting;
mod strength;

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize as _;

pub use setting::{SecretName, SecretSetting};
pub use strength::{SecretError, Weakness};

/// What stands in the place of a secret wherever it is shown.
const REDACTED: &str = "[redacted]";

/// A text that must not be shown. `Debug`, `Display` and `Serialize` give `[redacted]`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// A copy of a text.
    pub fn of(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Secret {
    /// The text is copied to where it is wiped, and wiped where it was: a `String` that is fitted to its size leaves its
    /// old place as it is.
    fn from(mut text: String) -> Self {
        let secret = Self::of(&text);
        text.zeroize();
        secret
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::of(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// A number is refused without being quoted, since it may be the secret in the wrong shape. That takes a look at
    /// whatever comes: a format that is asked for a string quotes what it found instead.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text)
    }
}

struct Text;

impl serde::de::Visitor<'_> for Text {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::of(text))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Secret, E> {
        Ok(Secret::from(text))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom("expected a string"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom("expected a string"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom("expected a string"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "4815162342-the-numbers";

    #[derive(Debug, Serialize, Deserialize)]
    struct Body {
        password: Secret,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot use {0}")]
    struct Outer(Secret, #[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner {0:?}")]
    struct Inner(Secret);

    #[test]
    fn a_secret_is_shown_nowhere() {
        let body: Body = serde_json::from_str(&format!(r#"{{"password":"{TEXT}"}}"#)).unwrap();
        assert_eq!(body.password.expose(), TEXT);
        assert_eq!(serde_json::to_string(&body).unwrap(), r#"{"password":"[redacted]"}"#);
        assert_eq!(format!("{body:?}"), "Body { password: [redacted] }");
        assert_eq!(format!("{:#?} {}", body.password, body.password), "[redacted] [redacted]");
        let error = Outer(body.password.clone(), Inner(body.password));
        let chain = battlearena_proto::Failure::internal(error).chain();
        assert_eq!(chain, "internal: internal error: cannot use [redacted]: inner [redacted]");
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_quoted() {
        for wrong in ["4815162342", "-4815162342", "4815162342.5", "1e300"] {
            let error = serde_json::from_str::<Body>(&format!(r#"{{"password":{wrong}}}"#)).unwrap_err();
            assert!(!error.to_string().contains("4815162342"), "{error}");
            assert!(error.to_string().contains("expected a string"), "{error}");
        }
        for wrong in ["null", "[]", "{}", "true"] {
            assert!(serde_json::from_str::<Body>(&format!(r#"{{"password":{wrong}}}"#)).is_err());
        }
    }
}
