//! The spans of commands.

use std::time::Duration;

use battlearena_identity::limits::Quota;
use battlearena_identity::{Gatekeeper, Settings};
use battlearena_storage::{Database, DatabaseSettings};
use battlearena_telemetry::recording::Recording;

use super::*;
use crate::domain::Limits;

const HANDSHAKE: &str = "00-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-5555555555555555-01";
const COMMAND: &str = "00-cccccccccccccccccccccccccccccccc-3333333333333333-01";

fn session(handshake: Option<&str>) -> Session {
    let limits = Limits {
        frame_bytes: 16_384,
        text_characters: 2000,
        channels: 64,
        commands_per_second: 50,
        commands_burst: 200,
        recovery_messages: 2000,
    };
    let (heartbeat, timeout) = (Duration::from_secs(25), Duration::from_secs(60));
    let commands = Quota::new(50, Duration::from_secs(1));
    let policy = Policy { limits, commands, queue_bytes: 1_048_576, heartbeat, timeout };
    let nowhere = DatabaseSettings::for_url("postgresql://127.0.0.1:9/nowhere");
    let gatekeeper = Arc::new(Gatekeeper::new(&Settings::open()).unwrap());
    let hub = Arc::new(Hub::new(Database::new(&nowhere, "test").unwrap(), policy, gatekeeper));
    let socket = hub.open();
    Session::new(hub, socket, handshake.map(str::to_owned))
}

#[tokio::test]
async fn a_command_is_a_span_that_is_linked_to_the_handshake() {
    let spans = Recording::start();
    for handshake in [Some(HANDSHAKE), None] {
        let mut session = session(handshake);
        session.take(&format!(r#"{{"type":"ping","traceparent":"{COMMAND}"}}"#));
    }
    let [linked, alone] = spans.spans().try_into().unwrap();
    for span in [&linked, &alone] {
        assert_eq!((span.name.as_str(), span.parent.as_str()), ("socket_command", COMMAND));
        assert_eq!((span.attribute("error.type"), span.is_error), ("unauthenticated", false));
    }
    assert_eq!((linked.links, alone.links), (vec![HANDSHAKE.to_owned()], vec![]));
}
