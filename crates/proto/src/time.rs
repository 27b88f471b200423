//! Points in time on the wire.

use jiff::Timestamp;

/// A time as protobuf has it.
pub fn timestamp_to_wire(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// A time from the wire; `None` when absent or outside of year -9999 to 9999.
pub fn timestamp_from_wire(time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok())
}

/// Times in the JSON of a payload: RFC 3339 text, or null.
pub(crate) mod text {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{timestamp_from_wire, timestamp_to_wire};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<prost_types::Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        timestamp_from_wire(*time).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<prost_types::Timestamp>, D::Error> {
        Ok(Option::<Timestamp>::deserialize(deserializer)?.map(timestamp_to_wire))
    }
}
