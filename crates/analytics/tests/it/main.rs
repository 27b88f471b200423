//! Analytics as its callers see it: over gRPC, on a real PostgreSQL.

mod log;
mod numbers;
mod operations;
mod relay;
mod support;
