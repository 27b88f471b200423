//! What must hold once the faults are over and the platform has come to rest: each invariant is a finding, each finding a
//! list of numbers that must be what they should be. Only looks, but for the rebuild, which is asked for last.

mod books;
mod history;
mod leaderboard;
mod log;
mod rebuild;
mod rest;
#[cfg(test)]
mod tests;
mod truth;

use std::fmt;

use battlearena_storage::Database;
use serde::Serialize;

use super::platform::Platform;
use super::traffic::{Books, Wanted};

/// What one invariant came to.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// The invariant, as a sentence.
    pub(super) invariant: &'static str,
    /// Whether every number is what it should be.
    pub(super) holds: bool,
    /// The numbers.
    pub(super) lines: Vec<Line>,
}

/// One number, and the bounds within which it must be; they are equal where it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) what: String,
    pub(super) found: i64,
    pub(super) at_least: i64,
    pub(super) at_most: i64,
}

impl Finding {
    fn new(invariant: &'static str, lines: Vec<Line>) -> Self {
        Self { invariant, holds: lines.iter().all(Line::holds), lines }
    }
}

impl Line {
    fn equal(what: impl Into<String>, found: i64, expected: i64) -> Self {
        Self { what: what.into(), found, at_least: expected, at_most: expected }
    }

    fn holds(&self) -> bool {
        (self.at_least..=self.at_most).contains(&self.found)
    }
}

/// Waits for rest, and checks everything. The rebuild, which writes, is left out when something else does not hold: what
/// was found is then left as it is.
///
/// # Errors
/// The platform or its database does not answer.
pub(super) async fn check(
    platform: &Platform,
    database: &Database,
    books: &Books,
    wanted: Wanted,
) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![
        Finding::new("no match is stuck", rest::no_match_is_stuck(database).await?),
        Finding::new("every event arrives", rest::everything_arrives(database).await?),
        Finding::new("the totals are what the players saw", truth::compare(database, books).await?),
        Finding::new("no event is lost, doubled or out of order", log::complete(database).await?),
        Finding::new("the books balance", books::balance(database).await?),
        Finding::new("nothing panics", rest::no_panics(platform)?),
    ];
    if let Some(lines) = history::without_gaps(database, books).await? {
        findings.push(Finding::new("no client's history has a gap", lines));
    }
    if wanted.exactly.is_some() {
        findings.push(Finding::new("no operation fails", truth::without_errors(books)));
    }
    if findings.iter().all(|finding| finding.holds) {
        let rebuilt = rebuild::rebuild_and_compare(database).await?;
        findings.push(Finding::new("read models equal a rebuild from the log", rebuilt));
    }
    let places = leaderboard::compare(platform, database).await?;
    findings.push(Finding::new("the leaderboard is in the order of the points", places));
    Ok(findings)
}

/// What the end of the platform came to.
pub(super) fn ends_in_order(in_order: bool) -> Finding {
    let line = Line::equal("arena up: ended in order", i64::from(in_order), 1);
    Finding::new("the platform ends in order", vec![line])
}

/// Runs a query of rows (what, found, expected).
async fn lines(database: &Database, query: &str) -> anyhow::Result<Vec<Line>> {
    let text = format!(
        "select array_agg(what), array_agg(found::bigint), array_agg(expected::bigint)
         from ({query}) as line (what, found, expected)"
    );
    let row = database.connection().await?.session().query_text(&text, &[]).await?;
    let Some(what) = row.get::<_, Option<Vec<String>>>(0) else { return Ok(Vec::new()) };
    let numbers = row.get::<_, Vec<i64>>(1).into_iter().zip(row.get::<_, Vec<i64>>(2));
    Ok(what
        .into_iter()
        .zip(numbers)
        .map(|(what, (found, expected))| Line::equal(what, found, expected))
        .collect())
}

/// The schemas that have a table of that name, in order.
async fn schemas_with(database: &Database, table: &str) -> anyhow::Result<Vec<String>> {
    let text =
        "select array(select n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relname = $1 and c.relkind in ('r', 'p') order by 1)";
    Ok(database.connection().await?.session().query_text(text, &[&table]).await?.get(0))
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, holds, lines } = self;
        writeln!(f, "{}  {invariant}", if *holds { "holds" } else { "FAILS" })?;
        for line in lines {
            let Line { what, found, at_least, at_most } = line;
            let mark = if line.holds() { "" } else { "  <-- FAILS" };
            if at_least == at_most {
                writeln!(f, "         {what:<58} {found:>10} = {at_least}{mark}")?;
            } else {
                writeln!(f, "         {what:<58} {found:>10} in {at_least} to {at_most}{mark}")?;
            }
        }
        Ok(())
    }
}
