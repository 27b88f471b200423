//! Calls about the platform itself: what it is, whether it is well, and what an operator has to say.

use battlearena_proto::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::Call;

/// What this is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Welcome {
    /// Name of the platform.
    pub message: String,
    /// Version of the program.
    pub version: String,
    /// Path of the page that describes the API.
    pub docs: String,
}

/// Asks what this is: `GET /`.
pub fn welcome() -> Call<Welcome> {
    Call::get("/")
}

/// Whether the gateway is well.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// "healthy".
    pub status: String,
    /// "connected".
    pub database: String,
    /// Now (UTC).
    pub timestamp: Timestamp,
}

/// Asks once whether the gateway is well: `GET /health`. Unavailable: its database is gone.
pub fn health() -> Call<Health> {
    Call::get("/health").once()
}

/// Something that an operator or a game server has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SystemEvent<'a> {
    /// Free name of the event, 1 to 50 characters.
    pub event_type: &'a str,
    /// How serious it is.
    pub severity: Severity,
    /// For people, at most 2000 characters.
    pub message: &'a str,
    /// A JSON object of at most 16384 bytes; none is an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a Value>,
}

/// The event as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordedEvent {
    /// Its place in the event log.
    pub event_id: i64,
    /// Name of the event.
    pub event_type: String,
    /// How serious it is.
    pub severity: Severity,
    /// For people.
    pub message: String,
}

/// Records a system event: `POST /api/system/event`.
pub fn record_event(event: &SystemEvent<'_>) -> Call<RecordedEvent> {
    Call::post("/api/system/event", event)
}
