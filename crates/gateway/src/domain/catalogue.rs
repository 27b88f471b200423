//! What the store sells, and for how much. In open mode the client names any price; otherwise this list holds.

use battlearena_proto::Failure;

use super::money::Cents;
use super::purchase::Purchase;

/// Sort, name and price of every item.
const ITEMS: [(&str, &str, Cents); 8] = [
    ("skin", "Dragon Armor", Cents(999)),
    ("skin", "Galaxy Wings", Cents(1999)),
    ("skin", "Ice Crown", Cents(2499)),
    ("weapon", "Legendary Sword", Cents(1499)),
    ("weapon", "Fire Staff", Cents(1299)),
    ("weapon", "Shadow Blade", Cents(1699)),
    ("currency", "1000 Gold", Cents(499)),
    ("currency", "500 Gold", Cents(299)),
];

/// Holds a purchase against the list.
///
/// # Errors
/// Invalid, naming the field: an item that is not sold, another sort than the item's, another amount than its price.
pub(crate) fn check(purchase: &Purchase) -> Result<(), Failure> {
    let item = ITEMS.iter().find(|(_, name, _)| *name == purchase.item_name);
    let Some((item_type, _, price)) = item else {
        return Err(Failure::invalid("item_name", "item_name is not in the catalogue"));
    };
    if *item_type != purchase.item_type {
        return Err(Failure::invalid("item_type", format!("item_type of this item is {item_type}")));
    }
    if *price != purchase.amount {
        return Err(Failure::invalid("amount", format!("amount must be the price, {:.2}", price.dollars())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use battlearena_proto::PlayerId;

    use super::*;

    #[test]
    fn only_what_is_listed_is_sold_and_at_its_price() {
        let check = |item_type: &str, item_name: &str, amount| {
            check(&Purchase::new(PlayerId(1), item_type.to_owned(), item_name.to_owned(), amount).unwrap())
        };
        for (item_type, item_name, price) in ITEMS {
            assert!(check(item_type, item_name, price.dollars()).is_ok(), "{item_name}");
        }
        let table = [
            ("skin", "Dragon Armour", 9.99, "item_name"),
            ("skin", "dragon armor", 9.99, "item_name"),
            ("weapon", "Dragon Armor", 9.99, "item_type"),
            ("skin", "Dragon Armor", 0.01, "amount"),
            ("skin", "Dragon Armor", 10.0, "amount"),
        ];
        for (item_type, item_name, amount, field) in table {
            assert_eq!(check(item_type, item_name, amount).unwrap_err().field(), Some(field), "{item_name}");
        }
    }
}
