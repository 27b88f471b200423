//! SQL of schema `match`, by aggregate. One function a statement.

pub(crate) mod matches;
pub(crate) mod participants;

use battlearena_storage::Statement;

/// Creates the series of all statements at zero.
pub(crate) fn register() {
    Statement::register(matches::ALL);
    Statement::register(participants::ALL);
}
