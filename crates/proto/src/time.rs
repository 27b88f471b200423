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
