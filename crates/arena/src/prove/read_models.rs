//! The read models that services make of the event log, by the consumer that keeps them: asking for a rebuild, and seeing
//! that it is done.

use battlearena_storage::events::request_rebuild;
use battlearena_storage::{Database, StorageError};

use crate::roles::Role;

/// The read models of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadModels {
    pub(super) schema: &'static str,
    pub(super) consumer: &'static str,
}

impl ReadModels {
    /// Totals, statistics and the leaderboard.
    pub(super) const ANALYTICS: Self =
        Self { schema: "analytics", consumer: battlearena_analytics::READ_MODELS };
    /// The total points of players.
    pub(super) const GATEWAY: Self = Self { schema: "gateway", consumer: battlearena_gateway::POINTS };

    /// Those of a service: of the gateway its points, otherwise what analytics has for all.
    pub(super) fn of(role: Role) -> Self {
        if role == Role::Gateway { Self::GATEWAY } else { Self::ANALYTICS }
    }

    /// Asks for a rebuild; whether there is somebody to do it.
    pub(super) async fn request(self, database: &Database) -> Result<bool, StorageError> {
        request_rebuild(database, self.schema, self.consumer).await
    }

    /// Whether what was asked for is done.
    pub(super) async fn are_rebuilt(self, database: &Database) -> Result<bool, StorageError> {
        let Self { schema, consumer } = self;
        let text = format!("select not rebuild_requested from {schema}.consumers where name = $1");
        Ok(database.connection().await?.session().query_text(&text, &[&consumer]).await?.get(0))
    }
}
