//! Money: an integer of minor units (cents of a US dollar). Decimal dollars exist at the edge only, and only if they
//! are a whole number of cents.

use battlearena_proto::Failure;
use serde::Serialize;

/// An amount in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Cents(pub(crate) i64);

/// The dearest purchase: a million dollars.
const MOST: Cents = Cents(100_000_000);

impl Cents {
    /// Reads a price in dollars: more than nothing, at most a million, at most two decimals. What counts are the digits
    /// of the shortest decimal that means the number: 9.99 is exactly 999 cents.
    ///
    /// # Errors
    /// Invalid, naming the field `amount`.
    pub(crate) fn from_price(dollars: f64) -> Result<Self, Failure> {
        if !(dollars > 0.0 && dollars <= MOST.dollars()) {
            return Err(Failure::invalid(
                "amount",
                "amount must be more than 0 and at most 1000000.00 dollars",
            ));
        }
        digits_as_cents(&dollars.to_string())
            .map(Self)
            .ok_or_else(|| Failure::invalid("amount", "amount must have at most two decimals"))
    }

    /// The amount in dollars, for JSON. Exact to the cent below 45 trillion dollars.
    pub(crate) fn dollars(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

fn digits_as_cents(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 2 {
        return None;
    }
    format!("{whole}{fraction:0<2}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_whole_cents() {
        let table = [
            (9.99, 999),
            (14.99, 1499),
            (0.01, 1),
            (0.1, 10),
            (1.0, 100),
            (5e2, 50_000),
            (4.35, 435),
            (999_999.99, 99_999_999),
            (1_000_000.0, 100_000_000),
        ];
        for (dollars, cents) in table {
            assert_eq!(Cents::from_price(dollars).unwrap(), Cents(cents), "{dollars}");
            assert_eq!(Cents(cents).dollars(), dollars);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let numbers =
            [0.0, -0.0, -9.99, 9.999, 0.001, 1e-7, 0.1 + 0.2, 1_000_000.01, 1e300, f64::INFINITY, f64::NAN];
        for dollars in numbers {
            assert_eq!(Cents::from_price(dollars).unwrap_err().field(), Some("amount"), "{dollars}");
        }
    }
}
