//! The gRPC instrument for tonic: a layer around a server's methods, a channel for clients, and failures as statuses.
//! Deadlines and traces pass through both sides; every call is counted, however it ends.

mod body;
mod call;
mod client;
mod framing;
mod methods;
mod server;
#[cfg(test)]
mod tests;

use battlearena_proto::Failure;
use tonic::Status;

pub use body::MeasuredBody;
pub use client::{InstrumentedChannel, connect, connect_by};
pub use server::{ServerLayer, ServerService, server_layer};

/// A failure as the status that a method answers; logged with its chain if it is ours. Call it once a failure.
pub fn status(failure: Failure) -> Status {
    call::report(&failure);
    Status::from(failure)
}
