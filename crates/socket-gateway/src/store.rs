//! SQL of schema `socket`, by aggregate. One function a statement.

pub(crate) mod blocks;
pub(crate) mod messages;
pub(crate) mod mutes;
pub(crate) mod outbox;
pub(crate) mod rooms;

use battlearena_storage::Statement;

/// Creates the series of all statements at zero.
pub(crate) fn register() {
    Statement::register(blocks::ALL);
    Statement::register(messages::ALL);
    Statement::register(mutes::ALL);
    Statement::register(outbox::ALL);
    Statement::register(rooms::ALL);
}
