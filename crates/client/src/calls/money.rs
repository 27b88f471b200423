//! Money: an integer of cents. Decimal dollars exist on the wire only.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount in cents of a US dollar. In JSON it is a number of dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cents(pub i64);

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The shortest form of the nearest number has at most two places up to 45 trillion dollars.
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl<'de> Deserialize<'de> for Cents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(|dollars| Self((dollars * 100.0).round() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_have_at_most_two_places_and_come_back() {
        for (cents, dollars) in [(999, "9.99"), (1, "0.01"), (29, "0.29"), (1200, "12.0"), (-435, "-4.35")] {
            assert_eq!(serde_json::to_string(&Cents(cents)).unwrap(), dollars);
            assert_eq!(serde_json::from_str::<Cents>(dollars).unwrap(), Cents(cents));
        }
        for cents in (0..10_000_000).step_by(7) {
            let text = serde_json::to_string(&Cents(cents)).unwrap();
            assert_eq!(serde_json::from_str::<Cents>(&text).unwrap(), Cents(cents));
            assert!(text.split_once('.').unwrap().1.len() <= 2, "{text}");
        }
    }
}
