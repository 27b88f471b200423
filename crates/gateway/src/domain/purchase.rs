//! What a player buys.

use battlearena_proto::{Failure, PlayerId};
use serde::Serialize;

use super::money::Cents;
use super::text;

/// A purchase that keeps the rules. Its JSON form tells a retry from another request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Purchase {
    pub(crate) player_id: PlayerId,
    /// Free text; folds to a closed set in labels only.
    pub(crate) item_type: String,
    pub(crate) item_name: String,
    pub(crate) amount: Cents,
}

impl Purchase {
    /// Holds a purchase against the rules. The amount is in dollars.
    ///
    /// # Errors
    /// Invalid, naming the field.
    pub(crate) fn new(
        player_id: PlayerId,
        item_type: String,
        item_name: String,
        amount: f64,
    ) -> Result<Self, Failure> {
        text::line("item_type", &item_type, 1..=50)?;
        text::line("item_name", &item_name, 1..=100)?;
        Ok(Self { player_id, item_type, item_name, amount: Cents::from_price(amount)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bounds() {
        let purchase = |item_type: &str, item_name: &str, amount| {
            Purchase::new(PlayerId(1), item_type.to_owned(), item_name.to_owned(), amount)
        };
        assert_eq!(purchase("skin", "Dragon Armor", 9.99).unwrap().amount, Cents(999));
        assert!(purchase(&"x".repeat(50), &"龍".repeat(100), 9.99).is_ok());
        let long = ("x".repeat(51), "x".repeat(101));
        let table = [
            ("", "Dragon Armor", 9.99, "item_type"),
            (&long.0, "Dragon Armor", 9.99, "item_type"),
            ("skin", "", 9.99, "item_name"),
            ("skin", &long.1, 9.99, "item_name"),
            ("skin", "Dragon Armor", -1.0, "amount"),
        ];
        for (item_type, item_name, amount, field) in table {
            assert_eq!(purchase(item_type, item_name, amount).unwrap_err().field(), Some(field));
        }
    }
}
