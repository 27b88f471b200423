//! Which secrets are none: too short, a placeholder that was never replaced, or a pattern. A check of form, not of
//! entropy: what passes may still have been published somewhere.

use battlearena_runtime::SecretFileError;

use super::Secret;

/// Fewest bytes of a secret that a machine made: 32 hexadecimal digits are 128 bits.
const FEWEST_BYTES: usize = 32;

/// Fewest different bytes: 32 random hexadecimal digits have fewer than 8 once in some 100,000 times.
const FEWEST_DIFFERENT: usize = 8;

/// What stands in documentation and examples. Compared in lower case, letters and digits only; long enough that random
/// base64 practically never has one.
const PLACEHOLDERS: [&str; 14] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "placeholder",
    "example",
    "secret",
    "password",
    "default",
    "insecure",
    "notsecure",
    "yourkey",
    "development",
    "letmein",
];

/// What is wrong with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too few bytes.
    #[error("is shorter than 32 bytes")]
    Short,
    /// A word out of documentation, or `<…>`.
    #[error("is a placeholder")]
    Placeholder,
    /// Few different characters, a repeated block, or a sequence.
    #[error("is a pattern")]
    Pattern,
}

/// A secret cannot be used. Names the setting, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It was not given.
    #[error("{setting} is missing: set {setting}, or {setting}_FILE to a file that holds it")]
    Missing {
        /// Its environment variable.
        setting: &'static str,
    },
    /// It was given twice.
    #[error("{setting} and {setting}_FILE are both set: which one holds?")]
    Ambiguous {
        /// Its environment variable.
        setting: &'static str,
    },
    /// Its file cannot be used.
    #[error("the file that {setting}_FILE names cannot be used")]
    File {
        /// Its environment variable.
        setting: &'static str,
        /// Why.
        #[source]
        source: SecretFileError,
    },
    /// It is no secret.
    #[error(
        "{setting} {weakness}: give it at least 32 random bytes, for instance of `openssl rand -base64 32`"
    )]
    Weak {
        /// Its environment variable.
        setting: &'static str,
        /// In what way.
        weakness: Weakness,
    },
}

impl Secret {
    /// Lets a secret pass that could have been drawn at random. `setting` is the environment variable that the message
    /// names.
    ///
    /// # Errors
    /// [`SecretError::Weak`].
    pub fn check_strength(&self, setting: &'static str) -> Result<(), SecretError> {
        match weakness(self.expose()) {
            None => Ok(()),
            Some(weakness) => Err(SecretError::Weak { setting, weakness }),
        }
    }
}

fn weakness(text: &str) -> Option<Weakness> {
    // What it is comes before how long it is: the message shall help who forgot to replace a placeholder.
    if is_placeholder(text) {
        Some(Weakness::Placeholder)
    } else if text.len() < FEWEST_BYTES {
        Some(Weakness::Short)
    } else if is_pattern(text.as_bytes()) {
        Some(Weakness::Pattern)
    } else {
        None
    }
}

fn is_placeholder(text: &str) -> bool {
    let plain: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    let bracketed = |open, close| text.starts_with(open) && text.ends_with(close);
    bracketed('<', '>')
        || bracketed('{', '}')
        || text.starts_with("${")
        || PLACEHOLDERS.iter().any(|word| plain.contains(word))
}

fn is_pattern(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let repeats = (1..=bytes.len() / 2)
        .any(|period| bytes.iter().zip(&bytes[period..]).all(|(byte, later)| byte == later));
    // "abcdef…" and "98765…": most neighbours are one apart.
    let steps = bytes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
    different < FEWEST_DIFFERENT || repeats || steps * 2 > bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<Weakness> {
        match text.parse::<Secret>().unwrap().check_strength("ARENA_TEST_KEY") {
            Ok(()) => None,
            Err(error) => {
                let message = error.to_string();
                assert!(message.starts_with("ARENA_TEST_KEY is "), "{message}");
                // A short text may stand in any sentence by chance.
                assert!(text.len() < 8 || !format!("{message} {error:?}").contains(text), "{message}");
                match error {
                    SecretError::Weak { weakness, .. } => Some(weakness),
                    other => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let cases = [
            ("", Weakness::Short),
            ("kX9vQ2mT7rW4yB8nL3pZ6sD1fG5hJ0c", Weakness::Short),
            ("changeme", Weakness::Placeholder),
            ("CHANGE_ME-CHANGE_ME-CHANGE_ME-42", Weakness::Placeholder),
            ("my-super-secret-signing-key-2030", Weakness::Placeholder),
            ("PassWord-PassWord-1234567890-abc", Weakness::Placeholder),
            ("<put the key of the service here>", Weakness::Placeholder),
            ("${ARENA_SERVICE_KEY_OF_THIS_PLACE}", Weakness::Placeholder),
            ("an-example-of-a-key-for-the-docs", Weakness::Placeholder),
            ("placeholder-placeholder-placeholder", Weakness::Placeholder),
            ("the-default-key-of-the-platform!!", Weakness::Placeholder),
            ("00000000000000000000000000000000", Weakness::Pattern),
            ("xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy", Weakness::Pattern),
            ("k9Qz7Lw2Xv5Tk9Qz7Lw2Xv5Tk9Qz7Lw2Xv5T", Weakness::Pattern),
            ("abcdefghijklmnopqrstuvwxyz012345", Weakness::Pattern),
            ("0123456789012345678901234567890123", Weakness::Pattern),
        ];
        for (text, expected) in cases {
            assert_eq!(refusal(text), Some(expected), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gets_an_answer(text in "\\PC{0,80}") {
            let refusal = refusal(&text);
            proptest::prop_assert!(text.len() >= FEWEST_BYTES || refusal.is_some());
        }
    }

    #[test]
    fn random_secrets_pass() {
        use base64::Engine as _;
        for _ in 0..1000 {
            let bytes: [u8; 32] = rand::random();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(refusal(&hex), None);
            assert_eq!(refusal(&base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }
}
