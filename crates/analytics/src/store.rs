//! SQL of schema `analytics`, by aggregate. One function a statement.

pub(crate) mod events;
pub(crate) mod players;
pub(crate) mod snapshot;
pub(crate) mod totals;

use battlearena_storage::Statement;

/// Creates the series of all statements at zero.
pub(crate) fn register() {
    for statements in [events::ALL, players::ALL, snapshot::ALL, totals::ALL] {
        Statement::register(statements);
    }
}
