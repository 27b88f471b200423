//! Players from outside: open-loop traffic over HTTP, and honest books of it. [`run`] plays the traffic that
//! a [`Config`] describes; with `check` it then compares the growth of the platform's totals with its own
//! ground truth.
//!
//! It knows the platform through its public interfaces only: HTTP of the gateway, and `GetTotals` of
//! analytics.

mod api;
mod check;
mod config;
mod mix;
mod operations;
mod plan;
mod progress;
mod report;
mod run;
mod schedule;
mod seeding;
mod summary;
mod totals;
mod truth;

pub use config::Config;
pub use mix::Mode;
pub use run::{Outcome, run};
pub use summary::{CheckResult, OperationSummary, ProblemSummary, Summary};
pub use truth::{Comparison, Row};
