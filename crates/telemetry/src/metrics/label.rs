//! Labels come from closed sets: an enum whose every value has a word and an index.

use battlearena_proto::{
    CrashCause, ErrorKind, EventKind, ItemType, MatchStatus, MatchType, Region, Severity, Tier,
    TransactionStatus,
};

/// A closed set of label values. [`label!`](crate::label) writes both the enum and this.
pub trait Label: Copy + 'static {
    /// Every word, in the order of [`Label::index`].
    fn values() -> &'static [&'static str];

    /// The place of this value in [`Label::values`].
    fn index(self) -> usize;

    /// The word for it.
    fn as_str(self) -> &'static str {
        Self::values()[self.index()]
    }
}

/// One label, or a tuple of up to three: the labels of a vector of instruments.
pub trait Labels: Copy + 'static {
    /// An array with a name for each label.
    type Names: AsRef<[&'static str]> + Copy;

    /// The words of each label.
    fn words() -> Vec<&'static [&'static str]>;

    /// The words of every combination, in the order of [`Labels::place`].
    fn combinations() -> Vec<Vec<&'static str>> {
        Self::words().into_iter().fold(vec![Vec::new()], product)
    }

    /// The place of this combination.
    fn place(self) -> usize;
}

impl<A: Label> Labels for A {
    type Names = [&'static str; 1];

    fn words() -> Vec<&'static [&'static str]> {
        vec![A::values()]
    }

    fn place(self) -> usize {
        self.index()
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    type Names = [&'static str; 2];

    fn words() -> Vec<&'static [&'static str]> {
        vec![A::values(), B::values()]
    }

    fn place(self) -> usize {
        self.0.index() * B::values().len() + self.1.index()
    }
}

impl<A: Label, B: Label, C: Label> Labels for (A, B, C) {
    type Names = [&'static str; 3];

    fn words() -> Vec<&'static [&'static str]> {
        vec![A::values(), B::values(), C::values()]
    }

    fn place(self) -> usize {
        (self.0, self.1).place() * C::values().len() + self.2.index()
    }
}

fn product(left: Vec<Vec<&'static str>>, right: &[&'static str]) -> Vec<Vec<&'static str>> {
    left.iter().flat_map(|words| right.iter().map(|word| [words.as_slice(), &[*word]].concat())).collect()
}

/// Declares a closed set of label values.
///
/// ```
/// use battlearena_telemetry::metrics::Label;
///
/// battlearena_telemetry::label! {
///     /// How a log-in ended.
///     pub enum Outcome {
///         /// The player is in.
///         Ok = "ok",
///         /// The player is not.
///         Refused = "refused",
///     }
/// }
/// assert_eq!(Outcome::Refused.as_str(), "refused");
/// ```
#[macro_export]
macro_rules! label {
    ($(#[$doc:meta])* $visibility:vis enum $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $crate::metrics::Label for $name {
            fn values() -> &'static [&'static str] {
                &[$($word,)+]
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

macro_rules! vocabulary_labels {
    ($($name:ident)+) => {
        $(impl Label for $name {
            fn values() -> &'static [&'static str] {
                $name::WORDS
            }

            fn index(self) -> usize {
                self as usize
            }
        })+
    };
}

vocabulary_labels! { MatchType MatchStatus CrashCause TransactionStatus Severity Tier ItemType Region }

macro_rules! listed_labels {
    ($($name:ident)+) => {
        $(impl Label for $name {
            fn values() -> &'static [&'static str] {
                const WORDS: [&str; $name::ALL.len()] = {
                    let mut words = [""; $name::ALL.len()];
                    let mut place = 0;
                    while place < words.len() {
                        words[place] = $name::ALL[place].as_str();
                        place += 1;
                    }
                    words
                };
                &WORDS
            }

            fn index(self) -> usize {
                self as usize
            }
        })+
    };
}

listed_labels! { ErrorKind EventKind }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_each_combination_is_where_it_stands() {
        let combinations = <(MatchType, Tier, Severity)>::combinations();
        assert_eq!(combinations.len(), 3 * 3 * 4);
        for (match_type, words) in MatchType::ALL.iter().zip(MatchType::WORDS) {
            let place = (*match_type, Tier::Premium, Severity::Error).place();
            assert_eq!(combinations[place], [*words, "premium", "error"]);
        }
    }

    #[test]
    fn the_index_of_each_kind_is_its_word() {
        for kind in ErrorKind::ALL {
            assert_eq!(Label::as_str(*kind), kind.as_str());
        }
        for kind in EventKind::ALL {
            assert_eq!(Label::as_str(*kind), kind.as_str());
        }
    }
}
