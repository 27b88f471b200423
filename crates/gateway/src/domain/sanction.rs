//! Bans and mutes, as an operator orders them.

use battlearena_proto::Failure;
use jiff::Timestamp;

use super::text;

/// What is taken from a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SanctionKind {
    /// It may not come in.
    Ban,
    /// It may not speak.
    Mute,
}

impl SanctionKind {
    /// The word in the table and in the event.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Mute => "mute",
        }
    }
}

/// An order that keeps the rules.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) kind: SanctionKind,
    /// For people: 1 to 500 characters.
    pub(crate) reason: String,
    /// When it ends by itself; `None` for never.
    pub(crate) until: Option<Timestamp>,
}

impl Order {
    /// Holds an order against the rules.
    ///
    /// # Errors
    /// Invalid, naming the field: a reason out of bounds, an end that is not after `now`.
    pub(crate) fn checked(self, now: Timestamp) -> Result<Self, Failure> {
        text::prose("reason", &self.reason, 1..=500)?;
        if self.until.is_some_and(|until| until <= now) {
            return Err(Failure::invalid("until", "until must be a time to come"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_a_reason_and_ends_later() {
        let now = Timestamp::from_second(100).unwrap();
        let order = |reason: &str, until: Option<i64>| {
            let until = until.map(|second| Timestamp::from_second(second).unwrap());
            Order { kind: SanctionKind::Ban, reason: reason.to_owned(), until }.checked(now)
        };
        assert!(order("spam", None).is_ok() && order("spam", Some(101)).is_ok());
        assert_eq!(order("", None).unwrap_err().field(), Some("reason"));
        assert_eq!(order(&"x".repeat(501), None).unwrap_err().field(), Some("reason"));
        for past in [99, 100] {
            assert_eq!(order("spam", Some(past)).unwrap_err().field(), Some("until"));
        }
    }
}
