//! Closed vocabularies: the words that the database, the wire and the metric labels share.

use serde::{Deserialize, Serialize};

/// A word that its vocabulary does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {vocabulary} \"{word}\", expected one of {expected}")]
pub struct UnknownWord {
    vocabulary: &'static str,
    word: String,
    expected: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident ($title:literal) { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Every word, in the order of declaration.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        vocabulary: $title,
                        word: word.chars().take(50).collect(),
                        expected: Self::WORDS.join(", "),
                    }),
                }
            }
        }
    };
}

vocabulary! {
    /// How a match is played.
    MatchType("match type") {
        /// Alone, or one against one.
        Solo = "solo",
        /// In teams.
        Team = "team",
        /// Many players, one winner.
        Tournament = "tournament",
    }
}

vocabulary! {
    /// Where a match stands in its life.
    MatchStatus("match status") {
        /// Being played.
        InProgress = "in_progress",
        /// Ended with a winner.
        Completed = "completed",
        /// Ended without a result.
        Crashed = "crashed",
    }
}

vocabulary! {
    /// Who found out that a match crashed.
    CrashCause("crash cause") {
        /// The game server said so.
        Reported = "reported",
        /// Heartbeats had begun and then stopped.
        HeartbeatLost = "heartbeat_lost",
        /// It never sent a heartbeat and outlived the longest life of a match.
        Expired = "expired",
    }
}

vocabulary! {
    /// How a purchase was decided.
    TransactionStatus("transaction status") {
        /// Paid.
        Completed = "completed",
        /// Declined.
        Failed = "failed",
        /// Paid back.
        Refunded = "refunded",
    }
}

vocabulary! {
    /// How serious a system event is.
    Severity("severity") {
        /// For the record.
        Info = "info",
        /// Worth a look.
        Warning = "warning",
        /// Something failed.
        Error = "error",
        /// Somebody must act now.
        Critical = "critical",
    }
}

vocabulary! {
    /// What a player pays for the service.
    Tier("tier") {
        /// Nothing.
        Free = "free",
        /// A subscription.
        Premium = "premium",
        /// A contract.
        Enterprise = "enterprise",
    }
}

vocabulary! {
    /// Item types as metric labels and totals know them. The data holds free text, which folds with [`ItemType::fold`].
    ItemType("item type") {
        /// Looks of a character.
        Skin = "skin",
        /// Something to fight with.
        Weapon = "weapon",
        /// In-game money.
        Currency = "currency",
        /// Something to be protected by.
        Armor = "armor",
        /// Used up by using it.
        Consumable = "consumable",
        /// Looks of anything else.
        Cosmetic = "cosmetic",
        /// Whatever is not listed.
        Other = "other",
    }
}

vocabulary! {
    /// Regions as metric labels know them. The data holds free text, which folds with [`Region::fold`].
    Region("region") {
        /// North America, east.
        UsEast = "us-east",
        /// North America, west.
        UsWest = "us-west",
        /// Europe, west.
        EuWest = "eu-west",
        /// Asia.
        Asia = "asia",
        /// Asia and Oceania.
        AsiaPacific = "asia-pacific",
        /// Whatever is not listed.
        Other = "other",
    }
}

impl ItemType {
    /// Free text as a label: what is not listed is [`ItemType::Other`].
    pub fn fold(text: &str) -> Self {
        text.parse().unwrap_or(Self::Other)
    }
}

impl Region {
    /// Free text as a label: what is not listed is [`Region::Other`].
    pub fn fold(text: &str) -> Self {
        text.parse().unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_parses_back() {
        for value in MatchType::ALL {
            assert_eq!(value.as_str().parse(), Ok(*value));
        }
        for value in Severity::ALL {
            assert_eq!(value.as_str().parse(), Ok(*value));
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_list() {
        let error = "duel".parse::<MatchType>().unwrap_err().to_string();
        assert_eq!(error, "unknown match type \"duel\", expected one of solo, team, tournament");
    }

    #[test]
    fn free_text_folds() {
        assert_eq!(ItemType::fold("armor"), ItemType::Armor);
        assert_eq!(ItemType::fold("🐉 hat"), ItemType::Other);
        assert_eq!(Region::fold("moon"), Region::Other);
    }
}
