//! The check: how the platform's totals grew between two moments at which its log had settled, against the
//! ground truth. Only reads.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::Instant;

use crate::totals::{Totals, TotalsSource};
use crate::truth::{Comparison, Truth};

const POLL: Duration = Duration::from_millis(100);
/// For so long nothing may change before the traffic.
const QUIET_BEFORE: Duration = Duration::from_secs(1);
/// For so long nothing may change after it: what is applied twice would show by then.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// A check that has begun.
#[derive(Debug)]
pub(crate) struct Check {
    source: TotalsSource,
    before: Totals,
    patience: Duration,
}

impl Check {
    /// Takes the totals once they have settled.
    ///
    /// # Errors
    /// Analytics does not answer, or the totals change for as long as `patience` lasts.
    pub(crate) async fn begin(source: TotalsSource, patience: Duration) -> anyhow::Result<Self> {
        let (before, settled) = settle(&source, patience, QUIET_BEFORE, |_| true).await?;
        ensure!(settled, "the totals do not come to rest: a check needs the platform for itself");
        Ok(Self { source, before, patience })
    }

    /// Matches that were in progress at the beginning. They are not ours; should one end meanwhile, totals
    /// differ.
    pub(crate) fn foreign_matches(&self) -> i64 {
        self.before.matches_in_progress()
    }

    /// Waits until the totals have settled where the truth wants them, or beyond, and compares.
    ///
    /// # Errors
    /// Analytics does not answer.
    pub(crate) async fn finish(&self, truth: &Truth) -> anyhow::Result<Comparison> {
        // Too little may still be on its way through outbox and log; too much never goes away.
        let decided = |totals: &Totals| {
            let comparison = truth.compare(&self.before, totals);
            comparison.holds() || comparison.exceeds()
        };
        let (after, _) = settle(&self.source, self.patience, QUIET_AFTER, decided).await?;
        Ok(truth.compare(&self.before, &after))
    }
}

/// Reads until the read models have caught up with the log, nothing has changed for `quiet`, and the totals
/// are `decided`; or until `patience` is over, which the second value tells.
async fn settle(
    source: &TotalsSource,
    patience: Duration,
    quiet: Duration,
    decided: impl Fn(&Totals) -> bool,
) -> anyhow::Result<(Totals, bool)> {
    let give_up_at = Instant::now() + patience;
    let mut last: Option<Totals> = None;
    let mut unchanged_since = Instant::now();
    loop {
        let reading = source.read().await;
        let now = Instant::now();
        match reading {
            Ok(reading) => {
                if !reading.caught_up || last.as_ref() != Some(&reading.totals) {
                    unchanged_since = now;
                }
                if now - unchanged_since >= quiet && decided(&reading.totals) {
                    return Ok((reading.totals, true));
                }
                last = Some(reading.totals);
            }
            Err(error) if now >= give_up_at => return Err(error).context("the totals cannot be read"),
            Err(_not_now) => unchanged_since = now,
        }
        if now >= give_up_at
            && let Some(totals) = last
        {
            return Ok((totals, false));
        }
        tokio::time::sleep(POLL).await;
    }
}
