//! What the trees of several requests have in common.

use crate::span_tree::{Node, node};

/// A line without anything below it.
pub(super) fn leaf(line: impl Into<String>) -> Node {
    node(line, [])
}

pub(super) fn statements<const N: usize>(service: &str, names: [&str; N]) -> Vec<Node> {
    names.map(|name| leaf(format!("{service} client {name}"))).into()
}

/// A gRPC call and what it does on the other side.
pub(super) fn call<const N: usize>(caller: &str, callee: &str, method: &str, below: [Node; N]) -> Node {
    let served = node(format!("{callee} server {method} rpc.response.status_code=OK"), below);
    node(format!("{caller} client {method} rpc.response.status_code=OK"), [served])
}

/// An outbox is emptied into the log.
pub(super) fn relayed(service: &str) -> Node {
    let append = node(
        "analytics server battlearena.events.v1.EventLogService/Append rpc.response.status_code=OK",
        statements(
            "analytics",
            [
                "BEGIN",
                "SELECT log_head",
                "SELECT sources",
                "INSERT system_events",
                "UPDATE log_head",
                "INSERT sources",
                "COMMIT",
            ],
        ),
    );
    let call =
        format!("{service} client battlearena.events.v1.EventLogService/Append rpc.response.status_code=OK");
    node(
        format!(
            "{service} producer relay_events messaging.batch.message_count=1 \
             messaging.destination.name={service}_outbox messaging.operation.type=send messaging.system=outbox"
        ),
        [node(call, [append])],
    )
}

/// A consumer of the log puts an event into its tables.
pub(super) fn applied<const N: usize>(service: &str, consumer: &str, tables: [&str; N]) -> Node {
    let transaction = ["BEGIN", "UPDATE consumers", "COMMIT"];
    node(
        format!(
            "{service} consumer apply_events messaging.batch.message_count=1 messaging.destination.name={consumer} \
             messaging.operation.type=process messaging.system=event_log"
        ),
        statements(service, transaction).into_iter().chain(statements(service, tables)),
    )
}

/// The read models learn of an event.
pub(super) fn counted<const N: usize>(tables: [&str; N]) -> Node {
    applied("analytics", "read_models", tables)
}

/// The feed shows an event to everybody who listens.
pub(super) fn published(kind: &str) -> Node {
    leaf(format!(
        "socket-gateway consumer publish_event event.type={kind} messaging.destination.name=feed \
         messaging.operation.type=process messaging.system=event_log"
    ))
}

pub(super) const TOTALS_AND_PLAYERS: [&str; 3] = ["INSERT totals", "INSERT daily_totals", "INSERT players"];
