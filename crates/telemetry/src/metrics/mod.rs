//! Typed instruments. Each is described, registered at zero and put into the catalogue when it is made; recording is
//! an index into an array, without hashing and without text.

mod catalogue;
mod instrument;
mod label;
#[cfg(test)]
mod tests;

pub use catalogue::{Entry, Kind, LabelEntry, catalogue};
pub use instrument::{Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramVec, InFlight, Timer};
pub use label::{Label, Labels};

pub(crate) use catalogue::{Words, describe};
pub(crate) use instrument::{counter, gauge, histogram};

pub use crate::buckets::{BYTES, HTTP_SECONDS, MATCH_SECONDS, OPERATION_SECONDS, SQL_SECONDS};
pub use crate::label;

/// What an instrument measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Desc {
    /// The exact name in the scrape.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// One sentence for the operator.
    pub help: &'static str,
}

/// The unit of an instrument's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Time.
    Seconds,
    /// Size.
    Bytes,
    /// Money; the counter is given cents, and the scrape shows dollars.
    Dollars,
    /// A part of one, 0 to 1.
    Ratio,
}

impl Unit {
    /// The word for it in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Dollars => "US dollars",
            Self::Ratio => "ratio",
        }
    }
}
