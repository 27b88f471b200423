//! A hosted service over the wire: what answers whom, with and without credentials, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ports;
