//! What is told at the end: the figures for programs (serde), the tables for people (`Display`). Pure.

use std::fmt;

use serde::Serialize;

use crate::attempts::{CommandCount, RequestCount, RpcCount};
use crate::mix::Mode;
use crate::report::Report;
use crate::truth::{Comparison, Row};

/// Everything that a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How busy the players were, unless a rate was given.
    pub mode: Mode,
    /// The target in operations a second, when one was given.
    pub rate: Option<f64>,
    /// The seed of the plan, for another run like this.
    pub seed: u64,
    /// Players that took part.
    pub players: i64,
    /// How long operations arrived, in seconds.
    pub window_seconds: f64,
    /// Operations a second that were due in that time.
    pub offered_per_second: f64,
    /// Operations a second that came to an end in that time.
    pub achieved_per_second: f64,
    /// Operations that were due and not sent, because `--max-in-flight` were under way.
    pub not_sent: u64,
    /// Most operations under way at once.
    pub most_in_flight: usize,
    /// How late the simulator itself was in 99 % of the releases at most, in milliseconds; part of each
    /// latency.
    pub schedule_lag_p99_ms: f64,
    /// Purchases that the platform completed.
    pub purchases_completed: i64,
    /// Purchases that the platform declined.
    pub purchases_failed: i64,
    /// What came of the sockets.
    pub chat: ChatSummary,
    /// Every HTTP request that was sent, by route and answer; each attempt is one. Those before and after the traffic
    /// are among them.
    pub requests: Vec<RequestCount>,
    /// Every gRPC call in the same way.
    pub grpc_calls: Vec<RpcCount>,
    /// Every command that was sent over a socket.
    pub socket_commands: Vec<CommandCount>,
    /// By operation.
    pub operations: Vec<OperationSummary>,
    /// Answers that were not the expected ones, grouped.
    pub problems: Vec<ProblemSummary>,
    /// What `--check` found.
    pub check: Option<CheckResult>,
}

/// What the socket players did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ChatSummary {
    /// Players with a socket.
    pub players: usize,
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Messages that listeners received.
    pub delivered: u64,
    /// Events of the platform that listeners received.
    pub feed_events: u64,
    /// Connections that were lost and replaced.
    pub reconnects: u64,
    /// Times that a listener was told to reload, because it had missed too much.
    pub reloads: u64,
    /// Messages that were due and not sent, because too many others were under way.
    pub not_sent: u64,
}

/// One operation. Latencies are in milliseconds, from when it was due to its last answer.
#[derive(Debug, Clone, Serialize)]
pub struct OperationSummary {
    /// What was done.
    pub operation: &'static str,
    /// How often.
    pub count: u64,
    /// Unexpected answers, and operations that were given up.
    pub errors: u64,
    /// Of the errors, those after which it is not known whether the operation took place.
    pub unknown: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Median.
    pub p50_ms: f64,
    /// 95 % were at most as slow.
    pub p95_ms: f64,
    /// 99 % were at most as slow.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// A kind of unexpected answer.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemSummary {
    /// What was done.
    pub operation: &'static str,
    /// What came of it.
    pub problem: String,
    /// How often.
    pub count: u64,
    /// The first of them in full.
    pub example: String,
}

/// What the check found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckResult {
    /// Whether every total grew as the ground truth allows, without errors (unless they are allowed).
    pub held: bool,
    /// Errors in all, which fail the check unless they are allowed.
    pub errors: u64,
    /// Matches of others that were in progress at the start; the check assumes that they still are.
    pub foreign_matches: i64,
    /// Every total.
    pub totals: Comparison,
}

/// The rows of the report.
pub(crate) fn operations(report: &Report) -> Vec<OperationSummary> {
    report
        .tallies
        .iter()
        .map(|(operation, tally)| {
            let quantile = |quantile| millis(tally.latency_micros.value_at_quantile(quantile));
            OperationSummary {
                operation: operation.as_str(),
                count: tally.count,
                errors: tally.errors,
                unknown: tally.unknown,
                retries: tally.retries,
                p50_ms: quantile(0.5),
                p95_ms: quantile(0.95),
                p99_ms: quantile(0.99),
                max_ms: millis(tally.latency_micros.max()),
            }
        })
        .collect()
}

/// The problems of the report.
pub(crate) fn problems(report: &Report) -> Vec<ProblemSummary> {
    report
        .problems
        .iter()
        .map(|((operation, problem), (count, example))| ProblemSummary {
            operation: operation.as_str(),
            problem: problem.clone(),
            count: *count,
            example: example.clone(),
        })
        .collect()
}

/// Microseconds as milliseconds.
pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match self.rate {
            Some(rate) => format!("{rate} operations/s"),
            None => format!("mode {:?}", self.mode).to_lowercase(),
        };
        writeln!(f, "Played {target} for {:.1} s (seed {})", self.window_seconds, self.seed)?;
        writeln!(f, "with {} players, at most {} operations at once", self.players, self.most_in_flight)?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<24} {:>9} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "operation", "count", "errors", "retries", "p50 ms", "p95 ms", "p99 ms", "max ms"
        )?;
        for row in &self.operations {
            writeln!(
                f,
                "{:<24} {:>9} {:>7} {:>7} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
                row.operation,
                row.count,
                row.errors,
                row.retries,
                row.p50_ms,
                row.p95_ms,
                row.p99_ms,
                row.max_ms
            )?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "offered {:.1}/s, achieved {:.1}/s; released late by {:.2} ms at most in 99 %",
            self.offered_per_second, self.achieved_per_second, self.schedule_lag_p99_ms
        )?;
        writeln!(f, "purchases: {} completed, {} declined", self.purchases_completed, self.purchases_failed)?;
        if self.chat.players > 0 {
            writeln!(f, "{}", self.chat)?;
        }
        if self.not_sent > 0 {
            writeln!(f, "NOT SENT: {} operations, too many were under way", self.not_sent)?;
        }
        for problem in &self.problems {
            let ProblemSummary { operation, problem, count, example } = problem;
            writeln!(f, "problem: {operation}: {problem}, {count} times, such as: {example}")?;
        }
        match &self.check {
            Some(check) => write!(f, "\n{check}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ChatSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { players, acknowledged, delivered, feed_events, reconnects, reloads, not_sent } = self;
        write!(
            f,
            "chat: {acknowledged} messages of {players} players, {delivered} deliveries, {feed_events} feed events, \
             {reconnects} reconnects, {reloads} reloads"
        )?;
        if *not_sent > 0 { write!(f, ", {not_sent} NOT SENT") } else { Ok(()) }
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<38} {:>21} {:>10}", "total", "expected", "grown")?;
        for row in self.totals.rows() {
            let mark = if row.holds() { "" } else { "  DIFFERS" };
            writeln!(f, "{:<38} {:>21} {:>10}{mark}", row.name, expected(row), row.grown)?;
        }
        writeln!(f)?;
        if self.foreign_matches > 0 {
            writeln!(f, "note: {} matches of others were in progress at the start", self.foreign_matches)?;
        }
        let differences = self.totals.differences().count();
        match (self.held, differences) {
            (true, _) => writeln!(f, "check held: the platform's totals grew as they should"),
            (false, 0) => {
                writeln!(f, "CHECK FAILED: the totals are right, but there were {} errors", self.errors)
            }
            (false, _) => writeln!(f, "CHECK FAILED: {differences} totals differ, {} errors", self.errors),
        }
    }
}

fn expected(row: &Row) -> String {
    if row.at_least == row.at_most {
        row.at_least.to_string()
    } else {
        format!("{} to {}", row.at_least, row.at_most)
    }
}
