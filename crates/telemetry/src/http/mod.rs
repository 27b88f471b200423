//! The HTTP instrument for actix-web: one middleware around every route, the one shape of an error answer, and the
//! routes by which a process is operated.

mod failure;
mod fallback;
mod handshake;
mod instrument;
mod observation;
mod operations;
mod request_id;
mod routes;
#[cfg(test)]
mod tests;

pub use failure::{Deliberate, HttpFailure, error_response};
pub use fallback::{method_not_allowed, not_found};
pub use handshake::{Handshake, Handshakes};
pub use instrument::Instrument;
pub use operations::{Operations, operations};
pub use request_id::RequestId;
