//! The totals against what the players saw. The platform was empty when their books began, so that its totals are their
//! growth; a match that was lost may have ended after the simulator looked, so this looks again.

use anyhow::ensure;
use battlearena_storage::Database;

use super::{Line, history, lines};
use crate::prove::traffic::{Books, Total};

/// The totals in the words of the simulator's books.
const TOTALS: &str = "
    select case kind
             when 'registrations' then 'registrations'
             when 'logins' then 'log-ins'
             when 'log_outs' then 'log-outs'
             when 'refused_log_ins' then 'refused log-ins'
             when 'matches' then type || ' matches ' || status
             when 'transactions' then type || ' purchases ' || status
             else kind
           end, count, 0
    from analytics.totals
    union all
    select type || ' purchases ' || status || ', cents', amount, 0
    from analytics.totals where kind = 'transactions'";

/// Every total within its interval. A total that the books do not have at all must be nothing.
pub(super) async fn compare(database: &Database, books: &Books) -> anyhow::Result<Vec<Line>> {
    ensure!(!books.check.totals.is_empty(), "the simulator's books have no totals");
    let found = lines(database, TOTALS).await?;
    let totals = || books.check.totals.iter().filter(|total| !history::is_of_the_chat(total));
    let mut compared: Vec<Line> = totals().map(|total| against(total, &found)).collect();
    compared.extend(found.into_iter().filter(|line| !totals().any(|total| total.name == line.what)));
    compared.retain(|line| line.at_most != 0 || line.found != 0);
    compared.push(Line::equal("the simulator's own check holds", i64::from(books.check.held), 1));
    Ok(compared)
}

/// Every operation of every kind came to the end that was expected, and was sent at all.
pub(super) fn without_errors(books: &Books) -> Vec<Line> {
    let errors = books.operations.iter().map(|operation| {
        Line::equal(format!("{}: errors", operation.operation), operation.errors.cast_signed(), 0)
    });
    let not_sent = Line::equal("operations that were not sent", books.not_sent.cast_signed(), 0);
    errors.chain([not_sent]).collect()
}

fn against(total: &Total, found: &[Line]) -> Line {
    let Total { name, at_least, at_most, grown: _ } = total;
    let found = found.iter().find(|line| line.what == *name).map_or(0, |line| line.found);
    Line { what: name.clone(), found, at_least: *at_least, at_most: *at_most }
}
