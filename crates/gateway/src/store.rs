//! The SQL of schema `gateway`, one function a statement. The caller decides about the transaction; no rule is decided
//! here.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod log_ins;
pub(crate) mod players;
pub(crate) mod points;
pub(crate) mod sanctions;
pub(crate) mod sessions;
pub(crate) mod transactions;

use battlearena_storage::Statement;

/// Every statement, so that their series exist from the start.
pub(crate) fn register_statements() {
    Statement::register(&players::ALL);
    Statement::register(&transactions::ALL);
    Statement::register(&points::ALL);
    Statement::register(&accounts::ALL);
    Statement::register(&api_keys::ALL);
    Statement::register(&audit::ALL);
    Statement::register(&credentials::ALL);
    Statement::register(&log_ins::ALL);
    Statement::register(&sanctions::ALL);
    Statement::register(&sessions::ALL);
}
