//! The client of the platform for players, tools and game servers.

pub mod calls;
mod error;
pub mod grpc;
mod http;
mod retry;
pub mod socket;

pub use error::{Error, Fault, Refusal};
pub use http::{AddressError, Call, Delivery, Gateway};
pub use retry::{Patience, Retry};
