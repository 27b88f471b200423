//! Talk over real sockets: what the check proves of it, and what it does not let pass.

use battlearena_simulator::{ChatSummary, Outcome, run};
use clap::Parser;
use tokio_util::sync::CancellationToken;

use crate::platform::{Faults, Platform};
use crate::sockets::Sockets;
use crate::{Cli, differences, operation, simulate, total};

/// More bytes than any connection of these tests carries.
const NEVER: u64 = u64::MAX;

/// A second and a half of traffic and talk with a check.
pub(crate) async fn talk(sockets: &Sockets, forget_message: Option<i64>) -> (Platform, Outcome) {
    let faults = Faults { rooms: Some(sockets.rooms.clone()), forget_message, ..Faults::default() };
    let platform = Platform::start(faults).await;
    let arguments =
        format!("--rate 600 --duration 1500ms --check --socket-players 12 --socket-url {}", sockets.url);
    let outcome = simulate(&platform, &arguments, CancellationToken::new()).await;
    (platform, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_stored_once_and_heard_by_everybody() {
    let sockets = Sockets::start(NEVER).await;
    let (_, outcome) = talk(&sockets, None).await;
    assert!(outcome.held(), "{}", outcome.summary);
    let ChatSummary { players, acknowledged, delivered, reconnects, not_sent, .. } = outcome.summary.chat;
    assert_eq!((players, reconnects, not_sent), (12, 0, 0));
    let said = operation(&outcome, "chat message");
    assert_eq!((said.count, said.errors), (acknowledged, 0));
    let stored = total(&outcome, "chat messages stored");
    assert_eq!(
        (stored.at_least, stored.at_most, stored.grown),
        (stored.grown, stored.grown, acknowledged as i64)
    );
    // Two rooms of six, who all heard everything.
    assert!(acknowledged > 10 && delivered == 6 * acknowledged, "{}", outcome.summary);
    let mistakes = operation(&outcome, "mistake: bad room");
    assert_eq!((mistakes.count, mistakes.errors), (12, 0));
    assert!(outcome.summary.to_string().contains(&format!("chat: {acknowledged} messages of 12 players")));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_lose_nothing_and_double_nothing() {
    let sockets = Sockets::start(4000).await;
    let (_, outcome) = talk(&sockets, None).await;
    assert!(outcome.held(), "{}", outcome.summary);
    let ChatSummary { acknowledged, delivered, reconnects, .. } = outcome.summary.chat;
    assert!(reconnects > 0, "{}", outcome.summary);
    assert_eq!((delivered, operation(&outcome, "chat message").unknown), (6 * acknowledged, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_heard_and_not_kept_fails() {
    let sockets = Sockets::start(NEVER).await;
    let (_, outcome) = talk(&sockets, Some(3)).await;
    assert!(!outcome.held());
    let expected =
        ["chat messages stored", "rooms unlike what was acknowledged", "listeners unlike their room"];
    assert_eq!(differences(&outcome), expected, "{}", outcome.summary);
}

#[tokio::test]
async fn without_a_socket_gateway_there_is_an_error() {
    let platform = Platform::start(Faults::default()).await;
    let line = format!(
        "simulate --url {} --seed 1 --players 10 --give-up 300ms --socket-url ws://127.0.0.1:9/ws",
        platform.url
    );
    let config = Cli::parse_from(line.split_whitespace()).config;
    let error = run(config, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("20 of 20 players could not enter"), "{error:#}");
}
