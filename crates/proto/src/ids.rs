//! Typed ids. An id is an identity column: an integer from 1. Parsed at the edge, so that inside a service no player
//! is mistaken for a match.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// The bare integer, as SQL and the wire have it.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }
    };
}

id! {
    /// A player account, owned by gateway.
    PlayerId
}
id! {
    /// A match, owned by the match service.
    MatchId
}
id! {
    /// A row of the ledger, owned by gateway.
    TransactionId
}
