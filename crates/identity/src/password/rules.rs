//! What a password may be. Length alone counts (OWASP ASVS 5.0, 6.2): no rules of composition, nothing is cut off, and
//! every character is taken as it comes. The few that everybody tries first are refused (6.2.4).

use battlearena_proto::Failure;

use crate::secret::Secret;

/// How many characters a new password may have.
const CHARACTERS: std::ops::RangeInclusive<usize> = 8..=128;

/// Longest password that is hashed, in bytes: 128 characters of four bytes.
const MOST_BYTES: usize = 512;

/// The passwords of at least eight characters that lists of stolen ones have at their top, in small letters. Guesses are
/// throttled: what has to be refused is what falls to the first of them.
const MOST_COMMON: [&str; 60] = [
    "01234567",
    "0123456789",
    "10203040",
    "11223344",
    "12121212",
    "12341234",
    "12344321",
    "1234554321",
    "12345678",
    "123456789",
    "1234567890",
    "12345678910",
    "123456789a",
    "1234567a",
    "123123123",
    "1234qwer",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "1qazxsw2",
    "147258369",
    "31415926",
    "789456123",
    "87654321",
    "987654321",
    "9876543210",
    "a1234567",
    "a12345678",
    "aa123456",
    "abc12345",
    "abcd1234",
    "abcdefgh",
    "admin123",
    "administrator",
    "asdf1234",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "baseball",
    "changeme",
    "computer",
    "football",
    "iloveyou",
    "letmein1",
    "michelle",
    "p@ssw0rd",
    "passw0rd",
    "password",
    "password1",
    "password12",
    "password123",
    "princess",
    "q1w2e3r4",
    "qwer1234",
    "qwerty12",
    "qwerty123",
    "qwertyui",
    "qwertyuiop",
    "sunshine",
    "superman",
];

/// The field of the request.
const FIELD: &str = "password";

/// A password that may be hashed or compared.
#[derive(Debug, Clone)]
pub struct Password(Secret);

impl Password {
    /// A password that a player chooses. `about` is what everybody knows of the player: name, e-mail address.
    ///
    /// # Errors
    /// `invalid`, naming the field: fewer than 8 characters, more than 128, one character repeated, one of
    /// the most common ones, or one of `about`.
    pub fn chosen(secret: Secret, about: &[&str]) -> Result<Self, Failure> {
        let text = secret.expose();
        if !CHARACTERS.contains(&text.chars().count()) {
            return Err(Failure::invalid(FIELD, "must have 8 to 128 characters"));
        }
        let mut letters = text.chars();
        let first = letters.next();
        if letters.all(|letter| Some(letter) == first) {
            return Err(Failure::invalid(FIELD, "must not be one character repeated"));
        }
        let lower = text.to_lowercase();
        if MOST_COMMON.contains(&lower.as_str()) {
            return Err(Failure::invalid(FIELD, "is one of the most common passwords"));
        }
        if about.iter().any(|known| known.to_lowercase() == lower) {
            return Err(Failure::invalid(FIELD, "must not be the name or the e-mail address"));
        }
        Ok(Self(secret))
    }

    /// A password that somebody presents. The rules may have changed since it was chosen, so only its size counts.
    ///
    /// # Errors
    /// `invalid`, naming the field, for more than 512 bytes.
    pub fn presented(secret: Secret) -> Result<Self, Failure> {
        if secret.expose().len() > MOST_BYTES {
            return Err(Failure::invalid(FIELD, "is too long"));
        }
        Ok(Self(secret))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<Password, Failure> {
        Password::chosen(Secret::from(text.to_owned()), &["Ada_Lovelace", "ada@players.test"])
    }

    #[test]
    fn length_counts_in_characters() {
        for good in
            ["horse stapler", "12345678-", "ähnlich!", "  spaces  ", &"ab".repeat(64), &"🐉🐲".repeat(64)]
        {
            assert!(chosen(good).is_ok(), "{good}");
        }
        for bad in
            ["", "1234567", "äöüäöü7", &"ab".repeat(65), "aaaaaaaaaaaa", "ada_lovelace", "ADA@players.test"]
        {
            let failure = chosen(bad).unwrap_err();
            assert_eq!(failure.field(), Some("password"), "{bad}");
            assert!(bad.is_empty() || !failure.chain().contains(bad), "{bad}");
        }
    }

    #[test]
    fn what_everybody_tries_first_is_refused_in_any_case() {
        for bad in ["12345678", "password", "PassWord", "QWERTYUIOP", "P@ssw0rd", "iLoveYou"] {
            let failure = chosen(bad).unwrap_err();
            assert_eq!(failure.field(), Some("password"), "{bad}");
        }
        for common in MOST_COMMON {
            assert!(common.chars().count() >= 8 && common == common.to_lowercase(), "{common}");
        }
    }

    #[test]
    fn what_is_presented_only_has_a_size() {
        let presented = |text: &str| Password::presented(Secret::from(text.to_owned()));
        assert!(presented("").is_ok() && presented(&"a".repeat(512)).is_ok());
        assert!(presented(&"a".repeat(513)).is_err());
        assert_eq!(format!("{:?}", presented("hunter42hunter42").unwrap()), "Password([redacted])");
    }
}
