//! The client against the real services in this process, and against servers that misbehave.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod credentials;
mod game_server;
mod gateway;
mod hooks;
mod misbehaving;
mod platform;
#[expect(dead_code, reason = "its main is for people")]
#[path = "../../examples/play_match.rs"]
mod play_match;
mod proxy;
mod required;
mod retries;
mod socket;

/// The example plays its match against the real platform.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_works() {
    let platform = platform::Platform::start().await;
    play_match::play(&platform.addresses).await.unwrap();
    let (mut platform, key) = platform::Platform::required().await;
    platform.addresses.key = Some(key);
    play_match::play(&platform.addresses).await.unwrap();
}
