//! What is told: progress as it happens, and at the end the proof, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;

use serde::Serialize;

use super::fault::Inflicted;
use super::invariants::Finding;
use super::plan::Kind;
use super::proposal::Proposal;
use super::traffic::{Books, Operation, Wanted};

/// Where to say things: on standard output, or on standard error when that is for a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    pub(super) json: bool,
}

/// Everything that a proof came to.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) seed: u64,
    pub(super) rounds: usize,
    pub(super) round_seconds: u64,
    pub(super) faults: Vec<Inflicted>,
    pub(super) books: Books,
    pub(super) findings: Vec<Finding>,
}

/// The proof for programs.
#[derive(Debug, Serialize)]
struct Result<'p> {
    holds: bool,
    seed: u64,
    rounds: usize,
    round_seconds: u64,
    offered_per_second: f64,
    achieved_per_second: f64,
    operations: u64,
    errors: u64,
    retries: u64,
    unknown: u64,
    faults: &'p [Inflicted],
    invariants: &'p [Finding],
}

impl Voice {
    /// Says a line. A reader that is gone is no reason to stop.
    pub(super) fn say(self, line: &str) {
        let _ = if self.json {
            writeln!(std::io::stderr().lock(), "{line}")
        } else {
            writeln!(std::io::stdout().lock(), "{line}")
        };
    }

    /// Says what will happen.
    pub(super) fn plan(self, proposal: &Proposal) {
        let Wanted { seed, rate, players, exactly } = proposal.wanted;
        let (rounds, length) = (proposal.rounds.len(), proposal.round.as_secs());
        let how = exactly.map_or_else(
            || format!("{rounds} rounds of {length} s"),
            |duration| format!("{} s without a fault", duration.as_secs()),
        );
        self.say(&format!("seed {seed}: {how}, {rate} operations/s of {players} players"));
        for (number, faults) in (1..).zip(&proposal.rounds) {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            self.say(&format!("  round {number:>3}: {}", faults.join(", ")));
        }
    }

    /// Tells the proof.
    ///
    /// # Errors
    /// Nobody takes it.
    pub(super) fn conclude(self, proof: &Proof) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &proof.result())?;
            writeln!(out)?;
        } else {
            write!(out, "{proof}")?;
        }
        Ok(out.flush()?)
    }
}

impl Proof {
    /// Whether every invariant holds and the platform recovered from every fault.
    pub(super) fn holds(&self) -> bool {
        let recovered = self.faults.iter().all(|fault| fault.recovery_seconds.is_some());
        recovered && self.findings.iter().all(|finding| finding.holds)
    }

    fn result(&self) -> Result<'_> {
        let Self { seed, rounds, round_seconds, faults, books, findings } = self;
        let sum = |of: fn(&Operation) -> u64| books.operations.iter().map(of).sum();
        Result {
            holds: self.holds(),
            seed: *seed,
            rounds: *rounds,
            round_seconds: *round_seconds,
            offered_per_second: books.offered_per_second,
            achieved_per_second: books.achieved_per_second,
            operations: sum(|operation| operation.count),
            errors: sum(|operation| operation.errors),
            retries: sum(|operation| operation.retries),
            unknown: sum(|operation| operation.unknown),
            faults,
            invariants: findings,
        }
    }

    /// Recovery times by kind of fault and target, in seconds.
    fn recoveries(&self) -> BTreeMap<(Kind, &'static str), Vec<Option<f64>>> {
        let mut recoveries: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for fault in &self.faults {
            recoveries.entry((fault.kind, fault.target.name())).or_default().push(fault.recovery_seconds);
        }
        recoveries
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Result { holds, seed, rounds, achieved_per_second, operations, errors, retries, unknown, .. } =
            self.result();
        writeln!(f)?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if !self.faults.is_empty() {
            let header = ("fault", "of", "times", "recovery mean s", "longest s");
            writeln!(
                f,
                "{:<10} {:<16} {:>6} {:>16} {:>16}",
                header.0, header.1, header.2, header.3, header.4
            )?;
        }
        for ((kind, target), times) in self.recoveries() {
            let known: Vec<f64> = times.iter().copied().flatten().collect();
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            let longest = known.iter().copied().fold(0.0, f64::max);
            let lost = times.len() - known.len();
            let note = if lost == 0 { String::new() } else { format!("  {lost} NEVER RECOVERED") };
            writeln!(
                f,
                "{:<10} {target:<16} {:>6} {mean:>16.2} {longest:>16.2}{note}",
                kind.name(),
                times.len()
            )?;
        }
        writeln!(f)?;
        for operation in self.books.operations.iter().filter(|operation| operation.unknown > 0) {
            writeln!(f, "unknown: {} of {} {}", operation.unknown, operation.count, operation.operation)?;
        }
        let faults = self.faults.len();
        writeln!(
            f,
            "{rounds} rounds, {faults} faults; {operations} operations ({achieved_per_second:.0}/s), {retries} retries,"
        )?;
        let verdict = if holds { "EVERY INVARIANT HOLDS" } else { "SOMETHING DOES NOT HOLD" };
        writeln!(
            f,
            "{errors} errors; of {unknown} it stays unknown whether they took place. {verdict} (seed {seed})"
        )
    }
}

impl fmt::Display for Inflicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { round, kind, target, at_seconds, stalled_seconds, recovery_seconds } = self;
        write!(f, "round {round:>3}: {} {} at {at_seconds:.1} s", kind.name(), target.name())?;
        if let Some(stalled) = stalled_seconds {
            write!(f, " for {stalled:.1} s")?;
        }
        match recovery_seconds {
            Some(recovery) => write!(f, ", all ready {recovery:.2} s later"),
            None => write!(f, ", NEVER RECOVERED"),
        }
    }
}
