//! Players from outside: open-loop traffic over HTTP, talk over sockets, and honest books of both. [`run()`] plays the
//! traffic that a [`Config`] describes; with `check` it then compares the growth of the platform's totals with its own
//! ground truth, and every listener's history with the room's.
//!
//! Each operation is a trace that begins here, and every attempt of every request is counted as the client tells it.
//!
//! It knows the platform through its public interfaces only, and those through the client only.

mod attempts;
mod cast;
mod chat;
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
mod trace;
mod truth;

pub use attempts::{CommandCount, RequestCount, RpcCount};
pub use config::Config;
pub use mix::Mode;
pub use run::{Outcome, run};
pub use summary::{ChatSummary, CheckResult, OperationSummary, ProblemSummary, Summary};
pub use truth::{Comparison, Row};
