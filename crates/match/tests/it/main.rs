//! The match service as game servers see it: over gRPC, on a real PostgreSQL, with a real event log behind it.

mod contract;
mod life;
mod support;
