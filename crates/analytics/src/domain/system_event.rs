//! System events at the door, and how serious platform events are.

use std::str::FromStr;

use battlearena_proto::events::{SystemEventRecorded, event::Body};
use battlearena_proto::{Failure, Severity};

/// Checks an event that somebody posted.
pub(crate) fn check_system_event(event: &SystemEventRecorded) -> Result<(), Failure> {
    let SystemEventRecorded { event_type, severity, message, metadata_json } = event;
    text("event_type", event_type, 1, 50)?;
    Severity::from_str(severity).map_err(|error| Failure::invalid("severity", error.to_string()))?;
    text("message", message, 0, 2000)?;
    if metadata_json.len() > 16_384 {
        let message = format!("must have at most 16384 bytes as JSON, not {}", metadata_json.len());
        return Err(Failure::invalid("metadata", message));
    }
    match serde_json::from_str::<serde_json::Value>(metadata_json) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        _ => Err(Failure::invalid("metadata", "must be a JSON object")),
    }
}

/// How serious an event of the platform is.
pub(crate) fn severity(body: &Body) -> Severity {
    match body {
        Body::MatchCrashed(_) => Severity::Error,
        Body::TransactionRecorded(transaction) if transaction.status == "failed" => Severity::Warning,
        // A token that was used twice was stolen from somebody.
        Body::SessionRevoked(session) if session.reason == "refresh_reused" => Severity::Warning,
        Body::SessionRevoked(_) => Severity::Info,
        Body::LoginRefused(_) | Body::PlayerSanctioned(_) | Body::AccessRefused(_) => Severity::Warning,
        Body::SystemEventRecorded(event) => event.severity.parse().unwrap_or(Severity::Info),
        Body::PlayerRegistered(_)
        | Body::PlayerLoggedIn(_)
        | Body::MatchStarted(_)
        | Body::MatchCompleted(_)
        | Body::PlayersSeen(_)
        | Body::CredentialChanged(_)
        | Body::KeyChanged(_)
        | Body::PlayerDeleted(_)
        | Body::PlayerRenamed(_)
        | Body::TransactionRecorded(_) => Severity::Info,
    }
}

fn text(field: &str, text: &str, least: usize, most: usize) -> Result<(), Failure> {
    let length = text.chars().count();
    if length < least || length > most {
        return Err(Failure::invalid(field, format!("must have {least} to {most} characters, not {length}")));
    }
    if text.contains('\0') {
        return Err(Failure::invalid(field, "must not contain the NUL character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_type: &str, severity: &str, message: &str, metadata: &str) -> SystemEventRecorded {
        SystemEventRecorded {
            event_type: event_type.into(),
            severity: severity.into(),
            message: message.into(),
            metadata_json: metadata.into(),
        }
    }

    #[test]
    fn events_that_are_refused() {
        let long = "x".repeat(2001);
        let heavy = format!("{{\"x\":\"{}\"}}", "y".repeat(16_384));
        let table = [
            (event("", "info", "", "{}"), "event_type"),
            (event("boot", "loud", "", "{}"), "severity"),
            (event("boot", "info", &long, "{}"), "message"),
            (event("boot", "info", "a\0b", "{}"), "message"),
            (event("boot", "info", "", "[1]"), "metadata"),
            (event("boot", "info", "", "{"), "metadata"),
            (event("boot", "info", "", &heavy), "metadata"),
        ];
        for (event, field) in table {
            assert_eq!(check_system_event(&event).unwrap_err().field(), Some(field));
        }
        assert!(check_system_event(&event("boot", "critical", "", "{\"a\":null}")).is_ok());
    }
}
