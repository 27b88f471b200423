//! The canary: a synthetic player outside the services, who logs in, plays a match and chats all the time. Services that are
//! dead count nothing; what the canary misses is counted here, and burns the error budgets. It reaches the platform
//! through the client alone, and nothing that the platform does or does not do ends it.

mod app;
mod cast;
mod checks;
mod config;
mod metrics;
mod rounds;

pub use app::App;
pub use config::Config;
