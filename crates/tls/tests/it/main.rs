//! TLS against real servers: actix-web, tonic, and a socket that leaves actix. Every certificate is made by the tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fetch;
mod grpc;
mod http;
mod mutual;
mod pki;
mod refusals;
mod reload;
mod socket;
mod support;
mod system;
