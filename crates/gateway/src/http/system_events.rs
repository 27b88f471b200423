//! The route of system events.

use actix_web::web::{Data, Json};
use battlearena_identity::Caller;
use battlearena_proto::Severity;
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::Body;
use super::document::BodyErrors;
use super::parameters::Key;
use crate::domain::system_event::SystemEvent;
use crate::service::system_events::SystemEvents;

/// Something that an operator or a game server has to say.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"event_type": "deployment", "severity": "info", "message": "release 1.2 is out",
                          "metadata": {"release": "1.2"}}))]
pub(super) struct EventRequest {
    /// Free name of the event, 1 to 50 characters.
    #[schema(example = "deployment", min_length = 1, max_length = 50)]
    event_type: String,
    /// How serious it is.
    #[schema(schema_with = super::document::severity)]
    severity: Severity,
    /// For people, at most 2000 characters.
    #[schema(example = "release 1.2 is out", max_length = 2000)]
    message: String,
    /// A JSON object of at most 16384 bytes, kept as it is; absent, it is empty.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Option<Box<RawValue>>,
}

/// The event as it was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventResponse {
    /// Its place in the event log.
    #[schema(example = 1)]
    event_id: i64,
    /// Name of the event.
    #[schema(example = "deployment")]
    event_type: String,
    /// `info`, `warning`, `error` or `critical`.
    #[schema(value_type = String, example = "info")]
    severity: Severity,
    /// For people.
    #[schema(example = "release 1.2 is out")]
    message: String,
}

/// Record a system event.
///
/// With an `Idempotency-Key`, a retry within 24 hours gets the first answer.
#[utoipa::path(
    post, path = "/api/system/event", tag = "system", request_body = EventRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses((status = 200, description = "The event is in the log.", body = EventResponse), (status = 409, response = super::document::Conflict), BodyErrors)
)]
pub(super) async fn record(
    _: Caller,
    events: Data<SystemEvents>,
    key: Key,
    body: Body<EventRequest>,
) -> Result<Json<EventResponse>, HttpFailure> {
    let EventRequest { event_type, severity, message, metadata } = body.0;
    let metadata_json = metadata.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned());
    let event = SystemEvent { event_type, severity, message, metadata_json }.checked()?;
    let told = event.clone();
    let event_id = finish(async move { events.record(&told, key.0.as_ref()).await }).await?;
    let SystemEvent { event_type, severity, message, .. } = event;
    Ok(Json(EventResponse { event_id, event_type, severity, message }))
}
