//! System events, which go straight into the event log.

use battlearena_proto::Failure;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::events::{RecordRequest, SystemEventRecorded};
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_telemetry::grpc::InstrumentedChannel;

use super::{from_peer, key_for_peer};
use crate::domain::system_event::SystemEvent;

/// The use case about system events.
#[derive(Clone)]
pub(crate) struct SystemEvents {
    pub(crate) log: EventLogServiceClient<InstrumentedChannel>,
}

impl SystemEvents {
    /// Puts an event into the log and returns its id, which is its offset there.
    ///
    /// # Errors
    /// Conflict when the key came with another event; unavailable without analytics.
    pub(crate) async fn record(
        &self,
        event: &SystemEvent,
        key: Option<&IdempotencyKey>,
    ) -> Result<i64, Failure> {
        let SystemEvent { event_type, severity, message, metadata_json } = event.clone();
        let request = RecordRequest {
            event: Some(SystemEventRecorded {
                event_type,
                severity: severity.as_str().to_owned(),
                message,
                metadata_json,
            }),
            idempotency_key: key_for_peer(key),
        };
        let answer = self.log.clone().record(request).await;
        Ok(answer.map_err(|status| from_peer("analytics", status))?.into_inner().event_id)
    }
}
