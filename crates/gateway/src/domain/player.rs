//! What a player account is made of.

use battlearena_proto::{Failure, Tier};
use serde::Serialize;

use super::text;

/// A registration that keeps the rules. Its JSON form tells a retry from another request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NewPlayer {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) level: i32,
    pub(crate) tier: Tier,
    /// Free text; empty when the client gave none.
    pub(crate) region: String,
}

impl NewPlayer {
    /// Holds a registration against the rules.
    ///
    /// # Errors
    /// Invalid, naming the field.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        check_username(&self.username)?;
        check_email(&self.email)?;
        text::number("level", self.level.into(), 1..=1000)?;
        text::line("region", &self.region, 0..=20)?;
        Ok(self)
    }
}

/// What a player changes about itself. Absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProfileChange {
    pub(crate) username: Option<String>,
    pub(crate) email: Option<String>,
    /// Free text.
    pub(crate) region: Option<String>,
}

impl ProfileChange {
    /// Holds a change against the rules.
    ///
    /// # Errors
    /// Invalid, naming the field.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        if let Some(username) = &self.username {
            check_username(username)?;
        }
        if let Some(email) = &self.email {
            check_email(email)?;
        }
        if let Some(region) = &self.region {
            text::line("region", region, 0..=20)?;
        }
        Ok(self)
    }
}

/// The names of deleted accounts begin with this, and the account's number follows.
const DELETED: &str = "deleted-";

/// Any script is welcome. Space at the ends would let two names look the same.
fn check_username(username: &str) -> Result<(), Failure> {
    text::line("username", username, 1..=50)?;
    if username.trim().len() != username.len() {
        return Err(Failure::invalid("username", "username must not be blank, nor begin or end with space"));
    }
    let number = username.strip_prefix(DELETED).unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|letter| letter.is_ascii_digit()) {
        return Err(Failure::invalid("username", "username must not be that of a deleted account"));
    }
    Ok(())
}

/// Only mail proves an address; this keeps out what cannot be one.
fn check_email(email: &str) -> Result<(), Failure> {
    text::line("email", email, 3..=254)?;
    let sides = email
        .split_once('@')
        .filter(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if sides.is_none() || email.contains(char::is_whitespace) {
        return Err(Failure::invalid("email", "email must be an address with one @"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(username: &str, email: &str, level: i32, region: &str) -> Result<NewPlayer, Failure> {
        let [username, email, region] = [username, email, region].map(str::to_owned);
        NewPlayer { username, email, level, tier: Tier::Free, region }.checked()
    }

    #[test]
    fn good_accounts_pass() {
        for username in ["a", "Dragon Slayer", "Зоя", "龍", "💥💥", "نور", &"x".repeat(50), &"龍".repeat(50)]
        {
            assert!(player(username, "a@b.example", 1, "").is_ok(), "{username}");
        }
        assert!(player("a", &format!("{}@b", "x".repeat(252)), 1000, "asia-pacific").is_ok());
    }

    #[test]
    fn bad_accounts_name_the_field() {
        let long = "x".repeat(51);
        let usernames =
            ["", " ", "\u{3000}", " a", "a ", "a\u{a0}", "a\tb", "a\0b", "a\u{7f}", "deleted-7", &long];
        for username in usernames {
            assert_eq!(player(username, "a@b", 1, "").unwrap_err().field(), Some("username"), "{username:?}");
        }
        let long = format!("{}@b", "x".repeat(253));
        for email in ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b\n", &long] {
            assert_eq!(player("a", email, 1, "").unwrap_err().field(), Some("email"), "{email:?}");
        }
        for level in [0, -1, 1001, i32::MAX] {
            assert_eq!(player("a", "a@b", level, "").unwrap_err().field(), Some("level"), "{level}");
        }
        assert_eq!(player("a", "a@b", 1, &"x".repeat(21)).unwrap_err().field(), Some("region"));
    }
}
