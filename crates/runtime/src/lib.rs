//! The process around a service: named tasks, deadlines, stop signals, readiness and limits. Knows nothing of ours.

pub mod deadline;
mod environment;
mod exposure;
mod finish;
mod limits;
mod readiness;
pub mod secret_file;
pub mod signals;
mod tasks;

pub use deadline::Deadline;
pub use environment::Environment;
pub use exposure::{Exposed, check_exposure};
pub use finish::{finish, finish_on};
pub use limits::raise_open_file_limit;
pub use readiness::{CheckResult, Readiness, Report};
pub use secret_file::{SecretFile, SecretFileError};
pub use signals::stop_requested;
pub use tasks::{StillRunning, TaskPanicked, Tasks};
pub use tokio_util::sync::CancellationToken;
