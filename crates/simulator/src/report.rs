//! What every operation came to: counts, errors, retries and latencies. Pure collecting; [`crate::summary`]
//! shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

/// Most kinds of problems that are told apart; what comes later is counted by its operation only.
const MOST_PROBLEMS: usize = 50;
/// The longest latency that is told apart, in microseconds (10 minutes).
const LONGEST_MICROS: u64 = 600_000_000;

/// The rows of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Register,
    LogIn,
    LogOut,
    StartMatch,
    CompleteMatch,
    CrashMatch,
    EndMatchAtStop,
    Heartbeat,
    Purchase,
    SystemEvent,
    GetPlayer,
    GetRank,
    ListMatches,
    GetLeaderboard,
    GetStats,
    UnknownPlayer,
    WrongPassword,
    MalformedBody,
    UnknownMatch,
    BadRoom,
    EnterRoom,
    ChatMessage,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register player",
            Self::LogIn => "player login",
            Self::LogOut => "player logout",
            Self::StartMatch => "start match",
            Self::CompleteMatch => "complete match",
            Self::CrashMatch => "crash match",
            Self::EndMatchAtStop => "end match at stop",
            Self::Heartbeat => "heartbeat",
            Self::Purchase => "create transaction",
            Self::SystemEvent => "log system event",
            Self::GetPlayer => "get player",
            Self::GetRank => "get rank",
            Self::ListMatches => "list matches",
            Self::GetLeaderboard => "get leaderboard",
            Self::GetStats => "get stats",
            Self::UnknownPlayer => "mistake: unknown player",
            Self::WrongPassword => "mistake: wrong password",
            Self::MalformedBody => "mistake: malformed body",
            Self::UnknownMatch => "mistake: unknown match",
            Self::BadRoom => "mistake: bad room",
            Self::EnterRoom => "enter room",
            Self::ChatMessage => "chat message",
        }
    }

    /// Whether it goes over a socket. Those have a plan and a rate of their own.
    fn is_by_socket(self) -> bool {
        matches!(self, Self::BadRoom | Self::EnterRoom | Self::ChatMessage)
    }
}

/// An answer that was not the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// A few words that group the same problems: the status and the error's code.
    pub(crate) what: String,
    /// All that one answer said.
    pub(crate) example: String,
}

impl Problem {
    /// A problem of which there is no more to say.
    pub(crate) fn plain(what: impl Into<String>) -> Self {
        let what = what.into();
        Self { example: what.clone(), what }
    }
}

/// One finished operation.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) operation: Operation,
    /// From the time it was due to its last answer.
    pub(crate) latency: Duration,
    pub(crate) retries: u32,
    pub(crate) problem: Option<Problem>,
    /// Whether it was given up without knowing if it took place.
    pub(crate) unknown: bool,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) unknown: u64,
    pub(crate) retries: u64,
    pub(crate) latency_micros: Histogram<u64>,
}

/// All rows, and the problems.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) tallies: BTreeMap<Operation, Tally>,
    /// By operation and what it is: how often, and the first one's example.
    pub(crate) problems: BTreeMap<(Operation, String), (u64, String)>,
    empty: Histogram<u64>,
}

impl Report {
    /// # Errors
    /// None with the bounds of [`latency_histogram`]; they are checked nevertheless.
    pub(crate) fn new() -> Result<Self, CreationError> {
        Ok(Self { tallies: BTreeMap::new(), problems: BTreeMap::new(), empty: latency_histogram()? })
    }

    pub(crate) fn record(&mut self, finished: Finished) {
        let Finished { operation, latency, retries, problem, unknown } = finished;
        let tally = self.tallies.entry(operation).or_insert_with(|| Tally {
            count: 0,
            errors: 0,
            unknown: 0,
            retries: 0,
            latency_micros: self.empty.clone(),
        });
        tally.count += 1;
        tally.errors += u64::from(problem.is_some());
        tally.unknown += u64::from(unknown);
        tally.retries += u64::from(retries);
        tally.latency_micros.saturating_record(micros(latency));
        if let Some(Problem { what, example }) = problem {
            let key = (operation, what);
            if self.problems.len() < MOST_PROBLEMS || self.problems.contains_key(&key) {
                self.problems.entry(key).or_insert((0, example)).0 += 1;
            }
        }
    }

    /// Operations that came to an end, but for those of sockets.
    pub(crate) fn finished(&self) -> u64 {
        let by_http = self.tallies.iter().filter(|(operation, _)| !operation.is_by_socket());
        by_http.map(|(_, tally)| tally.count).sum()
    }

    /// Answers that were not the expected ones, and operations that were given up.
    pub(crate) fn errors(&self) -> u64 {
        self.tallies.values().map(|tally| tally.errors).sum()
    }
}

/// An empty histogram of microseconds up to ten minutes; percentiles are off by a thousandth at most.
///
/// # Errors
/// None, as the bounds are constants.
pub(crate) fn latency_histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, 3)
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(millis: u64, problem: Option<Problem>) -> Finished {
        let latency = Duration::from_millis(millis);
        Finished { operation: Operation::LogIn, latency, retries: 1, problem, unknown: false }
    }

    #[test]
    fn rows_add_up() {
        let mut report = Report::new().unwrap();
        for millis in 1..=100 {
            report.record(finished(millis, None));
        }
        report.record(finished(700_000, Some(Problem::plain("409 conflict"))));
        let tally = &report.tallies[&Operation::LogIn];
        assert_eq!((tally.count, tally.errors, tally.retries, report.finished()), (101, 1, 101, 101));
        let median = tally.latency_micros.value_at_quantile(0.5);
        assert!((50_900..=51_100).contains(&median), "{median}");
        // Beyond the last bucket a latency is not lost, but taken for the longest one.
        assert!(tally.latency_micros.max() >= LONGEST_MICROS);
    }

    #[test]
    fn problems_are_grouped_and_bounded() {
        let mut report = Report::new().unwrap();
        for number in 0..200 {
            report.record(finished(1, Some(Problem::plain(format!("problem {number}")))));
            report.record(finished(1, Some(Problem { what: "problem 0".into(), example: "other".into() })));
        }
        assert_eq!((report.problems.len(), report.errors()), (MOST_PROBLEMS, 400));
        assert_eq!(
            report.problems[&(Operation::LogIn, "problem 0".to_owned())],
            (201, "problem 0".to_owned())
        );
    }
}
