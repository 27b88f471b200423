//! What was sent, counted where the client sends it: the truth that the platform's own counters, spans and rows are held
//! against. Each attempt counts once, also one that was given up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use battlearena_client::{Observer, Sent};
use serde::Serialize;
use tonic::Code;

/// The counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By method, route and status.
    requests: BTreeMap<(String, String, u16), u64>,
    /// By method and code.
    grpc_calls: BTreeMap<(String, Option<String>), u64>,
    socket_commands: BTreeMap<String, u64>,
}

/// Requests of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestCount {
    /// GET or POST.
    pub method: String,
    /// The template of the route.
    pub route: String,
    /// The status of the answers; 0 when no answer came.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// gRPC calls of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RpcCount {
    /// `package.Service/Method`.
    pub method: String,
    /// The code of the answers, such as `OK`; none when no answer came.
    pub code: Option<String>,
    /// How many.
    pub count: u64,
}

/// Commands of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandCount {
    /// The `type` of the frame.
    pub command: String,
    /// How many.
    pub count: u64,
}

impl Attempts {
    /// HTTP requests so far.
    pub(crate) fn requests(&self) -> Vec<RequestCount> {
        let counts = self.counts();
        let rows = counts.requests.iter().map(|((method, route, status), &count)| RequestCount {
            method: method.clone(),
            route: route.clone(),
            status: *status,
            count,
        });
        rows.collect()
    }

    /// gRPC calls so far.
    pub(crate) fn grpc_calls(&self) -> Vec<RpcCount> {
        let counts = self.counts();
        let rows = counts.grpc_calls.iter().map(|((method, code), &count)| RpcCount {
            method: method.clone(),
            code: code.clone(),
            count,
        });
        rows.collect()
    }

    /// Commands over sockets so far.
    pub(crate) fn socket_commands(&self) -> Vec<CommandCount> {
        let counts = self.counts();
        let rows = counts.socket_commands.iter();
        rows.map(|(command, &count)| CommandCount { command: command.clone(), count }).collect()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Attempts {
    fn sent(&self, sent: Sent<'_>) {
        let mut counts = self.counts();
        let count = match sent {
            Sent::Request { method, route, status } => {
                let key = (method.to_owned(), route.to_owned(), status.unwrap_or(0));
                counts.requests.entry(key).or_default()
            }
            Sent::Rpc { method, code } => {
                counts.grpc_calls.entry((method.to_owned(), code.map(code_word))).or_default()
            }
            Sent::Command { kind } => counts.socket_commands.entry(kind.to_owned()).or_default(),
        };
        *count += 1;
    }
}

/// The word that metrics have for a code.
fn code_word(code: Code) -> String {
    match code {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        other => format!("{other:?}"),
    }
}
