//! An event that an operator or a game server posts.

use battlearena_proto::{Failure, Severity};

use super::text;

/// The longest metadata, in bytes of JSON.
const MOST_METADATA: usize = 16_384;

/// A system event that keeps the rules.
#[derive(Debug, Clone)]
pub(crate) struct SystemEvent {
    pub(crate) event_type: String,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    /// A JSON object as the client wrote it.
    pub(crate) metadata_json: String,
}

impl SystemEvent {
    /// Holds an event against the rules.
    ///
    /// # Errors
    /// Invalid, naming the field.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        text::line("event_type", &self.event_type, 1..=50)?;
        text::prose("message", &self.message, 0..=2000)?;
        if !self.metadata_json.starts_with('{') {
            return Err(Failure::invalid("metadata", "metadata must be a JSON object"));
        }
        if self.metadata_json.len() > MOST_METADATA {
            return Err(Failure::invalid(
                "metadata",
                format!("metadata must have at most {MOST_METADATA} bytes"),
            ));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bounds() {
        let event = |event_type: &str, message: &str, metadata_json: &str| {
            let [event_type, message, metadata_json] =
                [event_type, message, metadata_json].map(str::to_owned);
            SystemEvent { event_type, severity: Severity::Info, message, metadata_json }.checked()
        };
        assert!(event("deploy", "", "{}").is_ok());
        assert!(event("deploy", &"x".repeat(2000), &format!("{{\"k\":\"{}\"}}", "x".repeat(16_376))).is_ok());
        let long = (format!("{{\"k\":\"{}\"}}", "x".repeat(16_377)), "x".repeat(51), "x".repeat(2001));
        let table = [
            ("", "m", "{}", "event_type"),
            (&long.1, "m", "{}", "event_type"),
            ("deploy", &long.2, "{}", "message"),
            ("deploy", "m", "[]", "metadata"),
            ("deploy", "m", "\"text\"", "metadata"),
            ("deploy", "m", &long.0, "metadata"),
        ];
        for (event_type, message, metadata, field) in table {
            assert_eq!(event(event_type, message, metadata).unwrap_err().field(), Some(field));
        }
    }
}
