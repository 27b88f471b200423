//! What a password may be. Length alone counts (OWASP ASVS 5.0, 6.2): no rules of composition, nothing is cut off, and
//! every character is taken as it comes.

use battlearena_proto::Failure;

use crate::secret::Secret;

/// How many characters a new password may have.
const CHARACTERS: std::ops::RangeInclusive<usize> = 8..=128;

/// Longest password that is hashed, in bytes: 128 characters of four bytes.
const MOST_BYTES: usize = 512;

/// The field of the request.
const FIELD: &str = "password";

/// A password that may be hashed or compared.
#[derive(Debug, Clone)]
pub struct Password(Secret);

impl Password {
    /// A password that a player chooses. `about` is what everybody knows of the player: name, e-mail address.
    ///
    /// # Errors
    /// `invalid`, naming the field: fewer than 8 characters, more than 128, one character repeated, or one of `about`.
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
            ["horse stapler", "12345678", "ähnlich!", "  spaces  ", &"ab".repeat(64), &"🐉🐲".repeat(64)]
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
    fn what_is_presented_only_has_a_size() {
        let presented = |text: &str| Password::presented(Secret::from(text.to_owned()));
        assert!(presented("").is_ok() && presented(&"a".repeat(512)).is_ok());
        assert!(presented(&"a".repeat(513)).is_err());
        assert_eq!(format!("{:?}", presented("hunter42hunter42").unwrap()), "Password([redacted])");
    }
}
