//! The private PostgreSQL as a supervised program.

use std::sync::Arc;

use battlearena_runtime::CancellationToken;
use battlearena_storage::cluster::{Cluster, Running};

use super::supervise::{DRAIN, Process, Program};

/// The cluster that PostgreSQL runs on.
#[derive(Debug)]
pub(super) struct Postgres(pub(super) Arc<Cluster>);

impl Program for Postgres {
    type Process = Running;

    fn name(&self) -> &'static str {
        "postgresql"
    }

    async fn start(&mut self) -> anyhow::Result<Running> {
        Ok(self.0.start().await?)
    }
}

impl Process for Running {
    fn pid(&self) -> u32 {
        Self::pid(self)
    }

    async fn ended(&mut self) -> String {
        self.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    async fn stop(self, hurry: &CancellationToken) {
        tokio::select! {
            // However it ended, there is nothing left to stop.
            _ = Self::stop(self, DRAIN) => {}
            // It was told to stop, and its guard makes sure that it does. What was committed is safe either way.
            () = hurry.cancelled() => {}
        }
    }
}
