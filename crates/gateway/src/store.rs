//! The SQL of schema `gateway`, one function a statement. The caller decides about the transaction; no rule is decided
//! here.

pub(crate) mod players;
pub(crate) mod points;
pub(crate) mod transactions;

use battlearena_storage::Statement;

/// Every statement, so that their series exist from the start.
pub(crate) fn register_statements() {
    Statement::register(&players::ALL);
    Statement::register(&transactions::ALL);
    Statement::register(&points::ALL);
}
